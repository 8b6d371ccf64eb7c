import { openAccounts } from '../../src/activities/banks/accounts.js';
import { readBank } from '../../src/activities/banks/books.js';
import { Findings } from '../../src/activities/books/findings.js';
import { bankNames, transferGid, type BankName, type Transfer } from '../../src/contracts/transfer.js';
import { listInDoubt, type Database } from '../../src/kit/database/index.js';
import { differences, type Accounts } from '../books.js';
import { accounts, addTo, effectsOf, PLENTY } from './plan.js';

/** The banks' books: a scheme that loses or doubles money does not count. */

export type BankDatabases = Readonly<Record<BankName, Database>>;

const BALANCES = 'select account, balance::float8 as cents from accounts';
const MOVED = `
select account, sum(amount)::float8 as cents from entries where gid = any ($1::text[]) and account <> 'clearing'
group by account`;

/** Opens the accounts. */
export async function openBanks(banks: BankDatabases): Promise<void> {
  for (const bank of bankNames) await openAccounts(banks, { bank, accounts: [...accounts[bank]], cents: PLENTY });
}

/** Reads every account. */
export async function readBanks(banks: BankDatabases): Promise<Accounts> {
  const found = await Promise.all(bankNames.map((bank) => centsOf(banks, bank, BALANCES)));
  return new Map(found.flat());
}

/**
 * What is wrong once transfers have ended: one line each; none if those that are done have moved their money once, all others
 * nothing, no account, hold or prepared transaction waits for anything, and each bank's own books balance.
 *
 * @param left transfers that wait for a person: what they have moved counts as it is
 */
export async function proveBanks(
  banks: BankDatabases,
  before: Accounts,
  done: readonly Transfer[],
  left: readonly Transfer[] = [],
): Promise<string[]> {
  const wrong: string[] = [];
  for (const bank of bankNames) {
    const reader = readBank(bank, banks[bank]);
    const findings = new Findings();
    await reader.prove(findings);
    wrong.push(
      ...findings.differences.map((each) => `${each.subject}: ${each.check}: ${each.found}, not ${each.expected}`),
    );
    const { held, holds } = await reader.totals();
    if (held !== 0 || holds !== 0) wrong.push(`${bank}: ${holds} holds of ${held} cents are left`);
    const [announced, prepared] = [await reader.announced(), await listInDoubt(banks[bank], { olderThanMs: 0 })];
    if (announced.size > 0)
      wrong.push(`${bank}: ${announced.size} transfers are announced, and neither moved nor dropped`);
    if (prepared.length > 0) wrong.push(`${bank}: ${prepared.length} transactions are left prepared`);
  }
  const effects = effectsOf(done);
  for (const [account, cents] of await movedBy(banks, left)) addTo(effects, account, cents);
  return [...wrong, ...differences(before, await readBanks(banks), effects)];
}

/** What transfers have put into accounts, and taken out, until now. Of one that is done, or undone, it sums to 0. */
export async function movedBy(banks: BankDatabases, transfers: readonly Transfer[]): Promise<[string, number][]> {
  if (transfers.length === 0) return [];
  const gids = transfers.map(({ id }) => transferGid(id));
  return (await Promise.all(bankNames.map((bank) => centsOf(banks, bank, MOVED, [gids])))).flat();
}

async function centsOf(banks: BankDatabases, bank: BankName, statement: string, values?: unknown[]) {
  const rows = await banks[bank].run<{ account: string; cents: number }>(statement, values);
  return rows.map(({ account, cents }): [string, number] => [`${bank} ${account}`, cents]);
}
