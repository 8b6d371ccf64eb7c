import type { MatrixProcess } from './workers.js';

/** What a fault does to a transaction from outside. */
export interface Outside {
  /** `driver`: who makes the attempt, as the guard's rows name it. */
  cancel(gid: string, driver: string): Promise<void>;
  /** Lets the deadline pass now. Does nothing where none can be set any more. */
  deadline(gid: string): Promise<void>;
  /** Ends its run, or that of the group that drives it, and begins to settle it. */
  terminate(gid: string, driver: string): Promise<void>;
  /** Whether that process is one that is killed. */
  mayKill(by: MatrixProcess): boolean;
  /** The process that was asked for it, if one was. */
  caller(gid: string): MatrixProcess | undefined;
  /** Resolves when that process was killed. */
  kill(gid: string, by: MatrixProcess): Promise<void>;
  /** Ends the run of the agent of a branch, and begins to settle it; where branches have agents. */
  terminateAgent?(gid: string, branch: string): Promise<void>;
  /** Where callers' processes are asked: those who come beside its driver. */
  readonly rivals?: Rivals;
}

/** Other drivers of a transaction that callers' processes are asked for. */
export interface Rivals {
  /** A workflow takes it over: a relay starts it, or another caller. */
  takeOver(gid: string): Promise<void>;
  /** Another caller asks for it as a workflow, or in that lane. */
  ask(gid: string, lane?: 'direct' | 'grouped'): Promise<void>;
  /** A workflow takes it over as above, and is cancelled. */
  undo(gid: string): Promise<void>;
  /** Resolves when its workflow has ended. */
  workflowEnded(gid: string): Promise<unknown>;
}
