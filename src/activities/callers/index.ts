import type { CreateOrder } from '../../contracts/services.js';
import type { PlaceOrder } from '../../contracts/place-order.js';
import type { BankName, Leg, Move, Transfer } from '../../contracts/transfer.js';
import {
  createStateTable,
  type Database,
  type Operation,
  type StateCall,
  type StateLimits,
} from '../../kit/database/index.js';

/**
 * The shop's callers, who want no orchestrator in their path: what they have asked for is a row in their own database. Here is what
 * they ask for; who does it is given to them.
 */

type Action<Input> = (operation: Operation, input: Input) => Promise<unknown>;

/** What callers ask of the services: forward operations, under their guards. */
export type CallersOperations = Readonly<
  Record<`${BankName}.debit` | `${BankName}.credit`, Action<Move>> & {
    'inventory.reserve': Action<[orderId: string, sku: string, units: number]>;
    'orders.create': Action<CreateOrder>;
  }
>;

type Call = StateCall<CallersOperations>;

/** The callers' state table. */
export function createCallers({ database, operations, limits }: CallersOf) {
  return createStateTable({ database, operations, ...limits });
}

interface CallersOf {
  readonly database: Database;
  readonly operations: CallersOperations;
  readonly limits?: Partial<StateLimits>;
}

/**
 * Takes money from one account and gives it to another. The branches are those of the other schemes: one id is one transfer. Only
 * what takes may be refused in the ordinary course of things: so it is first, and single.
 */
export function transferCalls({ from, to }: Pick<Transfer, 'from' | 'to'>): Call[] {
  const legs = (side: 'from' | 'to', kind: 'debit' | 'credit', list: readonly Leg[]) =>
    list.map(({ bank, account, amount }, index): Call => {
      const summary = `${kind} ${amount} cents ${side} ${bank}:${account}`;
      return { branch: `${side}-${index + 1}`, operation: `${bank}.${kind}`, input: { account, amount }, summary };
    });
  return [...legs('from', 'debit', from), ...legs('to', 'credit', to)];
}

/** Deducts the stock of an order, then creates it: it waits for its payment from then on. */
export function orderCalls({ orderId, customerId, sku, units, amount }: PlaceOrder): Call[] {
  return [
    {
      ...{ branch: 'reserve-stock', operation: 'inventory.reserve', input: [orderId, sku, units] },
      summary: `deduct ${units} ${sku} for order ${orderId}`,
    },
    {
      ...{ branch: 'create-order', operation: 'orders.create', input: { orderId, customerId, sku, units, amount } },
      summary: `create order ${orderId} of customer ${customerId}`,
    },
  ];
}
