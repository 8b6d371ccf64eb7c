import { z } from 'zod';
import { placeOrderSchema } from './place-order.js';

/** What the shop's services are asked: each input is a part of the order that it belongs to. */

const field = placeOrderSchema.shape;
const { orderId, customerId, units, amount } = field;
const sku = field.sku.unwrap();

export const createOrderSchema = z.strictObject({ orderId, customerId, sku, units, amount });
export type CreateOrder = z.output<typeof createOrderSchema>;

export const completeOrderSchema = z.strictObject({ orderId });
export type CompleteOrder = z.output<typeof completeOrderSchema>;

export const chargeSchema = z.strictObject({ orderId, customerId, amount });
export type Charge = z.output<typeof chargeSchema>;

export const reserveSchema = z.strictObject({ orderId, sku, units });

export const dispatchSchema = z.strictObject({ orderId, customerId, sku, units });
export type Dispatch = z.output<typeof dispatchSchema>;

export const orderPlacedSchema = z.strictObject({ orderId, customerId });
export type OrderPlaced = z.output<typeof orderPlacedSchema>;

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
