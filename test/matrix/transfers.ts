import { bankNames, type BankName, type Transfer } from '../../src/contracts/transfer.js';
import type { MatrixShop } from './shop.js';

/** Transfers of the matrix: from bank_a and bank_b to bank_c, each between accounts that no other under way uses: a lock keeps others away. */

const ACCOUNTS = Array.from({ length: 1_000 }, (_, index) => `a${index}`);

/** Where each step of such a transfer has its effect. */
const banks = { 'from-1': 'bank_a', 'from-2': 'bank_b', 'to-1': 'bank_c' } as const satisfies Record<string, BankName>;

/** The name that a step has: by two-phase and three-phase commit it is its bank's. */
type StepName = 'leg' | 'bank';

/** What a transfer moves at each bank, in cents: what leaves an account is below 0. */
export const movedCents: Readonly<Record<BankName, number>> = { bank_a: -3_000, bank_b: -5_000, bank_c: 8_000 };

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
      { bank: 'bank_a', account, amount: -movedCents.bank_a },
      { bank: 'bank_b', account, amount: -movedCents.bank_b },
    ],
    to: [{ bank: 'bank_c', account, amount: movedCents.bank_c }],
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
              where database = current_database()
                and pg_prepared_xacts.gid like 'backstitch/_pc/' || $1 || '/%') as held`,
      [gid, step],
    );
    return [name === 'leg' ? step : bank, row?.held === 0 ? row.net : Number.NaN] as const;
  });
  return Object.fromEntries(await Promise.all(effects));
}

/**
 * The same of a transfer under a semantic lock. A lock leaves nothing behind but its rows in the guard: taken, and not by its undo let
 * go, is one effect; a lock that is still there is not a number.
 */
export async function lockedEffectsOf(shop: MatrixShop, gid: string): Promise<Record<string, number>> {
  const locks = Object.values(banks).map(async (bank, index) => {
    const names = [`lock-${index + 1}`, `unlock-${index + 1}`];
    const [row] = await shop.databases[bank].run<{ lock: number; unlock: number; locked: boolean }>(
      `select
         (count(*) filter (where branch = $2 and phase = 1) - count(*) filter (where branch = $2 and phase = 2))::int as lock,
         -- What is begun anew after a definite no has another name.
         count(*) filter (where split_part(branch, '~', 1) = $3)::int as unlock,
         exists (select from accounts where locked_by = $1) as locked
       from backstitch.guard where gid = $1 and outcome = 'applied'`,
      [gid, ...names],
    );
    const [lock, unlock] = row === undefined || row.locked ? [Number.NaN, Number.NaN] : [row.lock, row.unlock];
    return { [names[0] ?? '']: lock, [names[1] ?? '']: unlock };
  });
  return Object.assign({}, await effectsOf(shop, gid), ...(await Promise.all(locks))) as Record<string, number>;
}
