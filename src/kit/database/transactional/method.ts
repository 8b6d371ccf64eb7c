import type { AtOnce } from '../guard/at-once.js';
import type { Sql } from '../sql.js';

/** A method of a service that takes part in transactions: what runs inside the guard. */
export interface MethodWork {
  readonly name: string;
  readonly work: (sql: Sql, args: readonly unknown[]) => Promise<unknown>;
  /** The same as one statement. */
  readonly atOnce?: (args: readonly unknown[]) => AtOnce;
  /** Absent: it only goes forward. */
  readonly undo?: {
    readonly op: 'compensation' | 'amends';
    readonly work: (sql: Sql, args: readonly unknown[], result: unknown) => Promise<unknown>;
    readonly atOnce?: (args: readonly unknown[]) => AtOnce;
  };
}
