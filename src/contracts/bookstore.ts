import { z } from 'zod';
import { recallOrderSchema } from './recall-order.js';
import { accountSchema, moveSchema, type BankName, type OfAccount } from './transfer.js';

/** The bookstore: its customers pay by their bank accounts, its warehouse sends the books, and its own account gets the money. */

/** The merchant's account. */
export const merchantAccount = { bank: 'bank_c', account: 'bookstore' } as const satisfies OfAccount;

/** Who is told of a purchase, each of whom does a part of it and acknowledges that. */
export const purchaseSides = ['warehouse', 'merchant'] as const;
export type PurchaseSide = (typeof purchaseSides)[number];

/** What they are told by. */
export const BOOK_BOUGHT = 'book.bought';

/** Copies that are bought, or delivered, in one go at most. */
const MOST_COPIES = 1_000_000;

const { account } = accountSchema.shape;
const { amount: cents } = moveSchema.shape;
const { actor, reason } = recallOrderSchema.shape;
const counted = (least: number) => {
  const error = `must be a whole number from ${least} to ${MOST_COPIES}`;
  return z.int({ error }).min(least, { error }).max(MOST_COPIES, { error });
};
// As the name of an account: it is a part of lines, and of statements of the command line.
const book = account;
const copies = counted(1);

/** What a caller gives to buy copies of a book, for so many cents in all. */
export const purchaseSchema = z.strictObject({ id: account, from: accountSchema, book, copies, cents });
export type Purchase = z.output<typeof purchaseSchema>;

/** What a customer's bank is asked. */
export const buySchema = z.strictObject({ account, book, copies, cents });
export type Buy = z.output<typeof buySchema>;

/** What the warehouse and the merchant are told. */
export const bookBoughtSchema = z.strictObject({ gid: z.string().min(1), book, copies, cents });
export type BookBought = z.output<typeof bookBoughtSchema>;

/** What a purchase answers: it was made; the book and the merchant's money follow. */
export type Purchased = Pick<Purchase, 'id' | 'book' | 'copies' | 'cents'>;

const PREFIX = 'purchase-';

/** The gid of a purchase. */
export function purchaseGid(id: string): string {
  return `${PREFIX}${id}`;
}

/** And the id of a purchase of this gid. */
export function purchaseId(gid: string): string {
  return gid.slice(PREFIX.length);
}

/** Copies of a book, as many as were delivered to the warehouse in all. */
export const deliverBookSchema = z.strictObject({ book, copies: counted(0) });
export type DeliverBook = z.output<typeof deliverBookSchema>;

/** More copies of a book: delivered once under one id. */
export const restockSchema = z.strictObject({ id: z.string().min(1).max(64), book, copies });
export type Restock = z.output<typeof restockSchema>;

/** What the bookstore opens with. */
export const demoBooks: readonly DeliverBook[] = [
  { book: 'emma', copies: 10 },
  { book: 'dracula', copies: 10 },
];

export const ofPurchaseSchema = z.strictObject({ id: account });
export type OfPurchase = z.output<typeof ofPurchaseSchema>;

/** Whose part of purchases is meant. */
export const ofSideSchema = z.strictObject({ side: z.enum(purchaseSides) });
export type OfSide = z.output<typeof ofSideSchema>;

/** What one side is not to do any more, who says so, and why. */
export const giveUpSchema = z.strictObject({ id: account, side: z.enum(purchaseSides), actor, reason });
export type GiveUp = z.output<typeof giveUpSchema>;

/** How far one side of a purchase is. */
export type Progress = 'in progress' | 'done' | 'given up';

/** A purchase as the customer's bank has it. */
export interface PurchaseState extends Purchase {
  debit: 'done';
  warehouse: Progress;
  merchant: Progress;
  /** When it was made, in milliseconds since 1970. */
  boughtAt: number;
  /** Sides in progress whose message is a dead letter, and why: nothing is done for them until a person decides. */
  dead: { side: PurchaseSide; message: string }[];
  /** Sides that are given up, by whom, and why. */
  givenUp: Pick<GiveUp, 'side' | 'actor' | 'reason'>[];
}

/** Purchases that one side has not acknowledged. */
export interface MissedPurchases {
  side: PurchaseSide;
  /** The oldest {@link MAX_MISSED} of all banks. `since`: when it was made, in milliseconds since 1970. */
  purchases: (Purchase & { since: number })[];
  /** How many there are, of each bank up to 10,000. */
  total: number;
  /** Banks that did not answer, and why. */
  unread: { bank: BankName; message: string }[];
}

/** Purchases that one look lists. */
export const MAX_MISSED = 100;

/** What came of it when a side has handled what it missed. */
export interface PulledPurchases {
  side: PurchaseSide;
  /** Handled by now, by this or by another delivery, and acknowledged. */
  handled: number;
  /** Not possible yet: out of stock, say. They are tried on by themselves. */
  waiting: number;
  /** Others. */
  failed: number;
  /** The first of those that were not handled, and why: {@link MAX_PULL_REASONS} of them. */
  reasons: { id: string; message: string }[];
  /** Why the side's own database cannot be used: what was handled before is, and all else waits. Absent: it can. */
  down?: string;
  /** Banks that did not answer, and why: what they have told before is handled, and what came of the rest is not known. */
  unread: { bank: BankName; message: string }[];
}

/** Reasons that one report names. */
export const MAX_PULL_REASONS = 20;
