import { formatCents } from '../../contracts/money.js';
import {
  accountStatuses,
  accountStatusSchema,
  bankNames,
  demoAccounts,
  openAccountsSchema,
  type AccountState,
  type AccountStatus,
  type BankName,
  type ListedAccount,
  type OpenAccounts,
} from '../../contracts/transfer.js';
import { InvalidInput, parserOf } from '../../kit/client/index.js';
import { askBanks } from '../banks.js';
import type { Cli } from '../cli.js';
import { EXIT, NotReady } from '../exit.js';
import { requireWorker, type Session } from '../session.js';
import { centsOf } from '../transfer.js';
import { table } from '../words.js';

const parseOpening = parserOf(openAccountsSchema);
const parseStatus = parserOf(accountStatusSchema);

/** `bank open`, `bank show`, `bank status`. */
export function addBankCommands(cli: Cli): void {
  const bank = cli.root.command('bank').description('the accounts of the banks, between which money is moved');
  const open = async (): Promise<Session> => {
    const session = await cli.open();
    await requireWorker(session);
    return session;
  };

  bank
    .command('open')
    .description('open accounts with their first money; an account that is there is left as it is')
    .argument(
      '[bank:account:cents...]',
      'the accounts (default: alice at bank_a, bob at bank_b and carol at bank_c, with 1000.00 each)',
    )
    .action(
      cli.does(async (given) => {
        const opening = given.length === 0 ? demoAccounts : given.map(openingOf);
        const session = await open();
        await askBanks(session, 'openBanks', opening);
        const opened = opening.flatMap((each) => each.accounts.map((account) => ({ ...each, account })));
        session.output.result(
          { accounts: opened.map(({ bank: at, account, cents }) => ({ bank: at, account, cents })) },
          () =>
            opened
              .map(({ bank: at, account, cents }) => `${at}:${account} is open (${formatCents(cents)} if it is new)`)
              .join('\n'),
        );
        return EXIT.done;
      }),
    );

  bank
    .command('show')
    .description('what every account has, and what of it is held; of each bank the first 100 accounts')
    .action(
      cli.does(async () => {
        const session = await open();
        const banks = await askBanks<Partial<Record<BankName, ListedAccount[]>>>(session, 'listBanks', bankNames);
        session.output.result(banks, () => describeBanks(banks));
        return EXIT.done;
      }),
    );

  bank
    .command('status')
    .description('freeze, close or open an account; one with money on hold can be neither frozen nor closed')
    .argument('<bank:account>', 'the account')
    .argument('<status>', accountStatuses.join(', '))
    .action(
      cli.does(async (text, status) => {
        const [at, account] = partsOf(text, 2);
        const input = parseStatus({ bank: at as BankName, account: account ?? '', status: status as AccountStatus });
        const session = await open();
        await askBanks(session, 'setAccountStatus', input).catch((error: unknown) => {
          // The answer may be lost, or still to come.
          throw error instanceof NotReady
            ? new Error(`${error.message}; it may be done nevertheless: look with bank show before`, { cause: error })
            : error;
        });
        session.output.result(input, () => `${text} is ${status}`);
        return EXIT.done;
      }),
    );
}

function openingOf(text: string): OpenAccounts {
  const [bank, account, cents] = partsOf(text, 3);
  return parseOpening({ bank: bank as BankName, accounts: [account ?? ''], cents: centsOf(cents ?? '') as number });
}

function partsOf(text: string, count: 2 | 3): string[] {
  const parts = text.split(':');
  if (parts.length === count && parts.every((part) => part !== '')) return parts;
  const form = count === 2 ? 'BANK:ACCOUNT, such as bank_a:alice' : 'BANK:ACCOUNT:CENTS, such as bank_a:alice:100000';
  throw new InvalidInput([{ field: 'account', value: text, rule: `must be ${form}` }]);
}

function describeBanks(banks: Partial<Record<BankName, readonly ListedAccount[]>>): string {
  const rows = Object.entries(banks).flatMap(([name, accounts]) =>
    accounts.map(({ account, ...state }) => [name, account, ...cellsOf(state)]),
  );
  if (rows.length === 0) return 'no accounts: bank open';
  return table(['bank', 'account', 'status', 'balance', 'held', 'available', 'holds', 'locked by', 'since'], rows);
}

function cellsOf({ status, balance, held, available, holds, lockedBy, lockedAt }: AccountState): (string | number)[] {
  const since = lockedAt === null ? '' : new Date(lockedAt).toISOString();
  return [status, formatCents(balance), formatCents(held), formatCents(available), holds, lockedBy ?? '', since];
}
