import {
  accountSchema,
  accountStatusSchema,
  listAccountsSchema,
  MAX_LISTED,
  openAccountsSchema,
  type AccountState,
  type AccountStatus,
  type BankName,
  type ListAccounts,
  type ListedAccount,
  type OfAccount,
  type OpenAccounts,
  type SetAccountStatus,
} from '../../contracts/transfer.js';
import { Rejection, type Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { safeInteger } from '../integers.js';
import { ACCOUNT, ACCOUNTS, OPEN_ACCOUNTS, SET_STATUS } from './sql.js';

/** The banks' accounts, outside of any transaction. */

/** A database for each bank. */
type BankDatabases = Readonly<Record<BankName, Database>>;

/**
 * Opens up to 1,000 accounts with their first money. Idempotent by the accounts' key: an account that is there is left alone,
 * whatever is in it by now.
 */
export async function openAccounts(banks: BankDatabases, input: OpenAccounts): Promise<void> {
  const { bank, accounts, cents } = validInput(openAccountsSchema, input);
  await banks[bank].run(OPEN_ACCOUNTS, [accounts, cents]);
}

/**
 * Freezes, closes or opens an account. To set what is set already changes nothing.
 *
 * @throws a {@link Rejection}: `UnknownAccount`; `AccountHeld` while a try waits for its confirm or cancel; `InvalidInput`
 */
export async function setAccountStatus(banks: BankDatabases, input: SetAccountStatus): Promise<void> {
  const { bank, account, status } = validInput(accountStatusSchema, input);
  const [set] = await banks[bank].run(SET_STATUS, [account, status]);
  if (set !== undefined) return;
  const state = await accountState(banks, { bank, account });
  if (state === null) throw new Rejection('UnknownAccount', `${bank} has no account ${account}`);
  throw new Rejection(
    'AccountHeld',
    `account ${account} of ${bank} cannot be ${status}: ${state.holds} of its transfers wait for their confirm or cancel: try again when they have ended`,
  );
}

/** An account as it is now; `null`: the bank has none of that name. */
export async function accountState(banks: BankDatabases, input: OfAccount): Promise<AccountState | null> {
  const { bank, account } = validInput(accountSchema, input);
  const [row] = await banks[bank].run<AccountRow>(ACCOUNT, [account]);
  return row === undefined ? null : stateOf(row);
}

/** The first accounts of a bank, by name. */
export async function listAccounts(banks: BankDatabases, input: ListAccounts): Promise<ListedAccount[]> {
  const { bank } = validInput(listAccountsSchema, input);
  const rows = await banks[bank].run<AccountRow & { account: string }>(ACCOUNTS, [MAX_LISTED]);
  return rows.map((row) => ({ account: row.account, ...stateOf(row) }));
}

interface AccountRow {
  readonly status: AccountStatus;
  readonly balance: string;
  readonly held: string;
  readonly available: string;
  readonly holds: number;
  readonly lockedBy: string | null;
}

function stateOf({ status, holds, balance, held, available, lockedBy }: AccountRow): AccountState {
  return {
    status,
    holds,
    lockedBy,
    balance: safeInteger(balance, 'the balance'),
    held: safeInteger(held, 'what is held'),
    available: safeInteger(available, 'what is available'),
  };
}
