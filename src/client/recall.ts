import { randomUUID } from 'node:crypto';
import { lostGid, recallGid, returnedGid } from '../contracts/recall-order.js';
import type { OrderState, RecallStatus } from '../contracts/shop.js';
import { runJob, showTransaction, TransactionNotFound, type ShownTransaction } from '../kit/client/index.js';
import type { Client } from '@temporalio/client';
import type { Session } from './session.js';

/**
 * What can be recalled, and how a recall can end. A gid runs once: a recall that is refused by its own transaction could
 * never be asked for again. So it is looked before, and nothing is started that would be refused; the transaction looks
 * again, and what it finds counts.
 */

/** What was asked does not fit the order's state: nothing was started. The message is one line. */
export class RecallRefused extends Error {
  constructor(message: string) {
    super(`${message}: nothing was started`);
    this.name = 'RecallRefused';
  }
}

/** @throws {@link RecallRefused} if the order is not placed, or was recalled before */
export async function checkRecall(session: Session, orderId: string): Promise<void> {
  if (await isUnderWay(session.client, recallGid(orderId))) return;
  const state = await look<OrderState | null>(session, 'orderState', orderId);
  if (state === null) throw new RecallRefused(`the shop has no order ${orderId}`);
  if (state.recalled) throw new RecallRefused(`order ${orderId} was recalled before`);
  if (state.status !== 'placed') {
    throw new RecallRefused(`order ${orderId} cannot be recalled, only a placed order can: it is ${state.status}`);
  }
}

/** @throws {@link RecallRefused} if the carrier was not asked for the parcel, or has answered before */
export async function checkAnswer(session: Session, orderId: string, answer: 'returned' | 'lost'): Promise<void> {
  const gid = answer === 'returned' ? returnedGid(orderId) : lostGid(orderId);
  if (await isUnderWay(session.client, gid)) return;
  const recall = await look<RecallStatus | null>(session, 'recallState', orderId);
  if (recall === 'requested') return;
  const why = recall === null ? `the parcel of order ${orderId} was not recalled` : `its parcel was ${recall} before`;
  throw new RecallRefused(`order ${orderId} cannot be ${answer}: ${why}`);
}

/** What came after an order was placed, in the order in which it can happen. */
export async function recallsOf(client: Client, orderId: string): Promise<ShownTransaction[]> {
  const gids = [recallGid(orderId), returnedGid(orderId), lostGid(orderId)];
  const found = await Promise.all(gids.map((gid) => find(client, gid)));
  return found.filter((shown) => shown !== undefined);
}

/** Whoever asks again for what is under way gets its outcome. */
async function isUnderWay(client: Client, gid: string): Promise<boolean> {
  const found = await find(client, gid);
  return found !== undefined && found.endedAt === undefined;
}

async function find(client: Client, gid: string): Promise<ShownTransaction | undefined> {
  try {
    return await showTransaction(client, gid);
  } catch (error) {
    if (error instanceof TransactionNotFound) return undefined;
    throw error;
  }
}

function look<State>({ client, settings }: Session, workflow: string, orderId: string): Promise<State> {
  return runJob<State>(client, settings, workflow, `look-${randomUUID()}`, [orderId]);
}
