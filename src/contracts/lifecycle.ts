import { z } from 'zod';
import { placeOrderSchema } from './place-order.js';
import { couponOfOrderSchema, createOrderSchema } from './services.js';

/**
 * An order that lives for weeks: what it can be, and what its services are asked and told. What leads from where to where is the table of
 * the machine `orderLifecycle`.
 */

/** The main states. The last three are final. */
export type LifecycleStatus =
  'WAIT_PAY' | 'PAID' | 'WAIT_DELIVER' | 'DELIVERED' | 'REFUNDING' | 'COMPLETED' | 'CANCELLED' | 'REFUNDED';

/** What a caller gives to have such an order opened. */
export const lifecycleOrderSchema = placeOrderSchema.omit({ sequence: true, announce: true }).extend({
  /** The code of a coupon of the customer, which takes its amount off the price. */
  coupon: couponOfOrderSchema.shape.code.optional(),
});
export type LifecycleOrder = z.output<typeof lifecycleOrderSchema>;

/** What an order that was opened answers. */
export interface OpenedLifecycle {
  orderId: string;
  /** What is to be paid, in cents: the price without what the coupon takes off. */
  toPay: number;
  /** Cents. */
  discount: number;
  pointsSpent: number;
}

/** Such an order as its row has it. */
export interface LookedLifecycle extends OpenedLifecycle {
  /** Such as `PAID.PICKING`. */
  state: string;
  coupon: string | null;
}

/** What opens an order that was created: its coupon is held, and so is its stock. */
export const openOrderSchema = z.strictObject({
  orderId: placeOrderSchema.shape.orderId,
  coupon: couponOfOrderSchema.shape.code.optional(),
  /** What the coupon takes off at most, in cents. */
  amountOff: z.int().min(0).max(2_000_000_000),
  /** When, by the clock of the workflow that opens it, in milliseconds since 1970. */
  at: z.int().min(0),
});
export type OpenOrder = z.output<typeof openOrderSchema>;

/** What the warehouse does with a job, in this order. */
const warehouseSteps = ['received', 'pick', 'picked', 'pack', 'packed'] as const;
export type WarehouseStep = (typeof warehouseSteps)[number];

/** The states of the warehouse's jobs: STOPPED is for an order that is not wanted any more, SHIPPED for one that has left. */
export type JobState = 'WAIT_PICK' | 'PICKING' | 'WAIT_PACK' | 'PACKING' | 'PACKED' | 'SHIPPED' | 'STOPPED';

/** Somebody of the warehouse has done a step of a job. */
export const workAtWarehouseSchema = z.strictObject({
  orderId: placeOrderSchema.shape.orderId,
  step: z.enum(warehouseSteps).exclude(['received']),
});
export type WorkAtWarehouse = z.output<typeof workAtWarehouseSchema>;

/** What the warehouse is told of an order: it was paid, or has moved, and its job is to be that far. */
export const orderMovedSchema = z.object({
  orderId: placeOrderSchema.shape.orderId,
  sku: createOrderSchema.shape.sku,
  units: createOrderSchema.shape.units,
  job: z.enum(['WAIT_PICK', 'PICKING', 'WAIT_PACK', 'PACKING', 'PACKED', 'SHIPPED', 'STOPPED'] satisfies JobState[]),
});
export type OrderMoved = z.output<typeof orderMovedSchema>;

/** What the warehouse tells: somebody has done a step of the job of an order. */
export interface JobTold {
  orderId: string;
  step: WarehouseStep;
}
