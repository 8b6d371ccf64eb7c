import { readBank } from '../../src/activities/banks/books.js';
import { createBank } from '../../src/activities/banks/index.js';
import { Findings } from '../../src/activities/books/findings.js';
import type { AccountStatus, Move } from '../../src/contracts/transfer.js';
import { createGuard, createPrepared, type Database, type TransactionSql } from '../../src/kit/database/index.js';
import type { Op, Operation } from '../../src/kit/workflow/branch.js';
import { openTestShop, operation, type TestShop } from './support.js';

/** The bank `bank_a` with 100.00 each for alice and bob, opened anew for each test of the group that makes it. */
export class BankWorld {
  #test: TestShop | undefined;
  #bank: ReturnType<typeof createBank> | undefined;

  /** @param statements `several`: as with a database client that cannot do the work and the guard's row in one */
  constructor(statements: 'one' | 'several' = 'one') {
    before(async () => {
      this.#test = await openTestShop();
      const { bank_a: database } = this.#test.databases;
      const guard = createGuard(statements === 'one' ? database : withoutCommitWith(database));
      this.#bank = createBank({ name: 'bank_a', database, guard, prepared: createPrepared({ database }) });
    });
    after(() => this.test.close());
    beforeEach(async () => {
      await this.test.empty();
      await this.open(['alice', 'bob'], 10_000);
    });
  }

  get test(): TestShop {
    if (this.#test === undefined) throw new Error('the bank is not open yet');
    return this.#test;
  }

  get #operations(): ReturnType<typeof createBank> {
    if (this.#bank === undefined) throw new Error('the bank is not open yet');
    return this.#bank;
  }

  readonly debit = (gid: string, input: Move) => this.#operations.debit.action(of('debit', 'action', gid), input);
  readonly payBack = (gid: string, input: Move) =>
    this.#operations.debit.compensation(of('debit', 'compensation', gid), input);
  readonly credit = (gid: string, input: Move) => this.#operations.credit.action(of('credit', 'action', gid), input);
  readonly takeBack = (gid: string, input: Move) =>
    this.#operations.credit.compensation(of('credit', 'compensation', gid), input);
  readonly withdraw = this.#phases('withdraw');
  readonly deposit = this.#phases('deposit');

  #phases(name: 'withdraw' | 'deposit') {
    return {
      try: (gid: string, input: Move) => this.#operations[name].try(of(name, 'try', gid), input),
      confirm: (gid: string, input: Move) => this.#operations[name].confirm(of(name, 'confirm', gid), input),
      cancel: (gid: string, input: Move, call: Partial<Operation> = {}) =>
        this.#operations[name].cancel(of(name, 'cancel', gid, call), input),
    };
  }

  open(accounts: string[], cents: number): Promise<void> {
    return this.test.shop.plain['banks.openAccounts']({ bank: 'bank_a', accounts, cents });
  }

  set(account: string, status: AccountStatus): Promise<void> {
    return this.test.shop.plain['banks.setStatus']({ bank: 'bank_a', account, status });
  }

  state(account: string) {
    return this.test.shop.plain['banks.account']({ bank: 'bank_a', account });
  }

  /** Balance, what of it is held, and the number of holds. */
  async figures(account: string) {
    const found = await this.state(account);
    return [found?.balance, found?.held, found?.holds];
  }

  /** The states of all holds, by gid. */
  async holds(): Promise<string[]> {
    const rows = await this.test.sql<{ state: string }>('bank_a', 'select state from holds order by gid');
    return rows.map(({ state }) => state);
  }

  totals() {
    return readBank('bank_a', this.test.databases.bank_a).totals();
  }

  /** The differences of its books. */
  async differences(): Promise<string[]> {
    const findings = new Findings();
    await readBank('bank_a', this.test.databases.bank_a).prove(findings);
    return findings.differences.map(({ check, subject, expected, found }) =>
      [check, subject, expected, found].join(' | '),
    );
  }
}

export function move(account: string, amount: number): Move {
  return { account, amount };
}

function of(name: string, op: Op, gid: string, call: Partial<Operation> = {}): Operation {
  return operation(`bank_a.${name}.${op}`, gid, {
    scheme: op === 'action' || op === 'compensation' ? 'saga' : 'tcc',
    ...call,
  });
}

function withoutCommitWith(database: Database): Database {
  return {
    run: database.run,
    transaction: (work, timeoutMs) =>
      database.transaction((sql) => {
        const plain: TransactionSql = (text, values) => sql(text, values);
        return work(plain);
      }, timeoutMs),
  };
}
