import type { Scheme } from './branch.js';
import type { CauseNote, TransactionReport } from './failure.js';

/**
 * What becomes of a transaction that is not a workflow from its beginning: how it is announced, and how its end is kept.
 * Pure: callers, workflows and databases agree on it.
 */

/** All that is needed to start the transaction's workflow, should its driver be gone. */
export interface StartOrder {
  /** The name of the workflow. */
  readonly transaction: string;
  readonly scheme: Scheme;
  readonly taskQueue: string;
  readonly input: unknown;
  /** The options of the call. */
  readonly overrides?: object;
  /** Tells an input from another one under the same gid. */
  readonly inputHash: string;
  readonly summary?: string;
  readonly details?: string;
  /** Set when a person gave it to a workflow. */
  readonly promoted?: Promotion;
}

/** Who has given a transaction to a workflow by hand, and why. */
export interface Promotion {
  readonly actor: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The final decision of a transaction, kept with the guard row of its first step: duplicates look for it there. */
export type Fate = FateOf & {
  readonly transaction: string;
  readonly inputHash: string;
  /** How it was driven at its end. */
  readonly lane: string;
  readonly promoted?: Promotion;
};

type FateOf =
  /** `unstored`: the database could not store the result, and why. */
  | { readonly state: 'committed'; readonly result?: unknown; readonly unstored?: string }
  | { readonly state: 'compensated' | 'failed'; readonly report: TransactionReport; readonly message: string };

/**
 * What stands in the place of the fate while a group drives the transaction, or a workflow that took it over from a group. It
 * is the row's driver who decides: whoever is not the driver any more changes nothing.
 */
export interface Opened {
  readonly state: Announced['state'];
  readonly transaction: string;
  readonly inputHash: string;
  readonly lane: 'grouped';
  /** Why it is undone. */
  readonly cause?: CauseNote;
  /** The member of a group from which a workflow took it over. */
  readonly by?: string;
}

/** Whether what stands there is the end. */
export function isEnd(fate: Fate | Opened): fate is Fate {
  return fate.state !== 'running' && fate.state !== 'undoing';
}

const GROUP_DRIVER = 'group:';

/** The driver that a member of a group is named by: no other has this name, and every attempt of this one has it. */
export function groupDriver(groupId: string, member: number): string {
  return `${GROUP_DRIVER}${groupId}#${member}`;
}

/** The group of a driver, if it is a member of one. */
export function groupOf(driver: string): string | undefined {
  return isGroupDriver(driver) ? driver.slice(GROUP_DRIVER.length, driver.lastIndexOf('#')) : undefined;
}

/** Whether the driver of a guard row is a member of a group; databases read the name too. */
export function isGroupDriver(driver: string): boolean {
  return driver.startsWith(GROUP_DRIVER);
}

/** What an announcement, beside the guard row of the first step that was applied, says. */
export interface Announced {
  /** `direct:<call>`, or {@link WORKFLOW_OWNER}. */
  readonly owner: string;
  readonly state: 'running' | 'undoing';
  /** What was announced; absent where a workflow put it there before a first step had come. */
  readonly of?: Pick<StartOrder, 'transaction' | 'inputHash'>;
  /** The run of the workflow that has taken it over; absent: none has, whoever the owner is. */
  readonly run?: string;
}

/** How a transaction stands in one participant's database. */
export interface Standing {
  readonly announced?: Announced;
  /** Who drove its first step that is there, such as `workflow:<run>`. */
  readonly driver?: string;
  /** That step was refused. */
  readonly rejected?: true;
  readonly fate?: Fate | Opened;
}

/** The owner of an announcement once a workflow drives the transaction, or is about to. */
export const WORKFLOW_OWNER = 'workflow';

/** Where a workflow finds the announcement of the transaction that it takes over. */
export interface Adopt {
  /** The participant in whose database it is. */
  readonly home: string;
  /** Other participants in whose databases it has taken over before: a step that was refused may have others after it. */
  readonly before?: readonly string[];
  /** Known once the announcement was read. */
  readonly promoted?: Promotion;
}

/** All participants in whose databases a workflow has taken the transaction over. */
export function homesOf({ home, before = [] }: Adopt): string[] {
  return [...new Set([...before, home])];
}

/** What a workflow finds when it takes a transaction over. */
export type Adopted =
  | { readonly fate: Fate }
  /** Another transaction is under way under this gid: nothing was taken over. */
  | { readonly fate?: undefined; readonly conflict: true }
  | {
      readonly fate?: undefined;
      readonly conflict?: undefined;
      readonly state: Announced['state'];
      /** When it was announced, in milliseconds since 1970. */
      readonly beganAt: number;
      readonly promoted?: Promotion;
      /** Why its driver had decided to undo it. */
      readonly cause?: CauseNote;
    };

/** The activities by which a workflow takes a transaction over, tells how it ended, and leaves one to a relay. */
export const ADOPT_ACTIVITY = 'backstitch.adopt';
export const CLOSE_ACTIVITY = 'backstitch.close';
export const ANNOUNCE_ACTIVITY = 'backstitch.announce';

/** The activity by which it looks, before it ends, for what was done before it and it has not come to. */
export const APPLIED_ACTIVITY = 'backstitch.applied';

/** A step that is done, or may be, and not undone. */
export interface AppliedStep {
  readonly branch: string;
  /** The full name of the function, such as `payments.charge.action`. */
  readonly function: string;
  /** As it is kept, with what is masked; absent if it is long. */
  readonly input?: unknown;
  readonly result?: unknown;
}

/** What those activities are asked. */
export interface AppliedOrder {
  readonly gid: string;
  /** The participants in whose databases it was taken over. */
  readonly homes: readonly string[];
}
export interface AdoptOrder {
  readonly gid: string;
  readonly home: string;
  /** Of the workflow's own input; absent: it is not known. */
  readonly inputHash?: string;
  /** The workflow's own name. */
  readonly transaction?: string;
}
export interface CloseOrder {
  readonly gid: string;
  readonly home: string;
  /** Absent: another transaction has the gid; nothing of this one is left, and nothing was decided. */
  readonly fate?: Fate;
}

/** The type of the failure of a workflow that finds its transaction committed, and its result not kept. */
export const RESULT_NOT_KEPT = 'ResultNotKept';

export interface AnnounceOrder {
  readonly gid: string;
  readonly home: string;
  readonly start: StartOrder;
}

/** The type of the failure of a workflow whose gid has another input: it did nothing, and has decided nothing. */
export const GID_CONFLICT = 'GidConflict';
