import { z } from 'zod';
import { placeOrderSchema } from './place-order.js';

/**
 * Recalling an order whose parcel has left and whose customer was told: nothing of it can be undone, only made good. The
 * carrier is asked for the parcel, and says one day that it came back, or that it is lost.
 */

const { orderId } = placeOrderSchema.shape;

/** One line of text for people. */
function line(max: number) {
  const error = `must be one line of 1 to ${max} characters`;
  return z
    .string({ error })
    .trim()
    .min(1, { error })
    .max(max, { error })
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, { error });
}

const reason = line(500);
/** Who asked, or said so: it is kept. */
const actor = line(100);

export const recallOrderSchema = z.strictObject({ orderId, reason, actor });
export type RecallOrder = z.output<typeof recallOrderSchema>;

/** What a recalled order answers. Whether its money goes back depends on the carrier. */
export interface RecalledOrder {
  orderId: string;
  customerId: string;
}

export const refundRecalledSchema = z.strictObject({ orderId });
export type RefundRecalled = z.output<typeof refundRecalledSchema>;

/** What went back when the parcel of a recalled order came back. */
export interface RefundedOrder {
  orderId: string;
  /** Cents. */
  refunded: number;
  unitsReturned: number;
  pointsReturned: number;
}

export const closeLostSchema = z.strictObject({
  orderId,
  reason: reason.default('the carrier lost the parcel'),
  actor,
});
export type CloseLost = z.output<typeof closeLostSchema>;
export type CloseLostInput = z.input<typeof closeLostSchema>;

/** The gids of what happens to an order after it was placed, each at most once. */
export const recallGid = (id: string): string => `recall-${id}`;
export const returnedGid = (id: string): string => `returned-${id}`;
export const lostGid = (id: string): string => `lost-${id}`;
