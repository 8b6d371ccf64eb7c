import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readBank } from '../../src/activities/banks/books.js';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { Findings } from '../../src/activities/books/findings.js';
import { bankNames, type BankName, type Leg, type Transfer } from '../../src/contracts/transfer.js';
import {
  transfer2pcTransaction,
  transfer3pcTransaction,
  transferSagaTransaction,
  transferTccTransaction,
} from '../../src/contracts/transactions.js';
import { GidConflict, InvalidInput, TransactionCompensated } from '../../src/kit/client/index.js';
import type { Sql } from '../../src/kit/database/index.js';
import { ShopWorld } from './support.js';

/** What each scheme calls the part that is refused where the other account is frozen. */
const schemes = {
  saga: { contract: transferSagaTransaction, refused: 'to-1' },
  tcc: { contract: transferTccTransaction, refused: 'to-1' },
  '2pc': { contract: transfer2pcTransaction, refused: 'bank_c' },
  '3pc': { contract: transfer3pcTransaction, refused: 'bank_c' },
} as const;

describe('a transfer', function () {
  this.timeout(120_000);
  const world = new ShopWorld(
    'bank_a.debit.action:die-after-commit@transfer-lost-*',
    'bank_c.credit.action:fail-worked@transfer-lost-*',
    'bank_a.withdraw.try:die-after-commit@transfer-lost-*',
    'bank_c.deposit.try:fail@transfer-lost-*',
    'bank_b.withdraw.confirm:die-after-commit=2@transfer-lost-*',
    'bank_c.deposit.confirm:fail-worked=2@transfer-lost-*',
    'bank_a.debit.compensation:die-after-commit=2@transfer-frozen-*',
    'bank_a.withdraw.cancel:die-after-commit=2@transfer-frozen-*',
    'bank_a.move.prepare:die-after-commit@transfer-lost-*',
    'bank_c.move.prepare:fail-worked@transfer-lost-*',
    'bank_b.move.commit:die-after-commit=2@transfer-lost-*',
    'bank_c.move.commit:fail-worked=2@transfer-lost-*',
    'bank_a.move.rollback:die-after-commit=2@transfer-frozen-*',
    'bank_b.move.rollback:fail-worked@transfer-frozen-*',
  );
  const opened: Record<BankName, string[]> = { bank_a: ['alice'], bank_b: ['bob'], bank_c: ['carol', 'frozen'] };
  before(async () => {
    for (const bank of bankNames) await world.sql(bank, OPEN_ACCOUNTS, [opened[bank], 100_000]);
    await world.sql('bank_c', `update accounts set status = 'frozen' where account = 'frozen'`);
  });

  /** What each account has and what of it is held. */
  const balances = async () => {
    const found: Record<string, number[]> = {};
    for (const bank of bankNames) {
      type Row = { account: string; balance: string; held: string };
      for (const row of await world.sql<Row>(bank, 'select account, balance, held from accounts')) {
        found[row.account] = [Number(row.balance), Number(row.held)];
      }
    }
    return found;
  };
  const from: Leg[] = [
    { bank: 'bank_a', account: 'alice', amount: 3_000 },
    { bank: 'bank_b', account: 'bob', amount: 5_000 },
  ];
  const given = (name: string, account = 'carol'): Transfer => ({
    id: `${name}-${randomUUID().slice(0, 8)}`,
    from,
    to: [{ bank: 'bank_c', account, amount: 8_000 }],
  });

  afterEach('the books of the banks balance, and nothing is under way', async () => {
    let clearing = 0;
    for (const bank of bankNames) {
      const run: Sql = (text, values) => world.sql(bank, text, [...(values ?? [])]);
      const reader = readBank(bank, { run, transaction: () => Promise.reject(new Error('the books only read')) });
      const findings = new Findings();
      await reader.prove(findings);
      assert.deepEqual(findings.differences, []);
      const totals = await reader.totals();
      assert.deepEqual([totals.held, totals.holds], [0, 0]);
      clearing += Number(totals.clearing);
      const open = `select gid from transfers where state = 'announced'
        union all select gid from pg_prepared_xacts where database = current_database()`;
      assert.deepEqual(await world.sql(bank, open), []);
    }
    assert.equal(clearing, 0);
  });

  for (const [scheme, { contract, refused }] of Object.entries(schemes)) {
    const transfer = (input: Transfer) => world.transactions.of(contract)(input);

    for (const [what, name] of [
      ['moves the money from several banks to another', 'plain'],
      ['moves it once, whatever reply is lost', 'lost'],
    ] as const) {
      it(`(${scheme}) ${what}`, async () => {
        const input = given(name);
        const { alice, bob, carol, frozen } = await balances();
        assert.deepEqual(await transfer(input), { id: input.id, amount: 8_000 });
        assert.deepEqual(await balances(), {
          alice: [(alice?.[0] ?? 0) - 3_000, 0],
          bob: [(bob?.[0] ?? 0) - 5_000, 0],
          carol: [(carol?.[0] ?? 0) + 8_000, 0],
          frozen,
        });
      });
    }

    it(`(${scheme}) changes nothing where the other account is frozen, and says so`, async () => {
      const before = await balances();
      await assert.rejects(transfer(given('frozen', 'frozen')), (error: TransactionCompensated) => {
        assert.ok(error instanceof TransactionCompensated, String(error));
        assert.deepEqual([error.report.cause.step, error.report.cause.type], [refused, 'AccountFrozen']);
        return true;
      });
      assert.deepEqual(await balances(), before);
    });

    it(`(${scheme}) starts nothing for an input that is not one`, async () => {
      const input = { ...given('wrong'), to: [] };
      await assert.rejects(transfer(input), InvalidInput);
      await assert.rejects(world.client.workflow.getHandle(contract.gid(input)).describe(), {
        name: 'WorkflowNotFoundError',
      });
    });
  }

  it('(2pc) within one bank prepares nothing: it is one operation', async () => {
    const within = { ...given('within', 'carol'), from: [{ bank: 'bank_c', account: 'carol', amount: 10 } as const] };
    const to = [{ bank: 'bank_c', account: 'dave', amount: 10 } as const];
    await world.sql('bank_c', OPEN_ACCOUNTS, [['dave'], 0]);
    await world.transactions.of(transfer2pcTransaction)({ ...within, to });
    const { events } = await world.client.workflow.getHandle(`transfer-${within.id}`).fetchHistory();
    const asked = events?.flatMap((event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
    assert.deepEqual(asked, ['bank_c.move.prepare']);
    assert.deepEqual((await balances()).dave, [10, 0]);
  });

  it('is one, whatever its scheme: the id cannot be used for another', async () => {
    const input = given('once');
    await world.transactions.of(transferTccTransaction)(input);
    await assert.rejects(world.transactions.of(transferSagaTransaction)(input), GidConflict);
  });
});
