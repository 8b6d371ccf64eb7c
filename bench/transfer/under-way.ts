import { bankNames, transferGid, type Transfer } from '../../src/contracts/transfer.js';
import { movedBy, type BankDatabases } from './books.js';

/** Money that is under way: it has left, or cannot be spent where it is, and cannot be spent where it goes to. */

const FIRST = `
select gid, extract(epoch from min(ended_at))::float8 * 1000 as at from backstitch.guard
where gid = any ($1::text[]) and phase = 1 and outcome = 'applied' group by gid`;
const LAST = `
select gid, extract(epoch from max(ended_at))::float8 * 1000 as at from backstitch.guard
where gid = any ($1::text[]) and outcome = 'applied' group by gid`;
const HELD = `
select coalesce(sum(amount), 0)::float8 as cents from holds
where gid = any ($1::text[]) and state = 'held' and kind = 'debit'`;

/**
 * For how long the money of each transfer that is done was under way, in milliseconds by the databases' clock: from the first bank
 * that debited, held or prepared it until the last one had credited, confirmed or committed it at the other side.
 */
export async function timesUnderWay(banks: BankDatabases, done: readonly Transfer[]): Promise<number[]> {
  const gids = done.map(({ id }) => transferGid(id));
  type Row = { gid: string; at: number };
  const sources = await Promise.all([banks.bank_a, banks.bank_b].map((bank) => bank.run<Row>(FIRST, [gids])));
  const began = new Map<string, number>();
  for (const { gid, at } of sources.flat()) began.set(gid, Math.min(at, began.get(gid) ?? Infinity));
  const ended = await banks.bank_c.run<Row>(LAST, [gids]);
  return ended.map(({ gid, at }) => at - (began.get(gid) ?? at));
}

/** How much is under way now, of transfers that may not have ended, in cents. What is prepared nobody can see. */
export async function centsUnderWay(banks: BankDatabases, transfers: readonly Transfer[]): Promise<number> {
  const gids = transfers.map(({ id }) => transferGid(id));
  const held = await Promise.all(bankNames.map((bank) => banks[bank].run<{ cents: number }>(HELD, [gids])));
  const moved = await movedBy(banks, transfers);
  return sum(held.flat().map(({ cents }) => cents)) - sum(moved.map(([, cents]) => cents));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
