import type { Seen } from './banks.js';
import type { Wanted } from './business.js';
import { legsOf } from './legs.js';
import { judgeTransfer, type Kept } from './schemes.js';

/** How the accounts were opened. */
interface Opened {
  readonly accounts: number;
  /** What each had then. */
  readonly cents: number;
}

/**
 * What has to be so of the banks' money at every moment at which nothing is being written:
 *
 * - of each transfer, every movement is one that was asked of it: that account, that amount, once; so an account has all that was
 *   asked or, before it was moved and after it was moved back, nothing;
 * - what its scheme keeps besides (holds, what was announced, what is prepared) agrees with that, and with how far it may be;
 * - what is on an account is what it was opened with and its entries, and what of it is held its holds come to: a cent that one has
 *   lost is not another's that it has too much;
 * - what is on all accounts, and what the transfers that have moved something are still to move, is what was paid in. The latter is
 *   told by what was asked, held or announced, and not by what has moved.
 *
 * @param opened how many accounts, and with how many cents each
 * @returns a line for each thing that is not so
 */
export function wrongMoney(seen: Seen, wanted: readonly Wanted[], opened: Opened): string[] {
  const known = new Map(wanted.map((each) => [each.gid, each]));
  const problems: string[] = [];
  let toCome = 0;
  for (const [gid, kept] of keptByGid(seen)) {
    const asked = known.get(gid);
    if (asked === undefined) {
      problems.push(`${gid}: has moved, held or announced money, and was never asked for`);
      continue;
    }
    const judged = judgeTransfer(asked, kept);
    toCome += judged.toCome;
    problems.push(...judged.problems);
  }
  for (const { bank, account, lockedBy } of seen.accounts) {
    if (lockedBy === null) continue;
    const by = known.get(lockedBy);
    const isOwn = by !== undefined && [...legsOf(by).values()].some(({ at }) => at === `${bank}:${account}`);
    if (by?.transaction !== 'transferSagaLocked' || !isOwn)
      problems.push(`${bank}:${account} is locked by ${lockedBy}, which does not lock it`);
  }
  problems.push(...wrongAccounts(seen, opened));
  const paidIn = opened.accounts * opened.cents;
  const balances = sum(seen.accounts.map(({ balance }) => balance));
  if (balances + toCome !== paidIn)
    problems.push(`${balances} cents are on the accounts, and ${toCome} to come: ${paidIn} were paid in`);
  return problems;
}

/** Compares each account with its entries and its holds. */
function wrongAccounts({ accounts, entries, holds }: Seen, { cents }: Opened): string[] {
  const entered = sumByAccount(entries);
  const frozen = sumByAccount(holds.filter(({ state, kind }) => state === 'held' && kind === 'debit'));
  return accounts.flatMap(({ bank, account, balance, held }) => {
    const at = `${bank}:${account}`;
    const [due, isHeld] = [cents + (entered.get(at) ?? 0), frozen.get(at) ?? 0];
    return [
      ...(balance === due ? [] : [`${at}: ${balance} cents are on it, its entries come to ${due}`]),
      ...(held === isHeld ? [] : [`${at}: ${held} cents of it are held, its holds come to ${isHeld}`]),
    ];
  });
}

function sumByAccount(all: readonly { bank: string; account: string; amount: number }[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { bank, account, amount } of all) {
    const at = `${bank}:${account}`;
    sums.set(at, (sums.get(at) ?? 0) + amount);
  }
  return sums;
}

function keptByGid(seen: Seen): Map<string, Kept> {
  const all = new Map<string, Kept>();
  const of = ({ gid }: { gid: string }) => {
    const kept = all.get(gid) ?? { entries: [], holds: [], announced: [], prepared: [] };
    all.set(gid, kept);
    return kept;
  };
  for (const each of seen.entries) of(each).entries.push(each);
  for (const each of seen.holds) of(each).holds.push(each);
  for (const each of seen.announced) of(each).announced.push(each);
  for (const each of seen.prepared) of(each).prepared.push(each);
  return all;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
