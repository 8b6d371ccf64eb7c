import { proxyActivities } from '@temporalio/workflow';
import type { ShopActivities } from '../activities/index.js';
import type {
  DeliverBook,
  GiveUp,
  MissedPurchases,
  OfSide,
  PulledPurchases,
  Purchase,
  Purchased,
  PurchaseState,
  Restock,
} from '../contracts/bookstore.js';
import { formatCents } from '../contracts/money.js';
import type { OpenAccounts } from '../contracts/transfer.js';
import { saga } from '../kit/workflow/index.js';
import { asked, looking } from './asking.js';
import { banks } from './bank-participants.js';

/**
 * Buys copies of a book: the customer's bank debits the account, writes what is to follow, and adds the message that tells the warehouse
 * and the merchant, in one transaction, which is all of this. Its relay tells them until both have acknowledged it; nothing is given
 * back by a program.
 */
export const buyBook = saga({ deadline: '10 minutes' }, async (tx, purchase: Purchase): Promise<Purchased> => {
  const { id, from, book, copies, cents } = purchase;
  const { bank, account } = from;
  const summary = `debit ${formatCents(cents)} from ${bank}:${account} for ${copies} of ${book}, and tell the others`;
  await tx.pivot('debit', banks[bank].buy, { account, book, copies, cents }, { summary });
  return { id, book, copies, cents };
});

/** The bookstore outside of any transaction: each is idempotent, and can be run again at any time. */
/** For somebody who waits, and changes something in two databases. */
const giving = proxyActivities<ShopActivities>({
  startToCloseTimeout: '30 seconds',
  retry: { maximumAttempts: 2, nonRetryableErrorTypes: ['Rejection', 'BankSilent'] },
});

const pulling = proxyActivities<ShopActivities>({
  startToCloseTimeout: '9 minutes',
  heartbeatTimeout: '1 minute',
  retry: { maximumAttempts: 2, nonRetryableErrorTypes: ['Rejection'] },
});

/** Opens the merchant's account, and delivers the warehouse's first books: what is there is left as it is. */
export async function openBookstore(account: OpenAccounts, books: readonly DeliverBook[]): Promise<void> {
  await Promise.all([
    asked['banks.openAccounts'](account),
    ...books.map((delivery) => asked['warehouse.deliver'](delivery)),
  ]);
}

/** Delivers more copies of a book. */
export async function restockBook(delivery: Restock): Promise<void> {
  await asked['warehouse.restock'](delivery);
}

/** A purchase as it is now; `null`: no bank has one of that id. */
export async function purchaseState(id: string): Promise<PurchaseState | null> {
  return looking['bookstore.purchase']({ id });
}

/** What a side has not acknowledged. */
export async function missedPurchases(side: OfSide): Promise<MissedPurchases> {
  return looking['bookstore.missed'](side);
}

/** Gives up what a side has not done of a purchase; `null`: no bank has one of that id. */
export async function giveUpPurchase(order: GiveUp): Promise<PurchaseState | null> {
  return giving['bookstore.giveUp'](order);
}

/** Has a side handle what it missed. */
export async function pullPurchases(side: OfSide): Promise<PulledPurchases> {
  return pulling['bookstore.pull'](side);
}
