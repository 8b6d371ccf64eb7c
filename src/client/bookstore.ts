import type { MissedPurchases, PulledPurchases, PurchaseState } from '../contracts/bookstore.js';
import { formatCents } from '../contracts/money.js';
import { table } from './words.js';

/** Purchases as the command line tells of them. */

/** `2 copies of emma`. */
export function copiesOf({ copies, book }: { readonly copies: number; readonly book: string }): string {
  return `${copies} ${copies === 1 ? 'copy' : 'copies'} of ${book}`;
}

/** A purchase is done when both sides have acknowledged their part. */
export function isDone({ warehouse, merchant }: PurchaseState): boolean {
  return warehouse === 'done' && merchant === 'done';
}

/** Whether a side has still to do its part. */
export function isOpen({ warehouse, merchant }: PurchaseState): boolean {
  return warehouse === 'in progress' || merchant === 'in progress';
}

export function describePurchase(purchase: PurchaseState): string {
  const { id, from, cents, debit, warehouse, merchant, boughtAt, dead, givenUp } = purchase;
  const open = dead.length > 0 ? 'waits for a person' : 'is in progress';
  const state = isOpen(purchase) ? open : isDone(purchase) ? 'is done' : 'was given up';
  const what = `${copiesOf(purchase)} for ${formatCents(cents)} from ${from.bank}:${from.account}`;
  return [
    `purchase ${id} ${state}: ${what}, since ${new Date(boughtAt).toISOString()}`,
    `  debit ${debit}, warehouse ${warehouse}, merchant ${merchant}`,
    ...dead.map(({ side, message }) => `  the message to the ${side} is a dead letter, see messages dead: ${message}`),
    ...givenUp.map(({ side, actor, reason }) => `  the part of the ${side} was given up by ${actor}: ${reason}`),
  ].join('\n');
}

export function describeMissed({ side, purchases, total, unread }: MissedPurchases): string {
  const rows = purchases.map(({ id, from, book, copies, cents, since }) => [
    ...[id, `${from.bank}:${from.account}`, book, copies, formatCents(cents), new Date(since).toISOString()],
  ]);
  const lines = rows.length > 0 ? [table(['id', 'from', 'book', 'copies', 'for', 'since'], rows)] : [];
  if (total === 0 && unread.length === 0) lines.push(`the ${side} has acknowledged every purchase`);
  if (total > purchases.length) lines.push(`… and ${total - purchases.length} more`);
  return [...lines, ...describeUnread(unread)].join('\n');
}

export function describePulled({ side, handled, waiting, failed, reasons, down, unread }: PulledPurchases): string {
  const left = Object.entries({ 'wait and are tried on': waiting, 'were not handled': failed });
  const counts = [`${handled} handled`, ...left.flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : []))];
  const lines = [`the ${side}: ${counts.join(', ')}`, ...reasons.map(({ id, message }) => `  ${id}: ${message}`)];
  if (down !== undefined) lines.push(`the ${side} itself is away: ${down}`);
  return [...lines, ...describeUnread(unread)].join('\n');
}

function describeUnread(unread: MissedPurchases['unread']): string[] {
  return unread.map(({ bank, message }) => `${bank} could not be read: ${message}`);
}
