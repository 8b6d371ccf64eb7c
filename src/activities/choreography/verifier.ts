import type { ChoreographedOrder, OrderService } from '../../contracts/events.js';
import { orderGid } from '../../contracts/place-order.js';
import {
  Poison,
  SinkUnavailable,
  type Database,
  type Inbox,
  type Message,
  type Probe,
  type Sink,
  type Sql,
} from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import { isConnectionLost } from '../../kit/database/sqlstate.js';
import { NoAnswer, within } from '../../kit/database/within.js';
import type { Operation } from '../../kit/workflow/branch.js';
import { RESERVATION } from '../inventory/sql.js';
import { ORDER_STATE } from '../orders/sql.js';
import { PAYMENT_STATUS } from '../payments/sql.js';
import { PARCEL_LEFT } from '../shipping/sql.js';
import { hears, reactionsSink, type Reactions } from './react.js';
import { verdictOf, type FoundOrder, type Repair, type VerifiedTopic } from './verify.js';

/**
 * The verifying consumer: after each message of an order it reads the order, its payment, its stock and its parcel, each in its own
 * database, and holds them against what the message says (`verify.ts`). They agree, or are later: done. Something is missing: the message
 * comes again, and becomes a dead letter when that does not help. They contradict each other: what a cancelled order has taken is given
 * back, once, by the guards of its services, and then it looks again; all else is a dead letter at once, for a person.
 *
 * What other databases have is read, and repaired, while no transaction is open: none of the orders' connections waits for another
 * database. One of them that cannot be used is no message's fault: the stream waits. The order is read last, in the transaction of the
 * inbox's row: whatever moves money and stock of an order that was placed marks the order first, so that no recall is taken for a fault.
 */

/** How long each database may take to answer, the wait for a connection included, in milliseconds. */
const LOOK_MS = 3_000;
/** How long a repair may take, in milliseconds. */
const REPAIR_MS = 10_000;

/** What the verifying consumer needs. */
export interface VerifierOf {
  readonly databases: Readonly<Record<Exclude<OrderService, 'orders'>, Database>>;
  /** Of the orders database. */
  readonly inbox: Inbox;
  readonly probe?: Probe;
  /** Gives back what was taken, once; see the participants. */
  readonly repairs: Readonly<Record<Repair, (operation: Operation, order: ChoreographedOrder) => Promise<unknown>>>;
}

/** What the services have of an order, but for the order itself. */
type Around = Omit<FoundOrder, 'order' | 'recalled'>;

export function verifierSink(of: VerifierOf): Sink {
  const { inbox, probe } = of;
  const verify = async (message: Message, signal: AbortSignal) => {
    const around = await lookAround(of, message);
    const reactions = verifierReactions(around);
    await reactionsSink({ service: 'verifier', inbox, reactions, probe }).deliver(message, signal);
  };
  return {
    async deliver(message, signal) {
      try {
        await verify(message, signal);
      } catch (error) {
        if (!(error instanceof ToRepair)) throw error;
        await repair(of, error, message);
        await verify(message, signal);
      }
    },
  };
}

/** What a cancelled order has taken is to be given back. */
class ToRepair extends Error {
  readonly order: ChoreographedOrder;
  readonly repairs: readonly Repair[];

  constructor(message: string, order: ChoreographedOrder, repairs: readonly Repair[]) {
    super(message);
    this.order = order;
    this.repairs = repairs;
  }
}

function verifierReactions(around: Around): Reactions {
  const verifying = (topic: VerifiedTopic) =>
    hears(topic, async (sql, { order }, { id }) => {
      const verdict = verdictOf(topic, { ...around, ...(await readOrder(sql, order.orderId)) });
      if (verdict.kind === 'agrees' || verdict.kind === 'later') return;
      const what = `order ${order.orderId} is not as ${id} says: ${verdict.why}`;
      if (verdict.kind === 'early') throw new Error(what);
      if (verdict.repairs.length === 0) throw new Poison(`${what}; a person has to say what is right`);
      throw new ToRepair(what, order, verdict.repairs);
    });
  return { ...verifying('order.created'), ...verifying('order.placed'), ...verifying('order.cancelled') };
}

async function readOrder(sql: Sql, orderId: string): Promise<Pick<FoundOrder, 'order' | 'recalled'>> {
  type Row = { status: FoundOrder['order']; recalled: boolean };
  const [found] = await sql<Row>(ORDER_STATE, [orderId]);
  return { order: found?.status, recalled: found?.recalled ?? false };
}

/** @throws SinkUnavailable if one of them cannot be read */
async function lookAround({ databases }: VerifierOf, { topic, key }: Message): Promise<Around> {
  // That it was created says nothing of what the others have.
  if (topic === 'order.created') return { payment: undefined, stock: undefined, isOwnStock: false, parcel: false };
  const rowOf = async <Row extends object>(service: keyof typeof databases, text: string) => {
    const reading = within(LOOK_MS, databases[service].run<Row>(text, [key], LOOK_MS));
    return (await usable(reading, service))[0];
  };
  const [payment, stock, parcel] = await Promise.all([
    rowOf<{ status: FoundOrder['payment'] }>('payments', PAYMENT_STATUS),
    rowOf<{ status: FoundOrder['stock']; choreographed: boolean }>('inventory', RESERVATION),
    rowOf('shipping', PARCEL_LEFT),
  ]);
  return {
    ...{ payment: payment?.status, stock: stock?.status },
    ...{ isOwnStock: stock?.choreographed ?? false, parcel: parcel !== undefined },
  };
}

async function repair(of: VerifierOf, { order, repairs }: ToRepair, message: Message): Promise<void> {
  for (const each of repairs) {
    const service = each === 'refund' ? 'payments' : 'inventory';
    await usable(of.repairs[each](repairOf(each, order.orderId, message), order), service);
  }
}

/** @throws SinkUnavailable where a database was not there, or did not answer in time: no message is to blame */
async function usable<Result>(work: Promise<Result>, service: OrderService): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!isConnectionLost(error) && !(error instanceof NoAnswer)) throw error;
    throw new SinkUnavailable(`the database of ${service} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/** The same operation however often the message comes: its guard does it once. */
function repairOf(repair: Repair, orderId: string, { attempt }: Message): Operation {
  return {
    ...{ gid: orderGid(orderId), branch: `verified-${repair}`, op: 'action', scheme: 'saga', seq: 1, attempt },
    ...{ function: `verifier.${repair}`, driver: 'verifier', who: 'verifier', timeoutMs: REPAIR_MS },
    signal: AbortSignal.timeout(REPAIR_MS),
  };
}
