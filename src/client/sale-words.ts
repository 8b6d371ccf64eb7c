import { formatCents } from '../contracts/money.js';
import type { ReclaimReport, SaleAnswer, SaleBooks, SalePurchase, SaleRefusal } from '../contracts/sale.js';

/** Flash sales as the command line tells of them. */

const refusals: Readonly<Record<SaleRefusal, string>> = {
  'sold out': 'sold out; what others do not pay for in time is sold again',
  closed: 'the sale is closed',
  'too many': 'more units than one purchase, or one customer, may have',
  reclaimed: 'it was not paid in time, and its units were taken back: buy under another id',
  conflict: 'the id is that of another purchase',
  'unknown sale': 'there is no such sale',
  'unknown purchase': 'no order of this id waits for a payment',
};

/** What a buyer hears, in one line. */
export function describeAnswer(answer: SaleAnswer): string {
  const { id } = answer;
  switch (answer.answer) {
    case 'sold': {
      const { paid, cents, payBy } = answer;
      const until = payBy === null ? '' : ` until ${new Date(payBy).toISOString()}`;
      return `purchase ${id}: sold, ${formatCents(cents)} ${paid ? 'paid' : `to be paid${until}: sale pay ${id}`}`;
    }
    case 'refused':
      return `purchase ${id}: ${refusals[answer.why]}`;
    case 'pending':
      return `purchase ${id}: pending: ask again by its id, ${id} (${answer.message})`;
  }
}

/** The books of a sale: its figures, and that they are all. */
export function describeSale(books: SaleBooks): string {
  const { sale, sku, cents, state, opened, sold, waiting, left, returned, reclaimed, purchases } = books;
  const sum = sold + waiting + left + returned;
  const limits = Object.entries({ purchase: books.perPurchase, customer: books.perCustomer }).flatMap(
    ([whose, most]) => (most === null ? [] : [`${most} a ${whose}`]),
  );
  return [
    `sale ${sale} is ${state}: ${opened} ${sku} for ${formatCents(cents)} each${limits.length > 0 ? `, at most ${limits.join(', ')}` : ''}`,
    `  sold ${sold}, waiting ${waiting} (${purchases} purchases), left ${left}, returned ${returned}; reclaimed meanwhile ${reclaimed}`,
    `  ${sum === opened ? '✓' : '✗'} sold + waiting + left + returned = opened`,
  ].join('\n');
}

export function describeSalePurchase({ id, sale, customerId, units, stock, order, payBy }: SalePurchase): string {
  const until = stock === 'occupied' ? `, due ${new Date(payBy).toISOString()}` : '';
  return `purchase ${id}: ${units} of sale ${sale} for ${customerId}: units ${stock}${until}, order ${order}`;
}

export function describeReclaim({
  due,
  released,
  consumed,
  failed,
  failedCount,
  settled,
  next,
}: ReclaimReport): string {
  const lines = [
    `${due} purchases were due: ${released} released, ${consumed} found paid, ${failedCount} not reclaimed`,
  ];
  lines.push(...failed.map(({ sale, id, message }) => `  ${id} of sale ${sale}: ${message}`));
  if (next !== undefined) lines.push('there may be more: the next round goes on from there');
  return [...lines, ...settled.map((sale) => `sale ${sale} is settled`)].join('\n');
}
