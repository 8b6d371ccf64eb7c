import type { Client } from '@temporalio/client';
import type { SagaOptions } from '../workflow/index.js';
import type { MatrixCase, MatrixSteps } from './cases.js';
import type { FaultKind } from './faults.js';
import type { MatrixResult } from './result.js';
import type { WorkerProgram } from './workers.js';

/** What a matrix needs to know of a saga. */
export interface MatrixOptions {
  /** Any client of the namespace that the workers use. */
  readonly client: Client;
  /** The program of a worker that takes part: see `matrixFaults`. */
  readonly worker: WorkerProgram;
  /** The name of the workflow. */
  readonly workflow: string;
  /** The saga's steps in their order, with what they are. */
  readonly steps: MatrixSteps;
  /** Makes an input for a fresh gid, such that the saga commits if nothing goes wrong. */
  readonly input: (gid: string) => unknown;
  /** Makes what a saga needs to be there before it begins, for a fresh gid. Default: nothing */
  readonly prepare?: (gid: string) => Promise<void>;
  /**
   * Reads from the databases what is left of a transaction: for each step how often its work was done, less how often it
   * was undone. Everything else than 0 and 1 is wrong.
   */
  readonly effects: (gid: string) => Promise<Readonly<Record<string, number>>>;
  /**
   * The saga's options for each call, such as `{ lane: 'lean' }`. In the lanes `direct` and `grouped` the worker's program asks
   * for the transactions too: see `asks` of `matrixFaults`.
   */
  readonly call?:
    Pick<SagaOptions, 'lane' | 'undo'> | { readonly lane: 'direct' | 'grouped'; readonly undo?: undefined };
  /** How many pairs of faults are sampled. Default: 0 */
  readonly pairs?: number;
  /** The same seed samples the same pairs. Default: 1 */
  readonly seed?: number;
  /** The kinds of faults. Default: all that the lane has. */
  readonly kinds?: readonly FaultKind[];
  /** Runs only the cases that it says `true` to, such as `({ name }) => name === 'pay compensation: hangs'`. */
  readonly only?: (matrixCase: MatrixCase) => boolean;
  /** Transactions that are under way at a time. Default: 20 */
  readonly concurrency?: number;
  /** How long an attempt may take, in milliseconds; every time-out of a step is cut to it. Default: 2,000 */
  readonly attemptMs?: number;
  /** How long what cannot be done is tried before it goes to the desk, in milliseconds. Default: 6,000 */
  readonly windowMs?: number;
  /** How long a transaction may take, in milliseconds, until it counts as one that never ends. Default: 240,000 */
  readonly limitMs?: number;
  /** A folder for the history of each run, for replay tests. Default: none is kept. */
  readonly histories?: string;
  /** Told of each result. */
  readonly onResult?: (result: MatrixResult, done: number, of: number) => void;
}
