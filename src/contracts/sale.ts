import { z } from 'zod';
import type { ScheduledWorkflow } from '../kit/client/index.js';
import { parserOf } from '../kit/client/index.js';
import { placeOrderSchema } from './place-order.js';

/** Flash sales: units of an article, many buyers at once. See docs/flash-sale.md. */

const { orderId: id, customerId, sku } = placeOrderSchema.shape;
const MAX_UNITS = 1_000_000;
const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};
const units = whole(1, MAX_UNITS);
const DAY_MS = 24 * 60 * 60_000;

/** What a sale is opened with. */
export const openSaleSchema = z.strictObject({
  sale: id,
  /** What is sold; its units are taken out of the stock. */
  sku: sku.unwrap().default('cd'),
  units,
  /** What one unit costs. */
  cents: whole(0, 1_000_000),
  /** Units of one purchase, at most. Default: any number */
  perPurchase: units.optional(),
  /** Units of one customer in all, at most. Default: any number */
  perCustomer: units.optional(),
  /** How long a purchase may wait for its payment, in milliseconds: then it is reclaimed. */
  holdMs: whole(0, 7 * DAY_MS).default(30 * 60_000),
});
export type OpenSale = z.output<typeof openSaleSchema>;
export const parseSale = parserOf(openSaleSchema);

export const ofSaleSchema = z.strictObject({ sale: id });
export type OfSale = z.output<typeof ofSaleSchema>;
export const parseOfSale = parserOf(ofSaleSchema);

/** What a buyer asks. The id makes it one purchase, however often it is asked for. */
export const buySaleSchema = z.strictObject({ id, sale: id, customerId, units });
export type BuySale = z.output<typeof buySaleSchema>;
export const parseSalePurchase = parserOf(buySaleSchema);

/** What says that the money of a purchase has come. The payment's id is that of whoever took the money. */
const paySaleSchema = z.strictObject({ id, paymentId: id });
export const parseSalePayment = parserOf(paySaleSchema);

export const ofSalePurchaseSchema = z.strictObject({ id });
export type OfSalePurchase = z.output<typeof ofSalePurchaseSchema>;
export const parseOfSalePurchase = parserOf(ofSalePurchaseSchema);

/** Why a purchase is refused: nothing of it stands. */
export type SaleRefusal =
  /** Fewer units are free than were asked for. What is reclaimed is sold again: who asks again later may get it. */
  | 'sold out'
  | 'closed'
  /** More units than one purchase, or one customer, may have. */
  | 'too many'
  /** It waited for its payment for too long, or its order came too late. */
  | 'reclaimed'
  /** The id is that of another purchase. */
  | 'conflict'
  | 'unknown sale'
  /** Another payment has paid it: this one has to be given back. */
  | 'paid by another'
  /** It was paid under a release that did not write down by which payment: this may be the same one, and a person has to look. */
  | 'paid by unknown'
  /** No order of this id waits for a payment. */
  | 'unknown purchase';

/** What a buyer hears. */
export type SaleAnswer =
  | {
      answer: 'sold';
      id: string;
      /** It was paid; else it waits for that until `payBy`, in milliseconds since 1970; past that, until the next round takes it back. */
      paid: boolean;
      cents: number;
      payBy: number | null;
    }
  | { answer: 'refused'; id: string; why: SaleRefusal }
  /** It is paid, and its units had been released: they may be somebody else's. It stays so, and a person decides. */
  | { answer: 'torn'; id: string }
  /** Not known, or not over: who asks again under the same id hears more. If nobody does, its units are reclaimed. */
  | { answer: 'pending'; id: string; message: string };

/** The states of a sale's order. `barred`: it never came, and never can. */
export type SaleOrderStatus = 'unpaid' | 'paid' | 'cancelled' | 'barred';

/** A purchase as the two databases have it. */
export interface SalePurchase {
  id: string;
  sale: string;
  customerId: string;
  units: number;
  /** What its units are. */
  stock: 'occupied' | 'consumed' | 'released';
  /** `none`: it has not come yet. */
  order: SaleOrderStatus | 'none';
  /** Until when it may wait for its payment, in milliseconds since 1970. */
  payBy: number;
}

/** The books of one sale; all but `purchases` are units. */
export interface SaleBooks {
  sale: string;
  sku: string;
  cents: number;
  state: 'open' | 'closed' | 'settled';
  /** What it was opened with: sold, waiting, left and returned together. */
  opened: number;
  /** Paid. */
  sold: number;
  /** Occupied: paid or reclaimed sooner or later. */
  waiting: number;
  /** What nobody has. */
  left: number;
  /** What went back to the stock. */
  returned: number;
  /** What was occupied and reclaimed, and is free again, or was sold to somebody else. */
  reclaimed: number;
  /** Purchases that are occupied. */
  purchases: number;
  perPurchase: number | null;
  perCustomer: number | null;
  holdMs: number;
  /** It was to be settled just now, and could not be: why. The next round tries again. */
  unsettled?: string;
}

/** A place where a batch of reclaiming goes on. */
export interface ReclaimPlace {
  at: string;
  id: string;
}

/** What one batch of reclaiming came to. */
export interface ReclaimedStock {
  /** Purchases that were due. */
  due: number;
  released: number;
  /** Those that turned out to be paid. */
  consumed: number;
  /** Those that could not be reclaimed: the next round tries again. At most {@link MAX_NOT_RECLAIMED} are named. */
  failed: { sale: string; id: string; message: string }[];
  failedCount: number;
  /** The same by their sales, for the first {@link MAX_SALES_NAMED} of them. Absent: in the answers of an older release. */
  failedBySale?: NotReclaimed[];
  /** There may be more behind this place. */
  next?: ReclaimPlace;
}

/** What a round of reclaiming did. */
export interface ReclaimReport extends ReclaimedStock {
  failedBySale: NotReclaimed[];
  /** Closed sales of which nothing was left to be paid: what they had not sold is in the stock again. */
  settled: string[];
  /** Those that could not be settled: the next round tries again. */
  unsettled: { sale: string; message: string }[];
  /** Sales in which somebody has paid for units that had been released, within the last day. */
  torn: TornSale[];
}

/** What came of settling. */
export type SettledSales = Pick<ReclaimReport, 'settled' | 'unsettled'>;

/** A sale with purchases that are paid, whose units had been released: how many, and one of them. */
export interface TornSale {
  sale: string;
  count: number;
  id: string;
}

/** What could not be reclaimed of a sale: how many purchases, and one of them with its reason. */
export interface NotReclaimed {
  sale: string;
  count: number;
  id: string;
  message: string;
}

/** Purchases that a report names as not reclaimed; and sales of which it tells how many. */
export const MAX_NOT_RECLAIMED = 20;
export const MAX_SALES_NAMED = 100;

/** The schedule that reclaims what is not paid. */
export const reclaimSchedule: ScheduledWorkflow = {
  name: 'reclaim',
  workflow: 'reclaimStock',
  every: '5 minutes',
  note: 'takes back what flash sales have occupied for purchases that were not paid in time',
};

/** How it is asked for. */
export interface AskedOfBuyer {
  /** How long it may take, in milliseconds; then the answer is `pending`. */
  readonly withinMs?: number;
}

/** What buys, in a process of its own: it needs the databases of inventory and orders, and no Temporal server. */
export interface SaleBuyer {
  buy(purchase: BuySale, asked?: AskedOfBuyer): Promise<SaleAnswer>;
  /** Says that the money of a purchase has come, by one payment: the same one may be told again, another one is refused. */
  pay(id: string, paymentId: string, asked?: AskedOfBuyer): Promise<SaleAnswer>;
  close(): Promise<void>;
}
