import {
  GidConflict,
  NotStarted,
  ServerUnavailable,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  TransactionTerminated,
  type CallOptions,
  type Transaction,
} from '../kit/client/index.js';
import type { PlacedOrder, PlaceOrder, PlaceOrderInput } from '../contracts/place-order.js';
import { Latencies } from './latency.js';

/** How the placing of one order came out. */
export interface OrderOutcome {
  readonly order: PlaceOrder;
  /**
   * - `placed`, `undone`: it has ended.
   * - `pending`: it goes on by itself.
   * - `conflict`: another order was placed under its id before; nothing was started.
   * - `stuck`: it was neither completed nor undone; a person is needed.
   */
  readonly outcome: 'placed' | 'undone' | 'pending' | 'conflict' | 'stuck';
  /** The type of the first error, such as `InsufficientFunds`. */
  readonly reason?: string;
  readonly message?: string;
  /** An earlier call had begun it. */
  readonly earlier: boolean;
  /** From the call to its answer. */
  readonly ms: number;
}

/** What came of many orders. */
export interface PlacingReport {
  /** Orders that had an answer. */
  readonly done: number;
  readonly placed: number;
  readonly undone: number;
  readonly pending: number;
  readonly conflict: number;
  readonly stuck: number;
  /** Of all these, those that an earlier run had begun: their latency is that of looking up an outcome. */
  readonly earlier: number;
  /** Orders that were not placed, by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly seconds: number;
  /** Orders answered a second. */
  readonly perSecond: number;
  /** The first of those that were not placed. */
  readonly failures: readonly { readonly orderId: string; readonly outcome: string; readonly message: string }[];
  /** Why it ended before all orders had an answer; those go on, or were not started. Placing them again is safe. */
  readonly stopped?: string;
}

/** Options of {@link placeOrders}. */
export interface PlaceOrdersOptions {
  readonly placeOrder: Transaction<PlaceOrderInput, PlacedOrder>;
  /** Orders under way at a time. */
  readonly concurrency: number;
  /** For each order. */
  readonly call?: CallOptions;
  readonly onOutcome?: (outcome: OrderOutcome) => void;
  /** No further order is started, and none is waited for. */
  readonly signal?: AbortSignal;
}

const MAX_FAILURES = 5;

/**
 * Places orders, so many at a time, in memory that does not grow with their number. An order that was placed before
 * counts with the outcome that it had then, so that starting again goes on where it was.
 *
 * It stops early, and says so in the report, when it is interrupted, the server is lost for longer than the client
 * retries, or no worker serves.
 */
export async function placeOrders(orders: Iterable<PlaceOrder>, options: PlaceOrdersOptions): Promise<PlacingReport> {
  const { placeOrder, concurrency, call, onOutcome, signal } = options;
  const tally = new Tally();
  if (signal?.aborted === true) return tally.report('interrupted');
  const waiting = orders[Symbol.iterator]();
  let stopped: string | undefined;

  const lane = async (): Promise<void> => {
    while (stopped === undefined) {
      const next = waiting.next();
      if (next.done === true) return;
      try {
        const outcome = await placeOne(placeOrder, next.value, call);
        if (signal?.aborted === true) return;
        tally.add(outcome);
        onOutcome?.(outcome);
        if (outcome.noWorker) stopped ??= outcome.message;
      } catch (error) {
        stopped ??= error instanceof Error ? error.message : String(error);
        if (!(error instanceof ServerUnavailable || error instanceof NotStarted)) throw error;
      }
    }
  };
  const interrupted = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => {
      stopped ??= 'interrupted';
      resolve();
    });
  });
  await Promise.race([Promise.all(Array.from({ length: concurrency }, lane)), interrupted]);
  return tally.report(stopped);
}

async function placeOne(
  placeOrder: Transaction<PlaceOrderInput, PlacedOrder>,
  order: PlaceOrder,
  call: CallOptions | undefined,
): Promise<OrderOutcome & { noWorker: boolean }> {
  const begun = performance.now();
  let earlier = false;
  const outcome = (rest: Pick<OrderOutcome, 'outcome' | 'reason' | 'message'>, noWorker = false) => ({
    order,
    earlier,
    ms: performance.now() - begun,
    noWorker,
    ...rest,
  });
  try {
    if (call?.undo === 'background') await placeOrder(order, call);
    else {
      const started = await placeOrder.start(order, call);
      earlier = started.duplicate;
      await started.result(call);
    }
    return outcome({ outcome: 'placed' });
  } catch (error) {
    if (error instanceof TransactionCompensated) {
      return outcome({ outcome: 'undone', reason: error.report.cause.type, message: error.message });
    }
    if (error instanceof TransactionPending) {
      const reason = error.report?.cause.type ?? error.state;
      return outcome({ outcome: 'pending', reason, message: error.message }, error.noWorker);
    }
    if (error instanceof GidConflict) {
      return outcome({ outcome: 'conflict', reason: error.name, message: error.message });
    }
    if (error instanceof TransactionFailed || error instanceof TransactionTerminated) {
      return outcome({ outcome: 'stuck', reason: error.name, message: error.message });
    }
    throw error;
  }
}

class Tally {
  readonly #counts = { placed: 0, undone: 0, pending: 0, conflict: 0, stuck: 0 };
  readonly #reasons = new Map<string, number>();
  readonly #latencies = new Latencies();
  readonly #failures: { orderId: string; outcome: string; message: string }[] = [];
  readonly #begun = performance.now();
  #earlier = 0;

  add({ order, outcome, reason, message, earlier, ms }: OrderOutcome): void {
    this.#counts[outcome] += 1;
    if (earlier) this.#earlier += 1;
    this.#latencies.record(ms);
    if (outcome === 'placed') return;
    const named = reason ?? outcome;
    this.#reasons.set(named, (this.#reasons.get(named) ?? 0) + 1);
    if (this.#failures.length < MAX_FAILURES) {
      this.#failures.push({ orderId: order.orderId, outcome, message: message ?? named });
    }
  }

  report(stopped: string | undefined): PlacingReport {
    const done = Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
    const seconds = (performance.now() - this.#begun) / 1000;
    return {
      done,
      ...this.#counts,
      earlier: this.#earlier,
      reasons: Object.fromEntries([...this.#reasons].sort(([, a], [, b]) => b - a)),
      latencyMs: { p50: this.#latencies.quantile(0.5), p99: this.#latencies.quantile(0.99), max: this.#latencies.max },
      seconds: Math.round(seconds * 10) / 10,
      perSecond: Math.round((done / seconds) * 10) / 10,
      failures: this.#failures,
      stopped,
    };
  }
}
