import type { CallOptions, GroupOptions } from '../client/index.js';
import type { Op } from '../workflow/branch.js';
import type { Standing } from '../workflow/fate.js';
import type { Point } from './faults.js';
import type { MatrixMemo } from './workflow/shorten.js';

/**
 * What a matrix and the worker processes that it starts tell each other. All faults are decided in the matrix, so that
 * a worker that is killed takes no knowledge with it.
 */

/** The environment variable by which a worker knows that it is a matrix's; its value is a {@link MatrixWorker}. */
export const MATRIX_VARIABLE = 'BACKSTITCH_MATRIX';

/** The transaction of a workflow, which may be one of its agents. The gids of a matrix have no `/`. */
export function ofAgent(workflowId: string): string {
  return workflowId.split('/')[0] ?? workflowId;
}

/** What a worker of a matrix is told at its start. */
export interface MatrixWorker {
  readonly taskQueue: string;
  /** Where the bundle of the workflows is kept; the first worker makes it. */
  readonly bundle: string;
}

/** An operation that has come to a point. */
export interface Reached {
  readonly point: Point;
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  /** It is looked at what became of it. */
  readonly settle?: true;
  readonly attempt: number;
  /** Who drives the transaction by it, as the guard's row names it. */
  readonly driver: string;
  /** Names the attempt; absent within the guard, which does not know it. */
  readonly flight?: number;
}

/**
 * What becomes of it.
 * - `go`: it goes on. `late`: the same, though its caller has given up.
 * - `fail`: the attempt fails. `refuse`: it is refused. `hang`: it gives no answer.
 */
export type Answer = 'go' | 'late' | 'fail' | 'refuse' | 'hang';

/** How long a transaction that is driven in a caller's process may take, in milliseconds, and how groups are gathered there. */
export interface DriveTimes {
  /** One call. */
  readonly callMs: number;
  /** All of it, until another may take it over. */
  readonly takeOverMs: number;
  /** For the lane `grouped`: `groups` of `transactionClient`. */
  readonly groups?: GroupOptions;
}

/** A transaction that a worker process is asked for, as a caller. */
export interface Asked {
  readonly gid: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly options: CallOptions;
  readonly times: DriveTimes;
  /** What has the same name here is asked for through one `transactionClient`, which makes one group of it. */
  readonly party?: string;
}

/** What a caller was told. `pending`, `unreachable`: it has to ask again; `terminated`: once that is settled. */
export type Told =
  | { readonly state: 'committed'; readonly result?: unknown }
  | { readonly state: 'compensated' | 'failed' | 'terminated' | 'pending' | 'unreachable'; readonly message: string };

/** How a transaction stands in one participant's database. */
export interface Stood extends Standing {
  readonly participant: string;
}

/** What a worker process is asked to do. */
export type Request =
  /** To have the transaction done, as a caller that waits for the outcome. Replies {@link Told}. */
  | { readonly what: 'ask'; readonly asked: Asked }
  /** To start it as a workflow, and not to wait. */
  | { readonly what: 'start'; readonly asked: Asked }
  /** To take it over as a relay does, whoever drives it. Replies whether it was announced. */
  | { readonly what: 'take-over'; readonly gid: string }
  /** To settle the members of a group whose run was ended, as the scan does. */
  | { readonly what: 'settle-group'; readonly workflowId: string; readonly runId: string }
  /** To look how it stands in each database. Replies {@link Stood}s. */
  | { readonly what: 'look'; readonly gid: string };

/** How a workflow of the matrix is started that a worker process starts. */
export interface Terms {
  readonly taskQueue: string;
  readonly memo: MatrixMemo;
}

/** From a worker. `starting`: it starts the workflow of a gid. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'reached'; readonly id: number; readonly reached: Reached }
  | { readonly type: 'left'; readonly flight: number }
  | { readonly type: 'starting'; readonly id: number; readonly gid: string }
  | { readonly type: 'reply'; readonly id: number; readonly reply?: unknown; readonly error?: string };

/** To a worker. `serve`: one that is ready begins to serve its task queue. */
export type ToWorker =
  | { readonly type: 'serve' }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'terms'; readonly id: number; readonly terms?: Terms }
  | { readonly type: 'request'; readonly id: number; readonly request: Request };
