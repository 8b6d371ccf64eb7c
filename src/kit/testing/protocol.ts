import type { Op } from '../workflow/branch.js';
import type { Point } from './faults.js';

/**
 * What a matrix and the worker processes that it starts tell each other. All faults are decided in the matrix, so that
 * a worker that is killed takes no knowledge with it.
 */

/** The environment variable by which a worker knows that it is a matrix's; its value is a {@link MatrixWorker}. */
export const MATRIX_VARIABLE = 'BACKSTITCH_MATRIX';

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
  /** Names the attempt; absent within the guard, which does not know it. */
  readonly flight?: number;
}

/**
 * What becomes of it.
 * - `go`: it goes on. `late`: the same, though its caller has given up.
 * - `fail`: the attempt fails. `refuse`: it is refused. `hang`: it gives no answer.
 */
export type Answer = 'go' | 'late' | 'fail' | 'refuse' | 'hang';

/** From a worker. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'reached'; readonly id: number; readonly reached: Reached }
  | { readonly type: 'left'; readonly flight: number };

/** To a worker. `serve`: one that is ready begins to serve its task queue. */
export type ToWorker =
  { readonly type: 'serve' } | { readonly type: 'answer'; readonly id: number; readonly answer: Answer };
