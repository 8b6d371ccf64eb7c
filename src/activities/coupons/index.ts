import {
  couponOfOrderSchema,
  holdCouponSchema,
  openCouponsSchema,
  welcomeCoupon,
  type CouponOfOrder,
  type HoldCoupon,
  type OpenCoupons,
} from '../../contracts/services.js';
import { Rejection, type Database, type Guard, type Sql } from '../../kit/database/index.js';
import type { Forward, Undoable } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import type { CouponRecord } from './books.js';
import { COUPON, COUPON_OF, GIVE_BACK, HOLD, OPEN_COUPONS, RELEASE, USE } from './sql.js';

/**
 * The coupons service: each coupon belongs to a customer and takes an amount off one order.
 *
 * States of a coupon: AVAILABLE → HELD, for an order that is not paid; HELD → USED, when it is paid; HELD → AVAILABLE, when it comes to
 * nothing; USED → AVAILABLE, when an order that was paid is cancelled or refunded.
 *
 * Invariant: a coupon that is held or used belongs to exactly one order, and an order has one coupon at most; the database refuses
 * any other move, and keeps all of them.
 */
export function createCoupons({ guard }: { guard: Guard }) {
  const moving = (statement: string) =>
    ({
      action: (operation, input) =>
        guard.apply(operation, input, async (sql) => move(sql, statement, validInput(couponOfOrderSchema, input))),
    }) satisfies Forward<CouponOfOrder, { code: string }>;

  /** Holds a coupon for an order. Rejections: `UnknownCoupon`, `NotYourCoupon`, `CouponNotAvailable`, `HasCoupon`, `InvalidInput`. */
  const hold = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { code, orderId, customerId } = validInput(holdCouponSchema, input);
        const [row] = await sql<{ amountOff: number }>(HOLD, [code, orderId, customerId]);
        if (row) return row;
        throw await whyNotHeld(sql, { code, orderId, customerId });
      }),
    compensation: (operation, input) => guard.undo(operation, input, (sql) => move(sql, RELEASE, input)),
  } satisfies Undoable<HoldCoupon, { amountOff: number }>;

  return {
    hold,
    /** Uses a coupon that is held for an order. Rejections: `CouponNotTheirs`, `InvalidInput`; of the next two also. */
    use: moving(USE),
    /** Lets go of a coupon that is held for an order. */
    release: moving(RELEASE),
    /** Gives back the coupon that an order has used. */
    giveBack: moving(GIVE_BACK),
  };
}

export type Coupons = ReturnType<typeof createCoupons>;

async function move(sql: Sql, statement: string, { code, orderId }: CouponOfOrder): Promise<{ code: string }> {
  const [row] = await sql<{ code: string }>(statement, [code, orderId]);
  if (row) return row;
  const coupon = await find(sql, code);
  const is = coupon === undefined ? 'not there' : `${coupon.status}${coupon.order_id ? ` of ${coupon.order_id}` : ''}`;
  throw new Rejection('CouponNotTheirs', `coupon ${code} cannot be moved for order ${orderId}: it is ${is}`);
}

async function whyNotHeld(sql: Sql, { code, orderId, customerId }: HoldCoupon): Promise<Rejection> {
  const coupon = await find(sql, code);
  if (coupon === undefined) return new Rejection('UnknownCoupon', `there is no coupon ${code} (order ${orderId})`);
  if (coupon.customer_id !== customerId)
    return new Rejection('NotYourCoupon', `coupon ${code} is not of customer ${customerId} (order ${orderId})`);
  const [other] = await sql<{ code: string }>(COUPON_OF, [orderId]);
  if (other) return new Rejection('HasCoupon', `order ${orderId} has coupon ${other.code}`);
  return new Rejection('CouponNotAvailable', `coupon ${code} is ${coupon.status} (order ${orderId})`);
}

async function find(
  sql: Sql,
  code: string,
): Promise<Pick<CouponRecord, 'customer_id' | 'status' | 'order_id'> | undefined> {
  const [row] = await sql<Pick<CouponRecord, 'customer_id' | 'status' | 'order_id'>>(COUPON, [code]);
  return row;
}

/** Opens a coupon for each of up to 1,000 customers. Idempotent by its code: one that is there is left alone. */
export async function openCoupons(database: Database, input: OpenCoupons): Promise<void> {
  const { customerIds, cents } = validInput(openCouponsSchema, input);
  if (cents > 0) await database.run(OPEN_COUPONS, [customerIds.map(welcomeCoupon), customerIds, cents]);
}
