import { exactCents } from '../../contracts/money.js';
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
import { answerOf, LOCK_MS } from './answer.js';
import { ACCOUNT, ACCOUNTS, OPEN_ACCOUNTS, SET_STATUS } from './sql.js';

/**
 * The banks' accounts, outside of any transaction. Where somebody waits, the databases that are given are best reached by
 * connections of which no prepare keeps one for as long as it waits for a lock: else a bank that is only busy seems silent.
 */

/** PostgreSQL: a lock was not had in time. */
const LOCKED = '55P03';

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
 * @throws a {@link Rejection}: `UnknownAccount`; `AccountHeld` while a try waits for its confirm or cancel; `AccountLocked` while a
 * transaction that is prepared has it; `InvalidInput`
 * @throws {@link BankSilent}: then it may have been done all the same
 */
export async function setAccountStatus(banks: BankDatabases, input: SetAccountStatus): Promise<void> {
  const { bank, account, status } = validInput(accountStatusSchema, input);
  const limitsOf = (leftMs: number) => [String(Math.min(LOCK_MS, leftMs)), String(leftMs)];
  // What has held it may have ended when it is looked at: then it is asked once more.
  for (let isLast = false; ; isLast = true) {
    const [set] = await answerOf(bank, banks[bank], ({ change }) =>
      change(SET_STATUS, (leftMs) => [account, status, ...limitsOf(leftMs)]).catch((error: unknown) => {
        if ((error as { code?: unknown }).code !== LOCKED) throw error;
        const line = `account ${account} of ${bank} is in a transaction that has not ended: try again when it has`;
        throw new Rejection('AccountLocked', line);
      }),
    );
    if (set !== undefined) return;
    const state = await accountState(banks, { bank, account });
    if (state === null) throw new Rejection('UnknownAccount', `${bank} has no account ${account}`);
    if (state.holds === 0 && !isLast) continue;
    throw new Rejection(
      'AccountHeld',
      `account ${account} of ${bank} cannot be ${status}: ${state.holds || 'some'} of its transfers wait for their confirm or cancel: try again when they have ended`,
    );
  }
}

/** An account as it is now; `null`: the bank has none of that name. @throws {@link BankSilent} */
export async function accountState(banks: BankDatabases, input: OfAccount): Promise<AccountState | null> {
  const { bank, account } = validInput(accountSchema, input);
  const [row] = await answerOf(bank, banks[bank], ({ run }) => run<AccountRow>(ACCOUNT, [account]));
  return row === undefined ? null : stateOf(row);
}

/** The first accounts of a bank, by name. @throws {@link BankSilent} */
export async function listAccounts(banks: BankDatabases, input: ListAccounts): Promise<ListedAccount[]> {
  const { bank } = validInput(listAccountsSchema, input);
  type Row = AccountRow & { account: string };
  const rows = await answerOf(bank, banks[bank], ({ run }) => run<Row>(ACCOUNTS, [MAX_LISTED]));
  return rows.map((row) => ({ account: row.account, ...stateOf(row) }));
}

interface AccountRow {
  readonly status: AccountStatus;
  readonly balance: string;
  readonly held: string;
  readonly available: string;
  readonly holds: number;
  readonly lockedBy: string | null;
  readonly lockedAt: number | null;
}

function stateOf({ status, holds, balance, held, available, lockedBy, lockedAt }: AccountRow): AccountState {
  return {
    status,
    holds,
    lockedBy,
    lockedAt,
    balance: exactCents(balance),
    held: exactCents(held),
    available: exactCents(available),
  };
}
