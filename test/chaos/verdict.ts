import type { Books } from '../../src/contracts/shop.js';
import type { Answer } from './customers.js';
import type { Found } from './look.js';

/** What is found when all is over. */
export interface Evidence extends Found {
  /** The ids of all orders that were asked for. */
  readonly orderIds: readonly string[];
  /** What the customers were told. */
  readonly answers: ReadonlyMap<string, Answer>;
  /** Absent: they could not be proved. */
  readonly books?: Books;
}

/** The states in which nothing more is to come, and those that wait for a person. */
const finalStates: readonly string[] = ['committed', 'compensated', 'stuck'];

/** What the end of a transaction means for the customer and for the order's row. */
const meanings: Readonly<Record<string, { told: Answer['told']; rows: readonly (string | undefined)[] }>> = {
  committed: { told: 'placed', rows: ['placed'] },
  // The order was barred before it came to be, or it was created and cancelled.
  compensated: { told: 'undone', rows: [undefined, 'cancelled'] },
};

/**
 * Judges a run: every order has its transaction, which is final or on the desk; every customer was told what is so; the
 * databases say the same; no transaction is announced any more; and the books balance.
 *
 * @returns a line for each thing that is wrong; none for a run that passed
 */
export function judge(evidence: Evidence): string[] {
  const { orderIds, rows, books, announced, contradictions } = evidence;
  const problems = [...orderIds.flatMap((orderId) => judgeOrder(orderId, evidence)), ...contradictions];
  problems.push(...announced.map((orderId) => `order ${orderId}: its transaction is still announced`));
  const known = new Set(orderIds);
  for (const [orderId, status] of rows) {
    if (!known.has(orderId)) problems.push(`order ${orderId}: in the orders' database (${status}), never asked for`);
  }
  if (books === undefined) problems.push('the books could not be proved');
  else {
    for (const { check, subject, expected, found } of books.differences) {
      problems.push(`books: ${subject}: ${check}: expected ${expected}, found ${found}`);
    }
    const untold = books.differenceCount - books.differences.length;
    if (untold > 0) problems.push(`books: ${untold} more differences`);
  }
  return problems;
}

function judgeOrder(orderId: string, { answers, states, rows }: Evidence): string[] {
  const state = states.get(orderId) ?? 'none';
  const answer = answers.get(orderId);
  const row = rows.get(orderId);
  const problems: string[] = [];
  const wrong = (what: string) => problems.push(`order ${orderId}: ${what}`);
  if (answer === undefined) wrong(`its customer has no answer; its transaction is ${state}`);
  else if (answer.told === 'error') wrong(`its customer was told ${answer.reason ?? 'an error'}; it is ${state}`);
  if (state === 'none') wrong('lost: it has no transaction');
  else if (!finalStates.includes(state)) wrong(`its transaction came to no good end: ${state}`);
  const meaning = meanings[state];
  if (meaning === undefined) return problems;
  if (answer !== undefined && answer.told !== 'error' && answer.told !== meaning.told)
    wrong(`its customer was told ${answer.told}, its transaction is ${state}`);
  if (!meaning.rows.includes(row)) wrong(`its transaction is ${state}, its row is ${row ?? 'missing'}`);
  return problems;
}
