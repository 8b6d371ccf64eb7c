import type { Seen } from './banks.js';
import type { Wanted } from './business.js';
import { legsOf } from './legs.js';
import { judgeTransfer, type Kept } from './schemes.js';

/**
 * What has to be so of the banks' money at every moment at which nothing is being written:
 *
 * - of each transfer, every movement is one that was asked of it: that account, that amount, once; so an account has all that was
 *   asked or, before it was moved and after it was moved back, nothing;
 * - what its scheme keeps besides (holds, what was announced, what is prepared) agrees with that, and with how far it may be;
 * - what is on all accounts, and what the transfers that have moved something are still to move, is what was paid in. The latter is
 *   told by what was asked, held or announced, and not by what has moved.
 *
 * @param paidIn into all accounts when they were opened, in cents
 * @returns a line for each thing that is not so
 */
export function wrongMoney(seen: Seen, wanted: readonly Wanted[], paidIn: number): string[] {
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
  const held = sum(seen.accounts.map((each) => each.held));
  const holds = sum(seen.holds.map(({ state, kind, amount }) => (state === 'held' && kind === 'debit' ? amount : 0)));
  if (held !== holds) problems.push(`${held} cents are held on the accounts, holds come to ${holds}`);
  const balances = sum(seen.accounts.map(({ balance }) => balance));
  if (balances + toCome !== paidIn)
    problems.push(`${balances} cents are on the accounts, and ${toCome} to come: ${paidIn} were paid in`);
  return problems;
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
