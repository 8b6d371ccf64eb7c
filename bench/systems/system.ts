import type { PlaceOrder } from '../../src/contracts/place-order.js';

/** One of the systems that are measured against each other. */
export interface System {
  /** How many times as many sagas it runs, so that all run about as long: the last ones of a run have the machine alone. */
  readonly factor: number;
  /** Whether it leaves timers with Temporal's server. */
  readonly engine: boolean;
  /** Makes it ready; nothing else runs while it is. */
  start(): Promise<RunningSystem>;
}

export interface RunningSystem {
  /** Runs one saga to its end, and resolves to how it ended. */
  readonly place: (order: PlaceOrder) => Promise<'done' | 'undone'>;
  /** What Temporal's history holds of the saga; absent without an engine. */
  readonly history?: (orderId: string) => Promise<{ events: number; bytes: number }>;
  readonly stop: () => Promise<void>;
}
