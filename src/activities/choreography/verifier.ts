import type { ChoreographedOrder } from '../../contracts/events.js';
import { orderGid } from '../../contracts/place-order.js';
import { Poison, type Database, type Message, type Sql } from '../../kit/database/index.js';
import type { Operation } from '../../kit/workflow/branch.js';
import { RESERVATION_STATUS } from '../inventory/sql.js';
import { ORDER_STATE } from '../orders/sql.js';
import { PAYMENT_STATUS } from '../payments/sql.js';
import { hears, type Reactions } from './react.js';
import { verdictOf, type FoundOrder, type Repair, type VerifiedTopic } from './verify.js';

/**
 * The verifying consumer: after each message of an order it reads the order, its payment and its stock, each in its own database, and
 * holds them against what the message says (`verify.ts`). They agree, or are later: done. Something is missing: the message comes again, and
 * becomes a dead letter when that does not help. They contradict each other: what a cancelled order has taken is given back, once, by the
 * guards of its services; all else is a dead letter at once, for a person.
 */

/** How long each database may take to answer, in milliseconds. */
const LOOK_MS = 3_000;
/** How long a repair may take, in milliseconds. */
const REPAIR_MS = 10_000;

/** What the verifying consumer needs besides its own database, that of the orders. */
export interface VerifierOf {
  readonly payments: Database;
  readonly inventory: Database;
  /** Gives back what was taken, once; see the participants. */
  readonly repairs: Readonly<Record<Repair, (operation: Operation, order: ChoreographedOrder) => Promise<unknown>>>;
}

export function verifierReactions(of: VerifierOf): Reactions {
  const verifying = (topic: VerifiedTopic) =>
    hears(topic, (sql, { order }, message) => verify(of, { sql, topic, order, message }));
  return { ...verifying('order.created'), ...verifying('order.placed'), ...verifying('order.cancelled') };
}

interface Verified {
  readonly sql: Sql;
  readonly topic: VerifiedTopic;
  readonly order: ChoreographedOrder;
  readonly message: Message;
}

async function verify(of: VerifierOf, { sql, topic, order, message }: Verified): Promise<void> {
  const verdict = verdictOf(topic, await find(of, sql, order.orderId));
  if (verdict.kind === 'agrees' || verdict.kind === 'later') return;
  const what = `order ${order.orderId} is not as ${message.id} says: ${verdict.why}`;
  if (verdict.kind === 'early') throw new Error(what);
  if (verdict.repairs.length === 0) throw new Poison(`${what}; a person has to say what is right`);
  for (const repair of verdict.repairs) await of.repairs[repair](repairOf(repair, order.orderId, message), order);
}

async function find({ payments, inventory }: VerifierOf, sql: Sql, orderId: string): Promise<FoundOrder> {
  type Status = 'order' | 'payment' | 'stock';
  const statusOf = async <Of extends Status>(database: Database, text: string) =>
    (await database.run<{ status: FoundOrder[Of] }>(text, [orderId], LOOK_MS))[0]?.status;
  const [found] = await sql<{ status: FoundOrder['order']; recalled: boolean }>(ORDER_STATE, [orderId]);
  const [payment, stock] = await Promise.all([
    statusOf<'payment'>(payments, PAYMENT_STATUS),
    statusOf<'stock'>(inventory, RESERVATION_STATUS),
  ]);
  return { order: found?.status, recalled: found?.recalled ?? false, payment, stock };
}

/** The same operation however often the message comes: its guard does it once. */
function repairOf(repair: Repair, orderId: string, { attempt }: Message): Operation {
  return {
    ...{ gid: orderGid(orderId), branch: `verified-${repair}`, op: 'action', scheme: 'saga', seq: 1, attempt },
    ...{ function: `verifier.${repair}`, driver: 'verifier', who: 'verifier', timeoutMs: REPAIR_MS },
    signal: AbortSignal.timeout(REPAIR_MS),
  };
}
