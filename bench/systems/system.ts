import type { TransactionContract } from '../../src/kit/client/index.js';
import type { Database } from '../../src/kit/database/index.js';
import type { ParticipantImplementation } from '../../src/kit/worker/index.js';
import type { SagaWorkflow } from '../../src/kit/workflow/index.js';
import type { PlaceOrder } from '../../src/contracts/place-order.js';

/** One of the systems that are measured against each other. */
export interface System<Order = PlaceOrder> {
  /** How many times as many sagas it runs, so that all run about as long: the last ones of a run have the machine alone. */
  readonly factor: number;
  /** Whether it leaves timers with Temporal's server. */
  readonly engine: boolean;
  /** Makes it ready; nothing else runs while it is. */
  start(): Promise<RunningSystem<Order>>;
}

export interface RunningSystem<Order = PlaceOrder> {
  /** Runs one saga to its end, and resolves to how it ended. */
  readonly place: (order: Order) => Promise<'done' | 'undone'>;
  /** What Temporal's history holds of the saga; absent without an engine, and where sagas share one. */
  readonly history?: (gid: string) => Promise<{ events: number; bytes: number }>;
  readonly stop: () => Promise<void>;
}

/** A saga of the kit, as each lane runs it. */
export interface KitSaga<Order> {
  readonly contract: TransactionContract<Order, Order, void>;
  readonly saga: SagaWorkflow<Order, void>;
  /** The module of its workflow, below `bench` and without its ending. */
  readonly workflows: string;
  readonly participants: Readonly<Record<string, ParticipantImplementation>>;
  /** Of each participant. */
  readonly databases: Readonly<Record<string, Database>>;
  /** The type of the rejection by which it is undone. */
  readonly refusal: string;
}
