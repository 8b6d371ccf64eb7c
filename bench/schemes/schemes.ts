import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Shop, ShopDatabases } from '../../src/activities/index.js';
import { orderCalls } from '../../src/activities/callers/index.js';
import { orderGid } from '../../src/contracts/place-order.js';
import {
  orderLifecycleContract,
  placeOrderTransaction,
  transferMessageTransaction,
} from '../../src/contracts/transactions.js';
import type { Transfer } from '../../src/contracts/transfer.js';
import { machineClient, messageSender, transactionClient } from '../../src/kit/client/index.js';
import { transactionalMessage } from '../../src/kit/direct/index.js';
import { runLoad } from '../load.js';
import { operation } from '../systems/in-process.js';

/** The schemes in the order in which they take turns, and are printed. */
export const names = [
  'saga',
  'state table',
  'choreographed',
  'message',
  'message, until it is sent',
  'move',
  'move with a saga',
] as const;
export type SchemeName = (typeof names)[number];

/** What is asked of a scheme: an order of the shop, or an account that gives as much. */
export interface Order {
  readonly orderId: string;
  readonly customerId: string;
  readonly sku: string;
  readonly units: number;
  readonly amount: number;
}

/** How a scheme is measured. */
export interface Scheme {
  /** Of how many things one call consists, one after the other; default: 1. */
  readonly parts?: number;
  /** Brings about what has to be there before. It is not measured. */
  readonly prepare?: (orders: readonly Order[]) => Promise<void>;
  readonly ask: (order: Order) => Promise<unknown>;
  /** Until `ask` has its answer is what is measured, though it goes on then: how many are answered in a second says nothing. */
  readonly isAnswerOnly?: true;
  /** Waits until all that was ever asked for has ended, where `ask` does not. */
  readonly ended?: (count: number) => Promise<void>;
}

/** Until all that was asked for has ended, in milliseconds; and between two looks. */
const LIMIT_MS = 300_000;
const LOOK_MS = 5;
/** What is prepared at a time. */
const PREPARED = 20;

/** What happens to a paid order until it leaves the warehouse: moves of one row, with no effects elsewhere. */
const plainMoves = ['received', 'pick', 'picked', 'pack', 'packed'] as const;

export type Schemes = Readonly<Record<SchemeName, Scheme>>;

/** The schemes over the shop, by a worker of this task queue. */
export function schemesOf(
  { callers, participants }: Pick<Shop, 'callers' | 'participants'>,
  { orders: database }: Pick<ShopDatabases, 'orders'>,
  client: Client,
  taskQueue: string,
): Schemes {
  const place = transactionClient(client, { taskQueue }).of(placeOrderTransaction);
  const sender = messageSender(client, { taskQueue }, transferMessageTransaction);
  const machines = machineClient(client, { taskQueue }, orderLifecycleContract);

  const byTable = async (order: Order) => {
    const calls = orderCalls({ ...order, sequence: 'pay-first' });
    const { answer } = await callers.run(orderGid(order.orderId), calls, { withinMs: 60_000, isNew: true });
    if (answer !== 'success') throw new Error(`${order.orderId}: ${answer}`);
  };
  const open = (order: Order) => {
    const asked = { ...order, payLater: false, payWithinMs: 60_000 };
    // What its workflow does is this one call: here the events are what is measured.
    const gid = orderGid(order.orderId);
    return participants.orders.open.action({ ...operation(order, 'open-order', 'action'), gid }, asked);
  };
  const placed = async (count: number) => {
    const text = `select count(*)::int as n from orders where choreographed and status = 'placed'`;
    const until = performance.now() + LIMIT_MS;
    while (performance.now() < until) {
      const [row] = await database.run<{ n: number }>(text);
      if ((row?.n ?? 0) >= count) return;
      await delay(LOOK_MS);
    }
    throw new Error(`${count} orders were not placed within ${LIMIT_MS} ms`);
  };
  const send = (order: Order) =>
    transactionalMessage(sender, transferOf(order), (operation) =>
      participants.bank_a.debit.action(operation, { account: order.customerId, amount: order.amount }),
    );
  const sent: Awaited<ReturnType<typeof send>>[] = [];
  const pay = (order: Order) => machines.send(orderGid(order.orderId), 'pay');
  const opened = async (orders: readonly Order[]) => {
    await runLoad(orders, PREPARED, async (order) => {
      const gid = orderGid(order.orderId);
      await machines.start(gid, order);
      // It answers when it has its row.
      while ((await machines.view(gid)).state === undefined) await delay(LOOK_MS);
    });
  };
  return {
    saga: { ask: (order) => place(order) },
    'state table': { ask: byTable },
    choreographed: { ask: open, ended: placed },
    message: { ask: async (order) => (await send(order)).result() },
    'message, until it is sent': {
      isAnswerOnly: true,
      ask: async (order) => sent.push(await send(order)),
      ended: async () => {
        for (const message of sent.splice(0)) await message.result();
      },
    },
    move: {
      parts: plainMoves.length,
      prepare: async (orders) => {
        await opened(orders);
        await runLoad(orders, PREPARED, pay);
      },
      ask: async ({ orderId }) => {
        for (const event of plainMoves) await machines.send(orderGid(orderId), event);
      },
    },
    'move with a saga': { prepare: opened, ask: pay },
  };
}

/** The same amount, to two other banks. */
function transferOf({ orderId, customerId, amount }: Order): Transfer {
  const half = amount / 2;
  return {
    id: orderId,
    from: [{ bank: 'bank_a', account: customerId, amount }],
    to: [
      { bank: 'bank_b', account: customerId, amount: half },
      { bank: 'bank_c', account: customerId, amount: half },
    ],
  };
}
