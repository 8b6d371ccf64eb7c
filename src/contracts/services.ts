import { z } from 'zod';
import { placeOrderSchema } from './place-order.js';
import { closeLostSchema, recallOrderSchema } from './recall-order.js';

/** What the shop's services are asked: each input is a part of the order that it belongs to. */

const field = placeOrderSchema.shape;
const { orderId, customerId, units, amount } = field;
const sku = field.sku.unwrap();

export const createOrderSchema = z.strictObject({ orderId, customerId, sku, units, amount });
export type CreateOrder = z.output<typeof createOrderSchema>;

export const customerSchema = z.strictObject({ customerId });
export type OfCustomer = z.output<typeof customerSchema>;

export const completeOrderSchema = z.strictObject({ orderId });
export type CompleteOrder = z.output<typeof completeOrderSchema>;

/** What is asked about an order, whatever its state. */
export const orderIdSchema = z.strictObject({ orderId });
export type OfOrder = z.output<typeof orderIdSchema>;

/** What is asked of an order that was placed: to mark it as recalled, or as lost. */
export const placedOrderSchema = z.strictObject({ orderId });
export type OfPlacedOrder = z.output<typeof placedOrderSchema>;

/** What is given back to the customer of an order: money, or points. */
export const giveBackSchema = z.strictObject({ orderId, customerId });
export type GiveBack = z.output<typeof giveBackSchema>;

export const chargeSchema = z.strictObject({ orderId, customerId, amount });
export type Charge = z.output<typeof chargeSchema>;

export const reserveSchema = z.strictObject({ orderId, sku, units });
export type Reserve = z.output<typeof reserveSchema>;

export const dispatchSchema = z.strictObject({ orderId, customerId, sku, units });
export type Dispatch = z.output<typeof dispatchSchema>;

export const releaseSchema = z.strictObject({ orderId, sku });

/** What is asked of the carrier about a parcel that left. */
export const recallParcelSchema = recallOrderSchema;
export type RecallParcel = z.output<typeof recallParcelSchema>;

export const takeBackParcelSchema = z.strictObject({ orderId });
export type TakeBackParcel = z.output<typeof takeBackParcelSchema>;

export const loseParcelSchema = closeLostSchema.required();
export type LoseParcel = z.output<typeof loseParcelSchema>;

/** A message to the customer of an order. */
export const tellSchema = z.strictObject({ orderId, customerId });
export type Tell = z.output<typeof tellSchema>;

/** Customers that one statement opens, at most. */
const customerIds = z.array(z.string().min(1).max(64)).max(1_000);
/** Cents, points or units: PostgreSQL's `integer`. */
const quantity = z.int().min(0).max(2_000_000_000);

export const openCustomersSchema = z.strictObject({ customerIds, points: quantity });
export type OpenCustomers = z.output<typeof openCustomersSchema>;

export const openWalletsSchema = z.strictObject({ customerIds, cents: quantity });
export type OpenWallets = z.output<typeof openWalletsSchema>;

export const deliverSchema = z.strictObject({ sku: z.string().min(1).max(64), units: quantity });
export type Deliver = z.output<typeof deliverSchema>;

const code = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/, 'must be 1 to 80 letters, digits, dots, dashes or underscores');

/** A coupon, and the order that it is held for, or was used by. */
export const couponOfOrderSchema = z.strictObject({ code, orderId });
export type CouponOfOrder = z.output<typeof couponOfOrderSchema>;

export const holdCouponSchema = z.strictObject({ code, orderId, customerId });
export type HoldCoupon = z.output<typeof holdCouponSchema>;

/** One coupon for each customer; 0 cents: none. */
export const openCouponsSchema = z.strictObject({ customerIds, cents: quantity });
export type OpenCoupons = z.output<typeof openCouponsSchema>;

/** The code of the coupon that a customer gets when the shop opens. */
export function welcomeCoupon(customer: string): string {
  return `welcome-${customer}`;
}
