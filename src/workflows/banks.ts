import type {
  AccountState,
  BankName,
  ListedAccount,
  OfAccount,
  OpenAccounts,
  SetAccountStatus,
} from '../contracts/transfer.js';
import { asked, looking } from './asking.js';

/** The banks outside of any transaction: each is idempotent, and can be run again at any time. */

/** Opens accounts with their first money. One that is there is left as it is. */
export async function openBanks(opening: readonly OpenAccounts[]): Promise<void> {
  await Promise.all(opening.map((accounts) => asked['banks.openAccounts'](accounts)));
}

/** Freezes, closes or opens an account. */
export async function setAccountStatus(input: SetAccountStatus): Promise<void> {
  await looking['banks.setStatus'](input);
}

/** Accounts as they are now, in the same order; `null`: there is none. */
export async function accountStates(accounts: readonly OfAccount[]): Promise<(AccountState | null)[]> {
  return Promise.all(accounts.map((account) => looking['banks.account'](account)));
}

/** The first accounts of each of these banks. */
export async function listBanks(banks: readonly BankName[]): Promise<Partial<Record<BankName, ListedAccount[]>>> {
  const lists = await Promise.all(
    banks.map(async (bank) => [bank, await looking['banks.accounts']({ bank })] as const),
  );
  return Object.fromEntries(lists);
}
