import { z } from 'zod';
import type { LifecycleStatus } from './lifecycle.js';
import type { ExactCents } from './money.js';

/** What the shop opens with: customers with money and points, and stock. Opening again changes only what is missing. */
export const openShopSchema = z.strictObject({
  customers: z.array(z.string().min(1).max(64)).max(100_000),
  /** Cents that each customer's wallet starts with. */
  walletCents: z.int().min(0).max(2_000_000_000).default(10_000),
  /** Points that each customer starts with. */
  points: z.int().min(0).max(2_000_000_000).default(1_000),
  /** Cents that each customer's coupon takes off. Default: 0, they get none. */
  couponCents: z.int().min(0).max(2_000_000_000).optional(),
  sku: z.string().min(1).max(64).default('cd'),
  /** Units of the sku delivered to the shop in all, since it opened; never lowered. */
  units: z.int().min(0).max(2_000_000_000),
});
export type OpenShop = z.output<typeof openShopSchema>;

/** The states of an order; all but `created` are final. Those in capitals are of orders that live for weeks. */
export type OrderStatus = 'created' | 'placed' | 'cancelled' | 'returned' | 'lost' | LifecycleStatus;

/** An order as its service has it. */
export interface OrderState {
  status: OrderStatus;
  /** It was recalled. */
  recalled: boolean;
}

/** The states of a recall: what the carrier was asked for, and what came of it. */
export type RecallStatus = 'requested' | 'returned' | 'lost';

/** One thing that does not add up. */
export interface Difference {
  /** The rule that is broken, such as `wallets + frozen + captured - refunded = deposited`. */
  check: string;
  /** What it was found on: an order, a customer, a sku, or a whole database. */
  subject: string;
  expected: string;
  found: string;
}

/** The proof, across databases, that nothing was lost and nothing was done twice. */
export interface Books {
  balanced: boolean;
  figures: {
    orders: number;
    placed: number;
    cancelled: number;
    /** Recalled, and the parcel came back: refunded. */
    returned: number;
    /** Recalled, and the parcel was lost: it counts as placed wherever money, stock and points are summed. */
    lost: number;
    /** Placed orders whose parcel the carrier was asked for, and has not found yet. */
    recalled: number;
    /** Created by the state table, with their stock: they wait for their payment. Or choreographed, and not final yet. */
    waiting: number;
    /** Other orders that are in no final state. */
    open: number;
    depositedCents: number;
    walletsCents: number;
    /** Held for orders that are not decided; in no other figure. */
    frozenCents: number;
    capturedCents: number;
    refundedCents: number;
    initialUnits: number;
    stockUnits: number;
    /** Held for orders that are not decided; in no other figure. */
    frozenUnits: number;
    placedUnits: number;
    /** Of orders that wait for their payment, or are about to; in no other figure. */
    waitingUnits: number;
    initialPoints: number;
    pointsHeld: number;
    pointsSpent: number;
    /** Of orders that wait for their payment; in no other figure. */
    waitingPoints: number;
    /** Given for orders that were placed. */
    pointsEarned: number;
    /** Choreographed orders that were placed and whose customers were not told yet: a difference after a day. */
    untold: number;
    /** The same of those that have earned no points yet. */
    unearned: number;
    /** What transfers by the state table, and purchases, have taken from one account and not yet brought to another. */
    bankInFlightCents: ExactCents;
    /** What was paid in at all banks. */
    bankPaidInCents: ExactCents;
    /** What all accounts have, what is held of it included. */
    bankBalancesCents: ExactCents;
    bankHeldCents: ExactCents;
    /** What left accounts and has not come to others: on its way. */
    bankClearingCents: ExactCents;
    /** Holds that wait for their confirm or cancel. */
    bankHolds: number;
    /** Purchases at the bookstore. */
    purchases: number;
    /** Those of which the warehouse or the merchant has not acknowledged its part. */
    purchasesOpen: number;
    /** Those of which a person has given up a part; where it is the merchant's, its money is in flight until that person has paid it out. */
    purchasesGivenUp: number;
    /** Copies of books that were delivered to the warehouse. */
    booksDelivered: number;
    booksInStock: number;
    /** In parcels. */
    booksTaken: number;
    /** What flash sales were opened with, from the stock: sold, waiting, left and returned. */
    saleUnits: number;
    saleSoldUnits: number;
    /** Occupied by purchases that are not paid, or not seen to be. */
    saleWaitingUnits: number;
    saleLeftUnits: number;
    /** What sales did not sell: in the stock again. */
    saleReturnedUnits: number;
  };
  /** The first of the differences; `differenceCount` counts all. */
  differences: Difference[];
  differenceCount: number;
}

/** Differences named in one report, at most. */
export const MAX_DIFFERENCES = 200;
