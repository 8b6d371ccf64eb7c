import { proxyActivities } from '@temporalio/workflow';

/**
 * How often the steps of transactions are asked and refused, as the guards of the participants have kept it. It is read when somebody
 * asks: nothing is written for it.
 */

/**
 * What drove a step, as far as a guard's row tells: the first operation of its scheme (`action`: a saga or a message), or that it
 * was a row of a state table.
 */
export type AskedBy = 'action' | 'try' | 'prepare' | 'state-table';

/** Which steps are counted. */
export interface RefusalsOrder {
  /** Steps that were asked first at this time or later; milliseconds since 1970. */
  readonly since: number;
  /** How the gids of each kind of transaction begin, by its name; none of them begins another one. `{ '': '' }`: all, under no name */
  readonly transactions: Readonly<Record<string, string>>;
}

/** How often a step was asked, and what came of it. */
export interface StepCount {
  /** By the name that the order has for it. */
  readonly transaction: string;
  readonly by: AskedBy;
  /** The branch's name, without what a person's new beginning adds to it. */
  readonly step: string;
  /** What it asks for, such as `payments.charge`; several if it is another participant's from one transaction to the other. */
  readonly operations: readonly string[];
  /** How often it was asked, once for each transaction, and either happened or was refused for good. */
  readonly reached: number;
  /** Of these, how often it was refused. */
  readonly refused: number;
  /** Why, by the type of the refusal. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Which step of its transaction it was, on average, from 1 on. */
  readonly place: number;
  /** Whether each of its operations can be taken back or made good: one that cannot be stands at the pivot, or after it. */
  readonly undoable: boolean;
}

/** What was counted. */
export interface StepCounts {
  /** ISO 8601. */
  readonly since: string;
  /** By transaction, then by their place. */
  readonly steps: readonly StepCount[];
  /** What could not be read, a line each: it is missing in the counts. */
  readonly notes: readonly string[];
}

/** The activity behind it; `refusalActivities` of `backstitch/worker` makes it. */
export interface RefusalActivities {
  'backstitch.countRefusals': (order: RefusalsOrder) => Promise<StepCounts>;
}

const { 'backstitch.countRefusals': count } = proxyActivities<RefusalActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumAttempts: 2 },
});

/** Counts how often each step was asked and refused. */
export async function countRefusals(order: RefusalsOrder): Promise<StepCounts> {
  return count(order);
}
