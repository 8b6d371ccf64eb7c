import { bankNames, type BankName, type Transfer } from '../../src/contracts/transfer.js';
import type { MatrixShop } from './shop.js';

/** Transfers of the matrix: from bank_a and bank_b to bank_c, each between accounts that few others use. */

const ACCOUNTS = Array.from({ length: 50 }, (_, index) => `a${index}`);

/** Where each step of such a transfer has its effect. */
const banks = { 'from-1': 'bank_a', 'from-2': 'bank_b', 'to-1': 'bank_c' } as const satisfies Record<string, BankName>;

/** The name that a step has: by two-phase commit it is its bank's. */
type StepName = 'leg' | 'bank';

/** Opens the accounts, with enough for every case: a transfer is refused only by a fault. */
export async function openAccounts({ shop }: MatrixShop): Promise<void> {
  for (const bank of bankNames) {
    await shop.plain['banks.openAccounts']({ bank, accounts: ACCOUNTS, cents: 1_000_000_000 });
  }
}

export function transferOf(gid: string): Transfer {
  const account = ACCOUNTS[Number(gid.replace(/^.*-/, '')) % ACCOUNTS.length] ?? '';
  return {
    id: gid,
    from: [
      { bank: 'bank_a', account, amount: 3_000 },
      { bank: 'bank_b', account, amount: 5_000 },
    ],
    to: [{ bank: 'bank_c', account, amount: 8_000 }],
  };
}

/** For each step its movements less those that undid it; not a number where something is held still. */
export async function effectsOf(
  { databases }: MatrixShop,
  gid: string,
  name: StepName = 'leg',
): Promise<Record<string, number>> {
  const effects = Object.entries(banks).map(async ([step, bank]) => {
    const [row] = await databases[bank].run<{ net: number; held: number }>(
      `select
         (select coalesce(sum(case when kind in ('debit', 'credit') then 1 else -1 end), 0)::int
          from entries where gid = $1 and branch = $2 and account <> 'clearing') as net,
         (select count(*)::int from holds where gid = $1 and branch = $2 and state = 'held')
           + (select count(*)::int from transfers where gid = $1 and state = 'announced')
           + (select count(*)::int from pg_prepared_xacts
              where database = current_database() and starts_with(pg_prepared_xacts.gid, 'backstitch/2pc/' || $1 || '/')) as held`,
      [gid, step],
    );
    return [name === 'leg' ? step : bank, row?.held === 0 ? row.net : Number.NaN] as const;
  });
  return Object.fromEntries(await Promise.all(effects));
}
