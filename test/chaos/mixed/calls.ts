import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { orderCalls, transferCalls } from '../../../src/activities/callers/index.js';
import type { Shop } from '../../../src/activities/index.js';
import type { ChoreographedOrder, LookedOrder } from '../../../src/contracts/events.js';
import { orderGid, type PlaceOrder } from '../../../src/contracts/place-order.js';
import type { BuySale, SaleAnswer } from '../../../src/contracts/sale.js';
import { placeOrderChoreographedTransaction, transferMessageTransaction } from '../../../src/contracts/transactions.js';
import { transferGid, type Transfer } from '../../../src/contracts/transfer.js';
import { messageSender, runJob, transactionClient, type CallOptions } from '../../../src/kit/client/index.js';
import type { Database, StateAnswer } from '../../../src/kit/database/index.js';
import { transactionalMessage } from '../../../src/kit/direct/index.js';
import { functionsOf } from '../../../src/kit/direct/participants.js';
import type { MixedName } from '../business/business.js';
import type { Told } from '../caller-protocol.js';
import { live, StillAlive, type LivedOrder } from './live.js';

/** How a customer is served who asks for what no call of a transaction alone does. Each can be asked again at any time, by any process. */

/** A purchase at a sale. One that is left is never paid: it is reclaimed. */
export interface SaleVisit {
  readonly purchase: BuySale;
  readonly isLeft: boolean;
}

/** What a caller has. */
interface CallerTools {
  readonly client: Client;
  readonly taskQueue: string;
  readonly shop: Shop;
  readonly databases: { readonly orders: Database };
}

/** How long one go takes at most, in milliseconds: then its customer asks again. */
const GO_MS = 20_000;
const PAUSE_MS = 300;

type Serve = (tools: CallerTools, input: never, options: CallOptions) => Promise<Told>;

export const mixedCalls: Partial<Record<string, Serve>> = {
  async placeOrderChoreographed({ client, taskQueue }, order: ChoreographedOrder) {
    await transactionClient(client, { taskQueue }).of(placeOrderChoreographedTransaction)(order, {
      wait: '30 seconds',
    });
    const { orderId, payLater } = order;
    const ask = <Result>(workflow: string) =>
      runJob<Result>(client, { taskQueue }, workflow, `${workflow}-${randomUUID()}`, [orderId]);
    const until = Date.now() + GO_MS;
    while (Date.now() < until) {
      const { path } = await ask<LookedOrder>('lookAtOrder');
      if (path?.state === 'placed') return { told: 'done', result: orderId };
      if (path?.state === 'cancelled') return { told: 'undone', reason: 'choreographed' };
      if (payLater && path?.waitsFor?.who === 'customer') await ask('payOrder');
      await delay(PAUSE_MS);
    }
    return { told: 'again', reason: 'it is not final yet' };
  },

  async orderLifecycle({ client, taskQueue, databases }, input: LivedOrder) {
    try {
      const state = await live(client, taskQueue, input);
      // What the machine says its row says too.
      const text = 'select status from orders where order_id = $1';
      const looked = databases.orders.run<{ status: string }>(text, [input.order.orderId], 5_000);
      const [row] = await looked.catch((error: unknown) => {
        throw new StillAlive('its row cannot be looked at now', { cause: error });
      });
      if (row?.status === state) return { told: 'done', result: state };
      return { told: 'error', reason: `its machine is ${state}, its row ${row?.status ?? 'is not there'}` };
    } catch (error) {
      if (error instanceof StillAlive) return { told: 'again', reason: error.message };
      throw error;
    }
  },

  async salePurchase({ shop }, { purchase, isLeft }: SaleVisit) {
    const bought = await shop.sale.buy(purchase);
    if (bought.answer !== 'sold') return toldOfSale(bought);
    if (isLeft) return { told: 'undone', reason: 'Left' };
    return toldOfSale(bought.paid ? bought : await shop.sale.pay(purchase.id, `payment of ${purchase.id}`));
  },

  async transferMessage({ client, taskQueue, shop }, transfer: Transfer, { deadline }) {
    const functions = functionsOf(shop.participants);
    const sender = messageSender(client, { taskQueue }, transferMessageTransaction);
    const sent = await transactionalMessage(
      sender,
      transfer,
      (operation, input): Promise<unknown> => {
        const debit = functions.get(operation.function);
        if (debit === undefined) throw new TypeError(`there is no function '${operation.function}'`);
        return debit(operation, input);
      },
      { deadline, wait: '15 seconds' },
    );
    return { told: 'done', result: await sent.result({ wait: '30 seconds' }) };
  },

  async transferByStateTable({ shop }, transfer: Transfer) {
    const gid = transferGid(transfer.id);
    return toldOfTable(await shop.callers.run(gid, transferCalls(transfer), { withinMs: GO_MS }));
  },

  async orderByStateTable({ shop }, order: PlaceOrder) {
    const gid = orderGid(order.orderId);
    return toldOfTable(await shop.callers.run(gid, orderCalls(order), { withinMs: GO_MS }));
  },
} satisfies Partial<Record<MixedName, Serve>>;

function toldOfSale(answer: SaleAnswer): Told {
  if (answer.answer === 'sold') return { told: 'done', result: answer.id };
  if (answer.answer === 'refused') return { told: 'undone', reason: answer.why };
  if (answer.answer === 'torn') return { told: 'error', reason: 'its units had been released when it was paid' };
  return { told: 'again', reason: answer.message };
}

function toldOfTable(answer: StateAnswer): Told {
  if (answer.answer === 'success') return { told: 'done', result: answer.results };
  const reason = answer.failure?.type ?? answer.answer;
  if (answer.answer === 'refused') return { told: 'undone', reason };
  return { told: answer.answer === 'pending' ? 'again' : 'stuck', reason };
}
