import type { AskedRecord } from '../callers/books.js';
import type { CouponRecord } from '../coupons/books.js';
import type { NotificationRecord } from '../notifications/books.js';
import { pointsFor } from '../../contracts/money.js';
import type { EarnedRecord, OrderRecord } from '../orders/books.js';
import type { PaymentRecord } from '../payments/books.js';
import type { ReservationRecord } from '../inventory/books.js';
import type { RecallRecord, ShipmentRecord } from '../shipping/books.js';
import type { JobRecord } from '../warehouse/books.js';
import type { Findings } from './findings.js';
import type { EntriesRecord } from './ledger.js';
import { checkLifecycle, isBack, isLifecycle, priceOf } from './lifecycle.js';

/** All that the services have of one order. */
export interface OrderRecords {
  /** That it was asked for by the state table. */
  readonly asked?: AskedRecord;
  readonly order?: OrderRecord;
  readonly points?: EntriesRecord;
  /** What the order has earned: in its point entries too. */
  readonly earned?: EarnedRecord;
  readonly payment?: PaymentRecord;
  readonly money?: EntriesRecord;
  readonly reservation?: ReservationRecord;
  readonly stock?: EntriesRecord;
  readonly shipment?: ShipmentRecord;
  readonly notification?: NotificationRecord;
  /** That the order came in: sent only where the order asks for it. */
  readonly announcement?: NotificationRecord;
  /** That an announced order came to nothing. */
  readonly correction?: NotificationRecord;
  readonly recall?: RecallRecord;
  readonly recallNotice?: NotificationRecord;
  /** The coupon that the order has: held or used. */
  readonly coupon?: CouponRecord;
  /** What the warehouse has to pick for it. */
  readonly job?: JobRecord;
}

const NONE = 'none';

/**
 * Proves one order: each service's entries agree with its own record, and the services' records agree with the order.
 * A broken rule is named once, on the record that breaks it.
 */
export function checkOrder(orderId: string, records: OrderRecords, findings: Findings): void {
  const subject = `order ${orderId}`;
  const { order, payment, reservation } = records;
  const agree = (check: string, expected: string | number, found: string | number) =>
    findings.compare(check, subject, expected, found);

  const isLost = order?.status === 'cancelled' || order?.status === 'returned' || (isLifecycle(order) && isBack(order));
  const kept = order !== undefined && !isLost;
  const earned = Number(records.earned?.points ?? 0);
  agree('point entries agree with the order', kept ? -order.points_spent : 0, net(records.points) - earned);
  if (records.earned)
    agree('points are earned by the rule', order && isSold(order) ? pointsFor(priceOf(order)) : 0, earned);
  const isPaid = payment?.status === 'captured' || payment?.status === 'frozen';
  agree('wallet entries agree with the payment', isPaid ? -payment.amount : 0, net(records.money));
  agree(
    'what is frozen agrees with the payment',
    payment?.status === 'frozen' ? payment.amount : 0,
    frozen(records.money),
  );
  const isReserved = reservation?.status === 'reserved' || reservation?.status === 'frozen';
  agree('stock entries agree with the reservation', isReserved ? -reservation.units : 0, net(records.stock));
  const frozenUnits = reservation?.status === 'frozen' ? reservation.units : 0;
  agree('what is frozen agrees with the reservation', frozenUnits, frozen(records.stock));

  const found = describe(records);
  if (isLifecycle(order)) {
    checkLifecycle(order, records, agree);
    return;
  }
  agree('a coupon that is held or used belongs to an order that lives', NONE, records.coupon?.code ?? NONE);
  agree('a job of the warehouse belongs to an order that lives', NONE, records.job?.state ?? NONE);
  if (isAskedFor(records)) {
    const isThere = order === undefined ? NONE : 'created';
    if (records.asked.state === 'success') agree('what was asked for and done is there', 'created', isThere);
    if (records.asked.state === 'refused')
      agree('what was asked for and refused is not there', NONE, found.reservation);
    const { reservation: due } = order === undefined ? {} : describe(ofShipped(order));
    agree('an order that waits for its payment has its stock', due ?? found.reservation, found.reservation);
  } else if (isUnderWay(records)) {
    checkUnderWay(records, agree);
  } else if (order === undefined) {
    for (const part of [...parts, ...messages]) agree(`${named(part)} belongs to an order`, NONE, found[part]);
  } else if (order.status === 'created') {
    agree('an order is in a final state', 'placed, cancelled, returned or lost', order.status);
  } else if (order.status === 'cancelled') {
    agree('a cancelled order has no payment that was not refunded', NONE, isPaid ? found.payment : NONE);
    agree(
      'a cancelled order has no stock that was not released',
      NONE,
      isReserved && !isBeside(records) ? found.reservation : NONE,
    );
    agree('a cancelled order has no shipment', NONE, found.shipment);
    agree('a cancelled order has no notification', NONE, found.notification);
    agree('a cancelled order that was announced has its correction', found.announcement, found.correction);
    agree('a cancelled order has no recall', NONE, found.recall);
    agree('a cancelled order has no recall notice', NONE, found.recallNotice);
  } else {
    const { status } = order;
    const expected = describe(ofShipped(order));
    // Of a choreographed order its customer is told by a message, afterwards, and gets its points by another.
    const { isUntold, isUnearned } = stillOwed(records);
    if (isUntold && !order.is_old) expected.notification = NONE;
    if (isUnearned && order.is_old) agree('a choreographed order has earned its points', pointsFor(order.amount), NONE);
    for (const part of parts) agree(`a ${status} order has its ${nouns[part]}`, expected[part], found[part]);
    agree(`a ${status} order has no correction`, NONE, found.correction);
    const announced = records.announcement ? expected.notification : NONE;
    agree('an announcement goes to the customer of its order', announced, found.announcement);
  }
}

/**
 * Whether an order is where the state table has brought it, or is about to: its stock is deducted, and it waits for its payment. What a
 * person left half done is none.
 */
export function isAskedFor(records: OrderRecords): records is OrderRecords & { readonly asked: AskedRecord } {
  const { asked, order } = records;
  // Another transaction may have been asked for by the same id: it was refused, or will be.
  if (asked === undefined || order?.choreographed) return false;
  return order === undefined ? asked.state !== 'left' : order.status === 'created';
}

/**
 * Whether the state table has stock for an order of which a choreographed one of the same id was cancelled: it is pending, or a person has
 * it, and will end without it.
 */
export function isBeside({ asked, order, reservation }: OrderRecords): boolean {
  if (asked === undefined || ENDED.has(asked.state)) return false;
  const isOther = reservation?.status === 'reserved' && reservation.choreographed !== true;
  return isOther && order?.choreographed === true && order.status === 'cancelled';
}

const ENDED: ReadonlySet<string> = new Set(['success', 'refused', 'left']);

/** Whether an order is choreographed and not final: what is still to be done for it messages tell, which are on their way or wait for a person. */
export function isUnderWay(records: OrderRecords): records is OrderRecords & { readonly order: OrderRecord } {
  return records.order?.choreographed === true && records.order.status === 'created';
}

/** What is still to come of a choreographed order that was placed: that its customer is told, and its points. */
export function stillOwed({ order, notification, earned }: OrderRecords): { isUntold: boolean; isUnearned: boolean } {
  const isDue = order?.choreographed === true && isSold(order);
  return { isUntold: isDue && notification === undefined, isUnearned: isDue && earned === undefined };
}

/** What there is of such an order is its own; and nobody was told that it stands. */
function checkUnderWay(
  records: OrderRecords & { readonly order: OrderRecord },
  agree: (check: string, expected: string, found: string) => void,
): void {
  const { order, payment, reservation, shipment } = records;
  const whole = ofShipped(order);
  const expected = describe({
    ...(payment && { payment: { ...payment, customer_id: order.customer_id, amount: order.amount } }),
    ...(reservation && { reservation: { ...reservation, sku: order.sku, units: order.units } }),
    ...(shipment && { shipment: whole.shipment }),
  });
  const found = describe(records);
  for (const part of [...parts, ...messages]) {
    agree(`an order that is under way has its own ${nouns[part]}, or none yet`, expected[part], found[part]);
  }
}

/** Whether an order was placed, whatever became of it later. */
function isSold(order: OrderRecord): boolean {
  const { status } = order;
  if (isLifecycle(order)) return status === 'COMPLETED';
  return status !== 'created' && status !== 'cancelled';
}

/** What there must be of an order whose parcel has left, by what became of it. */
function ofShipped({ order_id, customer_id, sku, units, amount, status, recalled }: OrderRecord): OrderRecords {
  const isBack = status === 'returned';
  const told = { order_id, customer_id };
  return {
    payment: { order_id, customer_id, amount, status: isBack ? 'refunded' : 'captured' },
    reservation: { order_id, sku, units, status: isBack ? 'released' : 'reserved' },
    shipment: { order_id, customer_id, sku, units },
    notification: told,
    ...(recalled && {
      recall: { order_id, status: isBack || status === 'lost' ? status : 'requested', logged: status === 'lost' },
      recallNotice: told,
    }),
  };
}

/** What an order has whose parcel has left, recalled or not. */
const parts = ['payment', 'reservation', 'shipment', 'notification', 'recall', 'recallNotice'] as const;
/** What an order may have besides. */
const messages = ['announcement', 'correction'] as const;
type Part = (typeof parts)[number] | (typeof messages)[number];

const nouns: Readonly<Record<Part, string>> = {
  payment: 'payment',
  reservation: 'reservation',
  shipment: 'shipment',
  notification: 'notification',
  recall: 'recall',
  recallNotice: 'recall notice',
  announcement: 'announcement',
  correction: 'correction',
};

function named(part: Part): string {
  return `${part === 'announcement' ? 'an' : 'a'} ${nouns[part]}`;
}

/** The records as text: two of them agree if their texts do. */
function describe(records: OrderRecords): Record<Part, string> {
  const { payment, reservation, shipment, notification, recall, recallNotice, announcement, correction } = records;
  const told = (record: NotificationRecord | undefined) => (record ? `to customer ${record.customer_id}` : NONE);
  return {
    payment: payment ? `${payment.amount} cents ${payment.status} from customer ${payment.customer_id}` : NONE,
    reservation: reservation ? `${reservation.units} ${reservation.sku} ${reservation.status}` : NONE,
    shipment: shipment ? `${shipment.units} ${shipment.sku} to customer ${shipment.customer_id}` : NONE,
    notification: told(notification),
    recall: recall ? `${recall.status}${recall.logged ? ' and logged' : ''}` : NONE,
    recallNotice: told(recallNotice),
    announcement: told(announcement),
    correction: told(correction),
  };
}

function net(entries: EntriesRecord | undefined): number {
  return Number(entries?.net ?? 0);
}

function frozen(entries: EntriesRecord | undefined): number {
  return Number(entries?.frozen ?? 0);
}
