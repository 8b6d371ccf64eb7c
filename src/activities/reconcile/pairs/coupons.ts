import type { Database, Drift, Operation, Pair } from '../../../kit/database/index.js';
import type { Coupons } from '../../coupons/index.js';
import { sidedPair } from '../local.js';
import { refundedByHand } from '../moves.js';
import { gidsOfOrder, SINCE } from '../orders.js';

/**
 * Coupons and the orders that they are for. Held it belongs to an order that waits for its payment, used to one that was paid; an order that
 * came to nothing has none.
 */

interface OrderRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly status: string;
  readonly coupon: string | null;
}

interface CouponRow {
  readonly order_id: string;
  readonly code: string;
  readonly customer_id: string;
  readonly status: 'HELD' | 'USED';
}

type Of = Readonly<Record<'orders' | 'coupons', Database>>;

/** What becomes of the coupon of an order that comes to these is the refund's to do, and no other pair's to judge. */
const RETURNING = ['REFUNDING', 'CANCELLED', 'REFUNDED', 'cancelled'];
const NOTHING = ['CANCELLED', 'REFUNDED', 'cancelled'];

/** A coupon is held for an order that waits for its payment, used for one that was paid, and for no other. */
export function couponsOrders({ orders, coupons }: Of, participant: Coupons): Pair {
  const moving =
    (how: 'release' | 'use' | 'giveBack') =>
    ({ key: orderId, data }: Drift, operation: Operation) =>
      participant[how].action(operation, { code: data as string, orderId });
  const release = { what: 'lets go of it', run: moving('release') };
  return {
    name: 'coupons-orders',
    what: 'a coupon is held for an order that waits for its payment, used for one that was paid, and for no other',
    by: 'ranges',
    classes: {
      'held-but-no-order': { what: 'a coupon is held, and there is no order of its id', repair: release },
      'held-but-cancelled': { what: 'a coupon is held, and its order came to nothing', repair: release },
      'paid-but-not-used': {
        what: 'the order was paid, and its coupon is only held',
        repair: { what: 'uses it', run: moving('use') },
      },
      'used-but-cancelled': {
        what: 'a coupon is used, and its order came to nothing',
        repair: { what: 'gives it back', run: moving('giveBack') },
      },
      'used-but-unpaid': { what: 'a coupon is used, and its order still waits for its payment' },
      'used-but-no-order': { what: 'a coupon is used, and there is no order of its id' },
      'order-without-coupon': { what: 'an order has its price by a coupon that is neither held nor used for it' },
      'coupon-differs': { what: 'the coupon of an order is another one, or of another customer' },
    },
    sides: [
      {
        parts: [
          {
            database: orders,
            rows: `select order_id as key, case status when 'WAIT_PAY' then 'HELD ' else 'USED ' end || coupon || ' ' || customer_id as value
            from orders where coupon is not null and status not in ('CANCELLED', 'REFUNDED') and created_at >= ${SINCE}`,
          },
        ],
      },
      {
        parts: [
          {
            database: coupons,
            rows: `select order_id as key, status || ' ' || code || ' ' || customer_id as value
            from coupons where order_id is not null and held_at >= ${SINCE}`,
          },
        ],
      },
    ],
    gidsOf: gidsOfOrder,
    settled: (orderId) => refundedByHand(orders, orderId),
    async judge(keys) {
      const [found, taken] = await Promise.all([
        orders.run<OrderRow>('select order_id, customer_id, status, coupon from orders where order_id = any ($1)', [
          keys,
        ]),
        coupons.run<CouponRow>('select order_id, code, customer_id, status from coupons where order_id = any ($1)', [
          keys,
        ]),
      ]);
      const byId = new Map(found.map((order) => [order.order_id, order]));
      const byOrder = new Map(taken.map((coupon) => [coupon.order_id, coupon]));
      return keys.flatMap((key) => judge(key, byId.get(key), byOrder.get(key)) ?? []);
    },
  };
}

function judge(key: string, order: OrderRow | undefined, coupon: CouponRow | undefined): Drift | undefined {
  const { status = 'not there' } = order ?? {};
  if (coupon === undefined) {
    if (order?.coupon == null || RETURNING.includes(status)) return undefined;
    const detail = `the order is ${status} with coupon ${order.coupon}, which is not held or used for it`;
    return { class: 'order-without-coupon', key, detail };
  }
  const { code, status: is, customer_id: customer } = coupon;
  const found = { key, detail: `coupon ${code} is ${is}, and the order is ${status}`, data: code };
  const came = order !== undefined && NOTHING.includes(status);
  if (came) return { class: is === 'HELD' ? 'held-but-cancelled' : 'used-but-cancelled', ...found };
  if (order === undefined) return { class: is === 'HELD' ? 'held-but-no-order' : 'used-but-no-order', ...found };
  if (status === 'created') {
    if (is === 'USED') return { class: 'used-but-unpaid', ...found };
    return { class: 'held-but-no-order', ...found, unsafe: 'its order is created, and not opened' };
  }
  if (order.coupon !== code || order.customer_id !== customer) {
    const due = `${order.coupon ?? 'none'} of customer ${order.customer_id}`;
    return { class: 'coupon-differs', key, detail: `coupon ${code} of customer ${customer} is ${is}, due is ${due}` };
  }
  if (status === 'WAIT_PAY') return is === 'HELD' ? undefined : { class: 'used-but-unpaid', ...found };
  if (is === 'USED') return undefined;
  const unsafe = status === 'REFUNDING' ? { unsafe: 'its order is being refunded' } : {};
  return { class: 'paid-but-not-used', ...found, ...unsafe };
}

/** A coupon is where its last move has brought it: both are written by one statement. */
export function couponsMoves({ coupons }: Pick<Of, 'coupons'>): Pair {
  const side = (rows: string) => ({ parts: [{ database: coupons, rows }] });
  return sidedPair({
    name: 'coupons-moves',
    what: 'a coupon is where its last move has brought it',
    by: 'buckets',
    gidsOf: () => [],
    nouns: ['coupon', 'its last move'],
    sides: [
      side(`select code as key, status || ' ' || order_id as value from coupons where status <> 'AVAILABLE'`),
      side(`select code as key, moved_to || ' ' || order_id as value from (
        select distinct on (code) code, moved_to, order_id from coupon_moves order by code, move_id desc
      ) as last where moved_to <> 'AVAILABLE'`),
    ],
    classes: {
      missing: ['coupon-without-move', 'a coupon is held or used, and by its moves it is available'],
      surplus: ['move-without-coupon', 'a coupon is available, and by its moves it is held or used'],
      differs: ['coupon-move-differs', 'a coupon is held or used otherwise than its moves tell'],
    },
  });
}
