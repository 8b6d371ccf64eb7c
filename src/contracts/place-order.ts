import { z } from 'zod';

/** PostgreSQL's `integer`, far above any order, and far below 2^53. */
const MAX_CENTS = 2_000_000_000;
const MAX_UNITS = 1_000_000;

const id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores');

function wholeNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** What a caller gives to have an order placed. */
export const placeOrderSchema = z.strictObject({
  orderId: id,
  customerId: id,
  /** What is bought; the shop sells compact discs. */
  sku: id.default('cd'),
  units: wholeNumber(1, MAX_UNITS),
  /** What is to be paid, in cents; 0 is a gift. */
  amount: wholeNumber(0, MAX_CENTS),
  /** `stock-first` reserves the stock before the payment. */
  sequence: z.enum(['pay-first', 'stock-first']).default('pay-first'),
  /** Tells the customer at once that the order came in, before it is paid: what cannot be undone, only corrected. */
  announce: z.boolean().optional(),
});

export type PlaceOrder = z.output<typeof placeOrderSchema>;
export type PlaceOrderInput = z.input<typeof placeOrderSchema>;

const forSagas = 'is for the scheme saga: leave it out';

/** The same by try, confirm and cancel, where all is tried at once. */
export const placeOrderTccSchema = placeOrderSchema.extend({
  sequence: z.literal('pay-first', { error: forSagas }).default('pay-first'),
  announce: z.literal(false, { error: forSagas }).optional(),
});

/** What a placed order answers. */
export interface PlacedOrder {
  orderId: string;
  paymentId: string;
  shipmentId: string;
  pointsSpent: number;
}

/** The gid of an order's transaction. */
export function orderGid(orderId: string): string {
  return `order-${orderId}`;
}
