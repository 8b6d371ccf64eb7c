import type { TransactionName } from './business/business.js';
import type { CallPlan } from './faults.js';

/** What the customers and the processes that call for them tell each other. */

/** Printed by a caller that takes orders. */
export const READY = 'takes orders';

/** To a caller: run this transaction. */
export interface Asked {
  readonly id: number;
  readonly transaction: TransactionName;
  readonly input: unknown;
  readonly options: Pick<CallPlan, 'lane' | 'retries' | 'deadline'>;
}

/** What the customer is told. `again`: nothing definite, ask again. */
export type Told =
  | { readonly told: 'done'; readonly result: unknown }
  | { readonly told: 'undone' | 'stuck' | 'error' | 'again'; readonly reason: string };

/** From a caller. */
export type Reply = Told & { readonly id: number };
