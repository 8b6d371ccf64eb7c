import type { DeskNote } from '../desk.js';
import type { StateFailure, StateRow } from './row.js';

/** What the workflow of a row that waits for a person and its activities agree on. Pure. */

/** The name of the workflow. */
export const STATE_TABLE_DESK = 'stateTableDesk';

/** The signal by which it hears that its row has ended: somebody else's call of what it waits for has succeeded. */
export const ROW_ENDED_SIGNAL = 'rowEnded';

/**
 * The id of the workflow in which a row waits: none that a transaction may have, so that the gid stays free for what another scheme does
 * under it; and another one for each table, as two callers may have the same gid.
 */
export function deskIdOf(table: string, gid: string): string {
  return `${gid}~${table}`;
}

/** The gid of the row that waits in such a workflow. */
export function gidAtDesk(deskId: string): string {
  return deskId.slice(0, deskId.lastIndexOf('~'));
}

/** Which row. */
export interface StateDeskOrder {
  /** The state table, by the name that the worker has it under. */
  readonly table: string;
  readonly gid: string;
  /** What a person asks to be tried again is tried in so many rounds, … */
  readonly rounds: number;
  /** … so many milliseconds apart. */
  readonly everyMs: number;
}

/** What a person has decided of the operation that a row waits for. */
export interface StateDecided {
  readonly table: string;
  readonly gid: string;
  /** Which operation, from 0 on. */
  readonly index: number;
  readonly note: DeskNote;
}

/** The activities behind it; `startStateScan` of `backstitch/worker` makes them. Each can be repeated, and answers with the row. */
export interface StateDeskActivities {
  'backstitch.lookState': (order: StateDeskOrder) => Promise<StateRow>;
  /** `input`: as JSON text. */
  'backstitch.retryState': (
    decided: StateDecided,
    changed: { readonly renewed?: number; readonly input?: string },
  ) => Promise<StateRow>;
  'backstitch.resolveState': (decided: StateDecided, result: unknown) => Promise<StateRow>;
  'backstitch.skipState': (decided: StateDecided, failure: StateFailure) => Promise<StateRow>;
}
