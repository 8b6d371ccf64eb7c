import { proxyActivities } from '@temporalio/workflow';
import type { Op } from './branch.js';
import type { FailureNote } from './failure.js';
import type { Announced, Fate, Promotion } from './fate.js';
import type { StateRow } from './state-table/row.js';

/**
 * The journal of transactions that are driven outside Temporal is what the participants' databases hold of them. Callers
 * know no database: a worker reads it for them, in workflows that are no transactions.
 */

/** A guard's row, without input and result. Times are ISO 8601. */
export interface JournalRow {
  readonly branch: string;
  readonly phase: 1 | 2;
  readonly seq: number;
  readonly op: Op;
  readonly outcome: 'applied' | 'empty' | 'rejected' | 'barred' | 'intent';
  readonly function: string;
  readonly failure?: FailureNote;
  readonly driver: string;
  readonly who: string;
  readonly attempt: number;
  readonly beganAt: string;
  readonly endedAt?: string;
}

/** An announcement, without the input. */
export interface JournalAnnouncement extends Announced {
  readonly transaction?: string;
  readonly taskQueue?: string;
  readonly summary?: string;
  readonly promoted?: Promotion;
  readonly beganAt: string;
  /** When a worker takes it over. */
  readonly takeOverAt: string;
}

/** What is kept with the first step of a transaction: how it ended or, of one that a group drives, how far it is. */
export type JournalFate =
  Fate | (Partial<Pick<Fate, 'transaction' | 'lane'>> & { readonly state: 'running' | 'undoing' });

/** What the databases hold of one transaction. */
export interface Journal {
  readonly gid: string;
  /** In the order of the branches. */
  readonly rows: readonly JournalRow[];
  /** The participant in whose database it is announced, or its fate is. */
  readonly home?: string;
  readonly announced?: JournalAnnouncement;
  readonly fate?: JournalFate;
  /** When it ended. ISO 8601. */
  readonly fateAt?: string;
  /** Its row in a state table, if it has one, without the inputs; then the home is that table. */
  readonly stateRow?: StateRow;
  /** Databases that could not be read, a line each. */
  readonly unread: readonly string[];
}

/** A place in a list: microseconds since 1970, and the gid among those of the same time. */
export interface JournalPosition {
  readonly at: string;
  readonly gid: string;
}

/** Which transactions to list, newest first: by when they began (`running`), or ended. */
export interface JournalListOrder {
  readonly of: 'running' | 'ended';
  /** Only those of state tables, or only others. */
  readonly scheme?: 'saga' | 'state';
  /** Only those in this state. */
  readonly state?: string;
  /** Only those that began at or after this time. ISO 8601. */
  readonly since?: string;
  /** What is listed comes behind this place. */
  readonly after?: JournalPosition;
  /** When so many are found the answer is given; it may have more. */
  readonly limit: number;
}

/** One line of a list. Times are ISO 8601. */
export interface JournalLine {
  readonly gid: string;
  readonly state: 'running' | 'compensating' | 'committed' | 'compensated' | 'failed';
  readonly transaction?: string;
  readonly lane: string;
  readonly beganAt: string;
  readonly endedAt?: string;
  /** Of a row of a state table: the id of the workflow in which it waits for a person, if it does or did. */
  readonly desk?: string;
}

/** A part of a list. */
export interface JournalList {
  readonly lines: readonly JournalLine[];
  /** Where the next part begins; absent: this was the last. */
  readonly next?: JournalPosition;
  /** Databases that could not be read, a line each. */
  readonly unread: readonly string[];
}

/** What an operator asks for who gives a transaction to a workflow. */
export interface PromoteOrder {
  readonly gid: string;
  readonly actor: string;
  readonly reason: string;
}

/** What came of it. */
export type Promoted =
  | { readonly how: 'promoted'; readonly ownerBefore: string; readonly promotion: Promotion }
  | { readonly how: 'unknown' }
  | { readonly how: 'ended'; readonly state: string }
  /** Something that it cannot be taken from has it. */
  | { readonly how: 'driven'; readonly by: string };

/** The activities behind these workflows; `adoptActivities` of `backstitch/worker` makes them. */
export interface JournalActivities {
  'backstitch.readJournal': (gid: string) => Promise<Journal>;
  'backstitch.listJournal': (order: JournalListOrder) => Promise<JournalList>;
  'backstitch.promote': (gid: string, promotion: Promotion) => Promise<Promoted>;
}

const activities = proxyActivities<JournalActivities>({
  startToCloseTimeout: '1 minute',
  retry: { maximumAttempts: 3 },
});

/** What the databases hold of one transaction. */
export async function readJournal(gid: string): Promise<Journal> {
  return activities['backstitch.readJournal'](gid);
}

/** Transactions that are driven outside Temporal, or were. */
export async function listJournal(order: JournalListOrder): Promise<JournalList> {
  return activities['backstitch.listJournal'](order);
}

/** Gives a transaction that a caller's process drives to a workflow, by hand. */
export async function promoteTransaction({ gid, actor, reason }: PromoteOrder): Promise<Promoted> {
  return activities['backstitch.promote'](gid, { actor, reason, at: Date.now() });
}
