import type { Amendable, Forward, Undoable } from '../../workflow/participant.js';
import type { AtOnce } from '../guard/at-once.js';
import type { Guard } from '../guard/guard.js';
import { Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import { begin, type Begun, type BeginOptions } from './begun.js';
import type { MethodWork } from './method.js';

/**
 * Makes functions that exist already a participant, without changing them: a service is what a factory makes of an
 * `sql`, with methods that take any arguments and do their work by that `sql`.
 *
 * Used in one of two ways:
 * - as a {@link Transactional.participant} of a saga. A workflow drives it: whatever dies, the transaction is completed or
 *   undone.
 * - by {@link Transactional.begin}, without any workflow. The guard gives the same per call: at most once, durable
 *   rejections, an undo that bars what may still come. What it does not give is a driver that outlives the process:
 *   nobody else knows of the calls. If the process dies between the first call and the end, or nobody calls `undo`, what
 *   was applied stays applied, and no scan, desk or alarm will ever tell. Nor is anything tried again by itself. Beginning
 *   the same gid again, making the same calls in the same order and then undoing is safe, but somebody has to do that.
 *   Where that is not enough: a saga.
 */
export interface Transactional<Service, Given extends Plan<Service>> {
  /** Each method's operation; its input is the list of the method's arguments. Register it with a worker. */
  readonly participant: TransactionalParticipant<Service, Given>;
  /**
   * Begins a transaction whose driver is this process.
   *
   * @param gid its id, the same for the same business fact; default: a new UUID
   */
  readonly begin: (gid?: string) => Begun<TransactionalMethods<Service, Given>>;
}

/** The methods that can take part: those that return a promise. */
type MethodName<Service> = {
  [Name in keyof Service]: Service[Name] extends (...args: never[]) => Promise<unknown> ? Name : never;
}[keyof Service] &
  string;

type ArgsOf<Service, Name extends keyof Service> = Service[Name] extends (...args: infer Args) => unknown
  ? Args
  : never;
type ResultOf<Service, Name extends keyof Service> = Service[Name] extends (...args: never[]) => Promise<infer Result>
  ? Result
  : never;

/**
 * What undoes a method, or makes it good.
 *
 * @param service made for the SQL transaction of the undo
 * @param args what the method got, as JSON carries it
 * @param result what it returned: it is called only for what was applied
 */
type UndoOf<Service, Name extends keyof Service> = (
  service: Service,
  args: ArgsOf<Service, Name>,
  result: ResultOf<Service, Name>,
) => Promise<unknown>;

/** The method as one statement, if it can be one: see {@link Guard.apply}. */
type AtOnceOf<Service, Name extends keyof Service> = (args: ArgsOf<Service, Name>) => AtOnce;

/** What every method's plan may have. */
interface AnyMethodPlan<Service, Name extends keyof Service> {
  readonly atOnce?: AtOnceOf<Service, Name>;
}

/** Of a method that can be undone, or made good: that as one statement, see {@link Guard.undo}. */
interface UndonePlan<Service, Name extends keyof Service> extends AnyMethodPlan<Service, Name> {
  readonly undoAtOnce?: AtOnceOf<Service, Name>;
}

interface CompensatedPlan<Service, Name extends keyof Service> extends UndonePlan<Service, Name> {
  readonly compensation: UndoOf<Service, Name>;
  readonly amends?: undefined;
}

interface AmendedPlan<Service, Name extends keyof Service> extends UndonePlan<Service, Name> {
  readonly amends: UndoOf<Service, Name>;
  readonly compensation?: undefined;
}

interface ForwardPlan<Service, Name extends keyof Service> extends AnyMethodPlan<Service, Name> {
  readonly compensation?: undefined;
  readonly amends?: undefined;
  readonly undoAtOnce?: undefined;
}

/** How one method is undone: by a compensation, by amends, or (it only goes forward) not at all. */
type MethodPlan<Service, Name extends keyof Service> =
  CompensatedPlan<Service, Name> | AmendedPlan<Service, Name> | ForwardPlan<Service, Name>;

/** The methods that take part, each with how it is undone. */
export type Plan<Service> = { readonly [Name in MethodName<Service>]?: MethodPlan<Service, Name> };

/** The operations of the methods, for {@link participant} in a saga. */
export type TransactionalParticipant<Service, Given extends Plan<Service>> = {
  readonly [Name in keyof Given & MethodName<Service>]: Given[Name] extends { readonly compensation: object }
    ? Undoable<ArgsOf<Service, Name>, ResultOf<Service, Name>>
    : Given[Name] extends { readonly amends: object }
      ? Amendable<ArgsOf<Service, Name>, ResultOf<Service, Name>>
      : Forward<ArgsOf<Service, Name>, ResultOf<Service, Name>>;
};

/** The methods of the service that take part. */
export type TransactionalMethods<Service, Given extends Plan<Service>> = Pick<
  Service,
  keyof Given & MethodName<Service>
>;

/** Keys that are no methods do not compile. The compiler asks a first time before it knows the service: `object`. */
type NoOthers<Service, Given> = object extends Service
  ? unknown
  : Readonly<Record<Exclude<keyof Given, MethodName<Service>>, never>>;

/**
 * Makes a service transactional.
 *
 * A method's arguments and result travel as JSON. It throws {@link Rejection} for a definite no. A method that is
 * overloaded or generic has the types of its last overload.
 *
 * @param factory called once for each operation, with the `sql` of that operation's SQL transaction; it must do nothing
 * else with the database
 * @param plan the methods that take part; those that only serve an undo need not
 *
 * @example
 * ```ts
 * const createStock = (sql: Sql) => ({
 *   reserve: async (order: string, sku: string, units: number) => { … },
 *   release: async (order: string) => { … },
 * });
 * const stock = transactional(guard, createStock, {
 *   reserve: { compensation: (service, [order]) => service.release(order) },
 * });
 * // in a saga:
 * const inventory = participant<typeof stock.participant>('inventory');
 * await tx.run('reserve', inventory.reserve, ['o-1', 'cd', 2]);
 * // or without one:
 * const { service, undo } = stock.begin('import-7');
 * await service.reserve('o-1', 'cd', 2);
 * await undo();
 * ```
 */
export function transactional<Service extends object, const Given extends Plan<Service>>(
  guard: Guard,
  factory: (sql: Sql) => Service,
  plan: Given & NoOthers<Service, Given>,
  options: BeginOptions = {},
): Transactional<Service, Given> {
  const methods = Object.entries(plan).map(([name, undo]) => methodOf(factory, name, undo as AnyPlan<Service>));
  return {
    participant: Object.fromEntries(methods.map((method) => [method.name, operationOf(guard, method)])) as never,
    begin: (gid) => begin(guard, methods, gid, options) as never,
  };
}

/** A method's plan, whatever its types. */
interface AnyPlan<Service> {
  readonly compensation?: AnyUndo<Service>;
  readonly amends?: AnyUndo<Service>;
  readonly atOnce?: MethodWork['atOnce'];
  readonly undoAtOnce?: MethodWork['atOnce'];
}
type AnyUndo<Service> = (service: Service, args: readonly unknown[], result: unknown) => Promise<unknown>;
type AnyMethod = (...args: readonly unknown[]) => Promise<unknown>;

function methodOf<Service extends object>(
  factory: (sql: Sql) => Service,
  name: string,
  { compensation, amends, atOnce, undoAtOnce }: AnyPlan<Service>,
): MethodWork {
  const undo = compensation ?? amends;
  return {
    name,
    atOnce,
    // Called on its service: it may use `this`.
    work: async (sql, args) => (factory(sql) as Record<string, AnyMethod>)[name]?.(...args),
    undo: undo && {
      op: compensation ? 'compensation' : 'amends',
      work: (sql, args, result) => undo(factory(sql), args, result),
      atOnce: undoAtOnce,
    },
  };
}

function operationOf(guard: Guard, { name, work, atOnce, undo }: MethodWork) {
  const action: Forward<unknown, unknown>['action'] = (operation, input) =>
    guard.apply(
      operation,
      input,
      async (sql) => work(sql, listOf(name, input)),
      atOnce && (() => atOnce(listOf(name, input))),
    );
  if (undo === undefined) return { action };
  const { atOnce: undoAtOnce } = undo;
  const undoing: Undoable<unknown, unknown>['compensation'] = (operation, input) =>
    guard.undo(
      operation,
      input,
      async (sql, result) => undo.work(sql, listOf(name, input), result),
      undoAtOnce && (() => undoAtOnce(listOf(name, input))),
    );
  return { action, [undo.op]: undoing };
}

/** A person may have written the input: it is looked at. */
function listOf(name: string, input: unknown): readonly unknown[] {
  if (Array.isArray(input)) return input;
  throw new Rejection('InvalidInput', `the input of ${name} must be the list of its arguments`);
}
