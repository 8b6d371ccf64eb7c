import type { Client } from '@temporalio/client';
import type { TransactionState } from '../workflow/branch.js';
import type { DirectLane, DirectOrder, DirectWatcher } from './direct-lane.js';
import { NotStarted, TransactionPending } from './errors.js';
import { atTime } from './race.js';

/** One transaction in the direct lane, as its caller sees it. */
export interface DirectCall {
  readonly client: Client;
  readonly lane: DirectLane;
  readonly order: Omit<DirectOrder, 'watcher'>;
  /** When the caller has waited long enough, in milliseconds since 1970. */
  readonly until: number;
  /** Whether the caller is to hear that it will be undone as soon as that is decided. */
  readonly undo: 'wait' | 'background' | undefined;
  /** Runs it as a workflow from its beginning. */
  readonly asWorkflow: () => Promise<unknown>;
  /** Told when it goes on whatever becomes of this process, or has ended. */
  readonly onStarted?: () => void;
}

/** Waits for a transaction, for no longer than its caller wants to. */
export class Waiter implements DirectWatcher {
  readonly #call: DirectCall;
  readonly #reject: (why: Error) => void;
  readonly #timer: NodeJS.Timeout;
  #isGone = false;
  #hasBegun = false;
  #isAnnounced = false;
  #state: TransactionState = 'running';

  constructor(call: DirectCall, reject: (why: Error) => void) {
    this.#call = call;
    this.#reject = reject;
    const over = () => {
      this.#over();
    };
    this.#timer = atTime(call.until, over);
  }

  #over(): void {
    this.#isGone = true;
    const { gid } = this.#call.order;
    const why = 'it still waited for its turn in this process when its time was over';
    this.#reject(this.#hasBegun ? this.pending() : new NotStarted(gid, why));
  }

  /** @param begun whether it is known to have begun */
  pending(cause?: unknown, begun = this.#isAnnounced): TransactionPending {
    const { gid, start } = this.#call.order;
    return new TransactionPending({ gid, state: this.#state, taskQueue: start.taskQueue, begun, cause });
  }

  isGone(): boolean {
    return this.#isGone;
  }

  begun(): void {
    this.#hasBegun = true;
  }

  announced(): void {
    this.#isAnnounced = true;
    this.#call.onStarted?.();
  }

  undoing(): void {
    this.#state = 'compensating';
    if (this.#call.undo === 'background') this.#reject(this.pending());
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
