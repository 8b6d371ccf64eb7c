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
  'paid by another': 'another payment has paid it: this one has to be given back',
  'paid by unknown':
    'it was paid before it was kept by which payment: a person has to see whether this is that one, and keep it, or another one, and give it back',
  'unknown purchase': 'no order of this id waits for a payment',
};

/** What a buyer hears, in one line. @param now in milliseconds since 1970, to tell of a time that is past */
export function describeAnswer(answer: SaleAnswer, now = Date.now()): string {
  const { id } = answer;
  switch (answer.answer) {
    case 'sold': {
      const { paid, cents, payBy } = answer;
      const until = payBy === null ? '' : ` until ${new Date(payBy).toISOString()}`;
      // As long as nobody has taken it back it can be paid.
      const late = payBy !== null && payBy <= now ? ', which is past: its units may be taken back at any moment' : '';
      const pay = `to be paid${until}${late}: sale pay ${id} --payment ID`;
      return `purchase ${id}: sold, ${formatCents(cents)} ${paid ? 'paid' : pay}`;
    }
    case 'refused':
      return `purchase ${id}: ${refusals[answer.why]}`;
    case 'torn':
      return `purchase ${id}: paid, and its units had been released: a person has to give the money back, or find units`;
    case 'pending':
      return `purchase ${id}: pending: ask again by its id, ${id} (${answer.message})`;
  }
}

/** The books of a sale: its figures, and that they are all. */
export function describeSale(books: SaleBooks): string {
  const { sale, sku, cents, state, opened, sold, waiting, left, returned, reclaimed, purchases, unsettled } = books;
  const sum = sold + waiting + left + returned;
  const limits = Object.entries({ purchase: books.perPurchase, customer: books.perCustomer }).flatMap(
    ([whose, most]) => (most === null ? [] : [`${most} a ${whose}`]),
  );
  return [
    `sale ${sale} is ${state}: ${opened} ${sku} for ${formatCents(cents)} each${limits.length > 0 ? `, at most ${limits.join(', ')}` : ''}`,
    `  sold ${sold}, waiting ${waiting} (${purchases} purchases), left ${left}, returned ${returned}; reclaimed meanwhile ${reclaimed}`,
    `  ${sum === opened ? '✓' : '✗'} sold + waiting + left + returned = opened`,
    ...(unsettled === undefined ? [] : [`  it could not be settled, and the next reclaim tries again: ${unsettled}`]),
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
  unsettled,
  torn,
  next,
}: ReclaimReport): string {
  const lines = [
    `${due} purchases were due: ${released} released, ${consumed} found paid, ${failedCount} not reclaimed`,
  ];
  lines.push(...failed.map(({ sale, id, message }) => `  ${id} of sale ${sale}: ${message}`));
  if (next !== undefined) lines.push(`there may be more: sale reclaim --after '${next.at}/${next.id}'`);
  lines.push(...settled.map((sale) => `sale ${sale} is settled`));
  lines.push(...unsettled.map(({ sale, message }) => `sale ${sale} could not be settled: ${message}`));
  for (const { sale, count, id } of torn) {
    lines.push(`sale ${sale}: ${count} purchases were paid when their units had been released, ${id} among them`);
  }
  return lines.join('\n');
}
