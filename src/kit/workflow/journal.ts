import { proxyActivities } from '@temporalio/workflow';
import type { Op } from './branch.js';
import type { FailureNote } from './failure.js';
import type { Announced, Fate, Promotion } from './fate.js';

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

/** Gives a transaction that a caller's process drives to a workflow, by hand. */
export async function promoteTransaction({ gid, actor, reason }: PromoteOrder): Promise<Promoted> {
  return activities['backstitch.promote'](gid, { actor, reason, at: Date.now() });
}
