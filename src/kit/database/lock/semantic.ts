import type { Operation } from '../../workflow/branch.js';
import type { Forward, Undoable } from '../../workflow/participant.js';
import type { Guard } from '../guard/guard.js';
import { columnName, tableName } from '../identifiers.js';
import { Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';

/**
 * The semantic lock of a business object: a saga that takes it keeps all others away from the object, from before its first step on it until
 * it has ended, as its database cannot over several SQL transactions. It is a column of the object's own row, and not a lock of the
 * database: it outlives processes, is seen by everybody, and holds up only who wants that object. Whatever changes the object outside of
 * such a saga looks at the column too, in the statement that changes it.
 *
 * States: free → locked by a transaction → free. Who finds it locked by another is not refused for good: it asks again, as long as its own
 * retries last. It is let go by the transaction's own steps: the last of a saga, or the undo of taking it; like every undo that is done in
 * the end, or waits for a person. There is no time after which it is over: what it protects is half done until then.
 *
 * Invariant: of all transactions that take it one has it; a transaction lets go only its own.
 *
 * Sagas that take several take them in one order, so that no two wait for each other; and their undo is strict, so that no lock is let go
 * while something done under it is not undone.
 *
 * It is the "semantic lock" of Lars Frank and Torben Zahle ("Semantic ACID properties in multidatabases using remote procedure
 * calls and update propagations", 1998), as a countermeasure against the missing isolation of sagas.
 */
export interface SemanticLock {
  /**
   * Takes the lock, in the SQL transaction of a guarded step.
   *
   * @returns what the object is like, with who has it, and whether that is this transaction now; undefined if there is none
   */
  take<More extends object = object>(sql: Sql, gid: string, key: unknown): Promise<(Locked & More) | undefined>;
  /** Lets it go, if this transaction has it. Another's stays. */
  release(sql: Sql, gid: string, key: unknown): Promise<void>;
}

/** An object that was to be locked. */
export interface Locked {
  /** Whether the transaction has it now. */
  readonly done: boolean;
  /** Which transaction had it before, if one did. */
  readonly lockedBy: string | null;
}

/** Where the lock of an object is. All of it is code, and never input. */
export interface LockedObject {
  readonly table: string;
  /** The column that names the object. */
  readonly key: string;
  /** The column that names the transaction which has it: a text, null if none has. Default: `locked_by` */
  readonly lockedBy?: string;
  /** The column that says since when: a `timestamptz`. Default: `locked_at` */
  readonly lockedAt?: string;
  /** When an object can be locked at all, as SQL over its columns, such as `status = 'open'`. Default: always */
  readonly only?: string;
  /** What else {@link SemanticLock.take} tells of the object, as SQL over its columns, such as `status, balance - held as available`. */
  readonly tells?: string;
}

/** Another transaction has the object, until it has ended. Nothing was done: ask again. */
export class ObjectLocked extends Error {
  constructor(what: string, lockedBy: string) {
    super(`${what} is locked until ${lockedBy} has ended: it will be asked again`);
    this.name = 'ObjectLocked';
  }
}

/** The semantic lock of the objects in a table. @throws a TypeError for what is no name */
export function createSemanticLock(of: LockedObject): SemanticLock {
  const table = tableName(of.table);
  const key = columnName(of.key);
  const by = columnName(of.lockedBy ?? 'locked_by');
  const at = columnName(of.lockedAt ?? 'locked_at');
  const tells = of.tells === undefined ? '' : `, ${of.tells}`;
  // `$1` is the transaction, `$2` the object. The row is locked first, and told as it is then.
  const take = `
with object as materialized (
  select ${key} as "objectKey", ${by} as "lockedBy", (${of.only ?? 'true'}) as "isLockable"${tells}
  from ${table} where ${key} = $2 for no key update
), locked as (
  update ${table} set ${by} = $1, ${at} = coalesce(${table}.${at}, now()) from object
  where ${table}.${key} = object."objectKey" and object."isLockable" and (object."lockedBy" is null or object."lockedBy" = $1)
  returning 1
)
select object.*, exists (select from locked) as done from object`;
  const release = `update ${table} set ${by} = null, ${at} = null where ${key} = $2 and ${by} = $1`;
  return {
    async take<More extends object>(sql: Sql, gid: string, object: unknown) {
      const [found] = await sql<Locked & More>(take, [gid, object]);
      return found;
    },
    async release(sql, gid, object) {
      await sql(release, [gid, object]);
    },
  };
}

/** How a participant takes the lock of what its input names. */
export interface LockSteps<Input, Found extends object> {
  readonly guard: Guard;
  readonly lock: SemanticLock;
  /** The object, from the input. @throws a `Rejection` for a wrong input */
  readonly keyOf: (input: Input) => unknown;
  /** How the object is called in errors. */
  readonly nameOf: (key: unknown) => string;
  /**
   * Why an object is not locked, if it is not that another transaction has it: a `Rejection` for good, any other error to be asked
   * again. Default: `NotLockable`, for good
   */
  readonly hindrance?: (operation: Operation, key: unknown, found: (Locked & Found) | undefined) => Error | undefined;
}

/**
 * The two steps of a saga under a semantic lock: `lock` is its first, or one of its first, and taken back with it; `unlock` is its last,
 * or its pivot.
 */
export function semanticLockSteps<Input, Found extends object = object>({
  guard,
  lock,
  keyOf,
  nameOf,
  hindrance = () => undefined,
}: LockSteps<Input, Found>) {
  const release =
    ({ gid }: Operation, input: Input) =>
    (sql: Sql) =>
      lock.release(sql, gid, keyOf(input));
  return {
    lock: {
      action: (operation, input) =>
        guard.apply(operation, input, async (sql) => {
          const key = keyOf(input);
          const found = await lock.take<Found>(sql, operation.gid, key);
          if (found?.done === true) return;
          throw hindrance(operation, key, found) ?? refusal(nameOf(key), operation, found);
        }),
      compensation: (operation, input) => guard.undo(operation, input, release(operation, input)),
    } satisfies Undoable<Input, void>,
    unlock: {
      action: (operation, input) => guard.apply(operation, input, release(operation, input)),
    } satisfies Forward<Input, void>,
  };
}

function refusal(name: string, { gid }: Operation, found: Locked | undefined): Error {
  if (found === undefined) return new Rejection('NotFound', `${name} is not there`);
  if (found.lockedBy !== null && found.lockedBy !== gid) return new ObjectLocked(name, found.lockedBy);
  return new Rejection('NotLockable', `${name} cannot be locked as it is`);
}
