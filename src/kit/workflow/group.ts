import type { Branch } from './branch.js';
import type { CauseNote, DecidedDetail, FailureNote } from './failure.js';
import type { Fate } from './fate.js';

/**
 * Groups: many small transactions of one kind that share a workflow, and succeed or fail each on its own. What the callers
 * of a group, its workflow and its activity agree on. Pure.
 */

/** What the search attribute `TxState` says of a group's workflow, which is no transaction itself. */
export const GROUP_STATE = 'group';

/** A transaction in a group. */
export interface GroupMember {
  readonly gid: string;
  readonly input: unknown;
  /** Tells an input from another one under the same gid. */
  readonly inputHash: string;
  readonly summary?: string;
  readonly details?: string;
  /** How long it had waited when its group was started, in milliseconds: its deadline counts that too. Default: 0 */
  readonly waitedMs?: number;
}

/** What the workflow of a group gets with its options. */
export interface GroupOrder {
  readonly members: readonly GroupMember[];
}

/**
 * What became of a member.
 * - with a fate: it has ended so, in this group or before.
 * - `left`: a workflow of its own, under its gid, has it. `home`: where that finds it, if it had begun. `open`: it has begun, or
 *   may have; so it goes on, whatever has its gid now.
 * - `conflict`: another transaction has its gid, with other content; nothing was done.
 */
export type MemberOutcome =
  | { readonly how: 'ended'; readonly fate: Fate }
  | { readonly how: 'left'; readonly home?: string; readonly open?: true; readonly why: string }
  | { readonly how: 'conflict' };

/** What a group's workflow answers: an outcome a member, in the order in which they were given. */
export interface GroupResult {
  readonly members: readonly MemberOutcome[];
}

/**
 * The activity that carries what the members of a group ask for at one time. All of it is done side by side; what has no
 * answer in time is not waited for.
 */
export const TURN_ACTIVITY = 'backstitch.turn';

/** What members ask for at one time. */
export interface Turn {
  readonly transaction: string;
  readonly asks: readonly TurnAsk[];
}

/** What a member asks for: a call of an operation, the decision to undo, or its end. */
export type TurnAsk = { readonly driver: string } & (
  | ({ readonly kind: 'call' } & TurnCall)
  | ({ readonly kind: 'undo'; readonly cause: CauseNote } & TurnHome)
  | ({ readonly kind: 'end' } & TurnHome & { readonly from: 'running' | 'undoing'; readonly fate: Fate })
);

export interface TurnCall {
  readonly branch: Branch;
  /** The full name of the function, such as `payments.charge.action`. */
  readonly function: string;
  readonly args: readonly unknown[];
  /** With a first step: the transaction's input. */
  readonly opens?: { readonly inputHash: string };
  /** How long it may take with its retries, in milliseconds. */
  readonly limitMs: number;
  /** The first attempt counts. */
  readonly attempts: number;
}

/** Where the first step of a transaction has its row. */
export interface TurnHome {
  readonly gid: string;
  readonly home: string;
  readonly branch: string;
}

/** What is known of what was asked; the answers to a turn are in the order of what was asked. */
export type TurnAnswer =
  /**
   * Of a call: it was done. `opened`: its row says that the group has the transaction. `again`: and said so before, by an attempt
   * of this call, or by one that was made in a task of the workflow that was lost.
   */
  | { readonly how: 'done'; readonly result?: unknown; readonly opened?: true; readonly again?: true }
  /** Of a call: the guard decided it. `opened`: as above. */
  | ({ readonly how: 'decided'; readonly detail: DecidedDetail; readonly opened?: true } & FailureNote)
  /** Of a decision: whether it was this driver's to take. */
  | { readonly how: 'won' | 'lost' }
  /** `uncalled`: the worker has no database in which this first step could open the transaction. */
  | ({ readonly how: 'unknown'; readonly uncalled?: true } & FailureNote);

/** What came of a turn. */
export interface TurnResult {
  readonly answers: readonly TurnAnswer[];
  /** What the answers take as JSON. */
  readonly bytes: number;
  /** To what they are the answers, by {@link turnKey}. Absent in what older releases have recorded. */
  readonly of?: string;
}

/**
 * Tells what is asked in a turn from what another release would ask there, in short: which member asks, and for what. A server
 * compares no more of a local activity than its place and its name. Worker and workflow make it alike (FNV-1a).
 */
export function turnKey(asks: readonly TurnAsk[]): string {
  const text = JSON.stringify(
    asks.map((ask) => {
      // Who replays a history may give its group another id.
      const member = ask.driver.slice(ask.driver.lastIndexOf('#'));
      if (ask.kind === 'call') return [member, ask.function, ask.branch.branch];
      return [member, ask.kind, ask.branch, ask.kind === 'end' ? ask.from : ''];
    }),
  );
  let key = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) key = Math.imul(key ^ text.charCodeAt(at), 0x01000193);
  return (key >>> 0).toString(16);
}

/** How long a call may take in a group with its retries, in milliseconds: the others wait for it. */
export const GROUP_CALL_MS = 2_000;
/** Attempts of a call in a group. */
export const GROUP_ATTEMPTS = 3;
