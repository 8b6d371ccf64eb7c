import type { LifecycleStatus } from '../../contracts/lifecycle.js';
import type { OrderRecord } from '../orders/books.js';
import type { OrderRecords } from './checks.js';

/**
 * What there is of an order that lives for weeks, by its state, when nothing of it is under way. A coupon that is held belongs to an order
 * that waits for its payment, one that is used to an order that was paid; money, stock and coupon of an order that came to nothing
 * are back.
 */

/** An order that a state machine moves. */
export interface LifecycleRecord extends OrderRecord {
  status: LifecycleStatus;
}

const final: readonly string[] = ['COMPLETED', 'CANCELLED', 'REFUNDED'] satisfies LifecycleStatus[];

/** Its states are written in capitals, those of all other orders are not. */
export function isLifecycle(order: OrderRecord | undefined): order is LifecycleRecord {
  return order !== undefined && order.status === order.status.toUpperCase();
}

/** Whether it has not come to its end. */
export function isAlive({ status }: LifecycleRecord): boolean {
  return !final.includes(status);
}

/** Whether it came to nothing: what it has taken from its customer is back. */
export function isBack({ status }: LifecycleRecord): boolean {
  return status === 'CANCELLED' || status === 'REFUNDED';
}

/** What is to be paid for an order, in cents. */
export function priceOf({ amount, discount }: OrderRecord): number {
  return amount - discount;
}

const NONE = 'none';
/** Sub-states of REFUNDING whose parcel has left, and has not come back. */
const isOutside: ReadonlySet<string | null> = new Set(['RECALLED', 'LOST', 'KEPT', 'KEPT_REFUSED']);

/** Proves such an order across the services; that each service agrees with itself is proved elsewhere. */
export function checkLifecycle(
  order: LifecycleRecord,
  records: OrderRecords,
  agree: (check: string, expected: string, found: string) => void,
): void {
  const { payment, reservation, coupon, shipment, notification, recall, recallNotice, job } = records;
  const { status, sub_state: sub } = order;
  const price = `${priceOf(order)} cents of customer ${order.customer_id}`;
  const money = payment ? `${payment.status}, ${payment.amount} cents of customer ${payment.customer_id}` : NONE;
  const stock = reservation ? `${reservation.status}, ${reservation.units} ${reservation.sku}` : NONE;
  const parcel = shipment ? `${shipment.units} ${shipment.sku} to customer ${shipment.customer_id}` : NONE;
  const asked = `${order.units} ${order.sku}`;
  const left = `${asked} to customer ${order.customer_id}`;
  const a = `an order that is ${sub === null ? status : `${status}.${sub}`}`;
  const isPaidState = !['WAIT_PAY', 'CANCELLED', 'REFUNDED'].includes(status);
  // What goes back is on its way, or waits at the desk.
  const isReturning = status === 'REFUNDING' && sub !== 'RECALLED' && sub !== 'LOST';

  if (!isReturning) {
    const hasNone = payment === undefined && status !== 'REFUNDED';
    agree(`${a} has its payment`, isPaidState ? `captured, ${price}` : hasNone ? NONE : `refunded, ${price}`, money);
    const isOut = shipment !== undefined && recall?.status !== 'returned';
    const isKept = status !== 'CANCELLED' && !(status === 'REFUNDED' && !isOut);
    agree(`${a} has its stock`, `${isKept ? 'reserved' : 'released'}, ${asked}`, stock);
    const due = order.coupon === null || isBack(order) ? NONE : `${isPaidState ? 'USED' : 'HELD'} ${order.coupon}`;
    agree(`${a} has its coupon`, due, coupon ? `${coupon.status} ${coupon.code}` : NONE);
  }
  const hasLeft = ['DELIVERED', 'COMPLETED'].includes(status) || (status === 'REFUNDING' && isOutside.has(sub));
  const mayHaveLeft = status === 'REFUNDING' || status === 'REFUNDED';
  agree(`${a} has its parcel`, hasLeft || (mayHaveLeft && shipment) ? left : NONE, parcel);
  const told = notification ? `to customer ${notification.customer_id}` : NONE;
  agree(
    `the customer of an order is told when its parcel has left`,
    shipment ? `to customer ${order.customer_id}` : NONE,
    told,
  );
  const customer = `to customer ${order.customer_id}`;
  const corrected = recallNotice ? `to customer ${recallNotice.customer_id}` : NONE;
  agree('the customer of an order that is recalled is told so', recall ? customer : NONE, corrected);
  if (coupon) agree('a coupon is of the customer of its order', order.customer_id, coupon.customer_id);
  const wanted =
    recall === undefined ? NONE : sub === 'RECALLED' ? 'requested' : sub === 'LOST' ? 'lost' : recall.status;
  agree(
    `${a} has its recall`,
    hasLeft && ['RECALLED', 'LOST'].includes(sub ?? '') && !recall ? 'a recall' : wanted,
    recall?.status ?? NONE,
  );
  if (job) {
    agree('a job of the warehouse is for what was ordered', asked, `${job.units} ${job.sku}`);
    agree('a job of the warehouse is for an order that was paid', 'a payment', payment ? 'a payment' : NONE);
    const isDone = job.state === 'SHIPPED' || job.state === 'STOPPED';
    if (order.is_old)
      agree(
        'the warehouse works for no order that has ended',
        'SHIPPED or STOPPED',
        isDone ? 'SHIPPED or STOPPED' : job.state,
      );
  }
}
