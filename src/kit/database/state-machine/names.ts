/** Where a machine's objects are: names of the service's own schema. A name is `orders`, or with its schema `shop.orders`. */
export interface MachineRowNames {
  readonly table: string;
  /** Its primary key. Default: `id` */
  readonly id?: string;
  /** The state; with {@link subState} the main state. Default: `status` */
  readonly state?: string;
  /** The sub-state, null where there is none. Default: the state is one text in one column, such as `PAID.PICKING` */
  readonly subState?: string;
  /** How often the row has moved: an integer, 0 at first. Default: `version` */
  readonly version?: string;
  /** When the row came to its state, a `timestamptz`. Default: it is not kept */
  readonly movedAt?: string;
  /** The table of its moves, made by `machineMovesTable`. Default: none is kept */
  readonly moves?: string;
}

const NAME = /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/;

/** A name as it may stand in a statement. @throws TypeError for anything else: it is no place for values */
export function named(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`'${name}' is no name of a table or a column in lower case`);
  return name;
}
