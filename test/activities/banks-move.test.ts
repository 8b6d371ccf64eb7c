import assert from 'node:assert/strict';
import { centsInFlight, readBank } from '../../src/activities/banks/books.js';
import { createMove } from '../../src/activities/banks/move.js';
import { ANNOUNCE } from '../../src/activities/banks/transfers-sql.js';
import { Findings } from '../../src/activities/books/findings.js';
import { bankNames, type BankName, type Moves } from '../../src/contracts/transfer.js';
import { createPrepared } from '../../src/kit/database/index.js';
import type { Op, Operation } from '../../src/kit/workflow/branch.js';
import { openTestShop, operation, refused, type TestShop } from './support.js';

describe('a bank, asked by a two-phase commit', () => {
  let test: TestShop;
  before(async () => {
    test = await openTestShop();
  });
  after(() => test.close());
  beforeEach(async () => {
    await test.empty();
    for (const bank of bankNames) {
      await test.shop.plain['banks.openAccounts']({ bank, accounts: ['alice', 'bob', 'carol'], cents: 10_000 });
    }
  });
  afterEach('its books balance, and nothing stays prepared', async () => {
    for (const bank of bankNames) {
      const findings = new Findings();
      await readBank(bank, test.databases[bank]).prove(findings);
      assert.deepEqual(findings.differences, []);
      const text = 'select gid from pg_prepared_xacts where database = current_database()';
      assert.deepEqual(await test.sql(bank, text), []);
    }
  });

  const of = (bank: BankName, op: Op, gid: string, more: Partial<Operation> = {}) =>
    operation(`${bank}.move.${op}`, gid, { scheme: '2pc', branch: bank, ...more });
  const move = (bank: BankName) => test.shop.participants[bank].move;
  const prepare = (gid: string, moves: Moves, bank: BankName = 'bank_a', more: Partial<Operation> = {}) =>
    move(bank).prepare(of(bank, 'prepare', gid, more), moves);
  const commit = (gid: string, moves: Moves, bank: BankName = 'bank_a') =>
    move(bank).commit(of(bank, 'commit', gid), moves, 'yes');
  const rollback = (gid: string, moves: Moves, bank: BankName = 'bank_a') =>
    move(bank).rollback(of(bank, 'rollback', gid), moves, undefined);
  const balances = async (bank: BankName = 'bank_a') => {
    const rows = await test.sql<{ balance: string }>(bank, 'select balance from accounts order by account');
    return rows.map(({ balance }) => Number(balance));
  };
  const states = async () => {
    const rows = await test.sql<{ state: string }>('bank_a', 'select state from transfers order by gid');
    return rows.map(({ state }) => state);
  };

  const moves: Moves = {
    from: [
      { leg: 'from-1', account: 'alice', amount: 3_000 },
      { leg: 'from-2', account: 'bob', amount: 1_000 },
    ],
    to: [{ leg: 'to-1', account: 'carol', amount: 500 }],
  };

  it('moves all of a transfer in one transaction, seen by nobody before it is committed', async () => {
    for (let time = 0; time < 2; time++)
      assert.equal(await prepare('t1', moves, 'bank_a', { timeoutMs: 2_000 }), 'yes');
    assert.deepEqual([await balances(), await states()], [[10_000, 10_000, 10_000], ['announced']]);
    await commit('t1', moves);
    await commit('t1', moves);
    assert.deepEqual([await balances(), await states()], [[7_000, 9_000, 10_500], ['moved']]);
  });

  it('moves nothing of what is rolled back', async () => {
    await prepare('t1', moves);
    await rollback('t1', moves);
    await rollback('t1', moves);
    assert.deepEqual([await balances(), await states()], [[10_000, 10_000, 10_000], ['dropped']]);
    await assert.rejects(prepare('t1', moves), { name: 'Suspended' });
  });

  it('rolls back what never came', async () => {
    await rollback('t1', moves);
    await assert.rejects(prepare('t1', moves), { name: 'Suspended' });
    assert.deepEqual(await states(), ['dropped']);
  });

  for (const [whose, name, text] of [
    [
      'a process drives',
      'DrivenElsewhere',
      `insert into backstitch.announcements (gid, start, owner, take_over_at) values ('t1', '{}', 'direct:1', 'infinity')`,
    ],
    [
      'has ended',
      'Decided',
      `insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, fate)
       values ('t1', 'other', 1, 'action', 'applied', '', 'direct:1', 1, '', '', 1, '{"state": "committed"}')`,
    ],
  ] as const) {
    it(`moves nothing under the gid of a transaction that ${whose}, and announces nothing any more`, async () => {
      await test.sql('bank_a', text);
      for (const more of [{}, { single: true }] as const) {
        await assert.rejects(prepare('t1', moves, 'bank_a', more), { name });
        assert.deepEqual([await balances(), await states()], [[10_000, 10_000, 10_000], ['dropped']]);
        await test.damage('bank_a', 'truncate transfers');
      }
      await test.sql('bank_a', 'delete from backstitch.announcements');
    });
  }

  it('has no more time than is left when it is announced', async () => {
    const database = test.databases.bank_a;
    const given: number[] = [];
    const prepared = createPrepared({ database });
    const { prepare: slow } = createMove({
      ...{ name: 'bank_a', database },
      prepared: {
        ...prepared,
        prepare: (asked, ...rest) => {
          given.push(asked.timeoutMs);
          return prepared.prepare(asked, ...rest);
        },
      },
    });
    // Another one announces it meanwhile, and does not: it is waited for.
    const asked = of('bank_a', 'prepare', 't1');
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    const began = performance.now();
    let voted: Promise<unknown> | undefined;
    const other = database.transaction(async (sql) => {
      await sql(ANNOUNCE, ['t1', 'bank_a', '1', '1']);
      voted = slow(asked, moves);
      while ((await test.sql('bank_a', waiting)).length === 0);
      throw new Error('not announced');
    });
    await assert.rejects(other, /not announced/);
    assert.equal(await voted, 'yes');
    const took = performance.now() - began;
    const [left = 0] = given;
    assert.ok(left < asked.timeoutMs && left > asked.timeoutMs - took);
    await rollback('t1', moves);
  });

  it('refuses all of it for one account that cannot do its part, and says which', async () => {
    const [first] = moves.from;
    assert.ok(first);
    const cases: [Moves, type: string, message: RegExp][] = [
      [
        { from: [{ ...first, amount: 10_001 }], to: moves.to },
        'InsufficientFunds',
        /alice of bank_a has 100.00 to spend/,
      ],
      [
        { from: moves.from, to: [{ leg: 'to-1', account: 'nobody', amount: 1 }] },
        'UnknownAccount',
        /no account nobody/,
      ],
      [
        { from: [], to: [{ leg: 'to-1', account: 'frozen', amount: 1 }] },
        'AccountFrozen',
        /frozen of bank_a is frozen/,
      ],
      [{ from: [{ ...first, amount: 0 }], to: [] }, 'InvalidInput', /from.0.amount is 0/],
    ];
    await test.shop.plain['banks.openAccounts']({ bank: 'bank_a', accounts: ['frozen'], cents: 0 });
    await test.shop.plain['banks.setStatus']({ bank: 'bank_a', account: 'frozen', status: 'frozen' });
    for (const [index, [asked, type, message]] of cases.entries()) {
      for (let time = 0; time < 2; time++) {
        assert.match(await refused(prepare(`t${index}`, asked), type), message);
      }
    }
    assert.deepEqual(await balances(), [10_000, 10_000, 10_000, 0]);
    assert.deepEqual(await states(), ['dropped', 'dropped', 'dropped']);
  });

  it('moves at once what it alone has to do', async () => {
    const within: Moves = { ...moves, to: [{ leg: 'to-1', account: 'carol', amount: 4_000 }] };
    assert.equal(await prepare('t1', within, 'bank_a', { single: true }), 'committed');
    assert.equal(await prepare('t1', within, 'bank_a', { single: true }), 'committed');
    assert.deepEqual([await balances(), await states()], [[7_000, 9_000, 14_000], ['moved']]);
  });

  it('keeps the accounts locked from the prepare to the end, and no others', async () => {
    await prepare('t1', { from: moves.from.slice(0, 1), to: [] });
    const other = { leg: 'from-1', account: 'bob', amount: 1 };
    assert.equal(await prepare('t2', { from: [other], to: [] }, 'bank_a', { single: true }), 'committed');
    const same = { from: [{ ...other, account: 'alice' }], to: [] };
    await assert.rejects(prepare('t3', same, 'bank_a', { timeoutMs: 1_000 }), { code: '55P03' });
    await commit('t1', { from: moves.from.slice(0, 1), to: [] });
    assert.equal(await prepare('t3', same), 'yes');
    await rollback('t3', same);
  });

  it('tells what is on its way between banks at any moment at which nothing is committed', async () => {
    const readers = bankNames.map((bank) => readBank(bank, test.databases[bank]));
    const money = async () => {
      const totals = await Promise.all(readers.map((reader) => reader.totals()));
      return totals.reduce((sum, { balances }) => sum + Number(balances), Number(await centsInFlight(readers)));
    };
    const all = 3 * 3 * 10_000;
    const parts: [BankName, Moves][] = [
      ['bank_a', { from: [{ leg: 'from-1', account: 'alice', amount: 3_000 }], to: [] }],
      ['bank_b', { from: [{ leg: 'from-2', account: 'bob', amount: 5_000 }], to: [] }],
      ['bank_c', { from: [], to: [{ leg: 'to-1', account: 'carol', amount: 8_000 }] }],
    ];
    const flights: number[] = [];
    const look = async () => {
      assert.equal(await money(), all);
      flights.push(Number(await centsInFlight(readers)));
    };
    for (const [bank, moves] of parts) await prepare('t1', moves, bank).then(look);
    for (const [bank, moves] of parts) await commit('t1', moves, bank).then(look);
    assert.deepEqual(flights, [0, 0, 0, 3_000, 8_000, 0]);
    for (const [bank, moves] of parts.slice(0, 2)) await prepare('t2', moves, bank).then(look);
    for (const [bank, moves] of parts) await rollback('t2', moves, bank).then(look);
    assert.deepEqual(flights.slice(6), [0, 0, 0, 0, 0]);
  });

  it('finds a transfer that has not moved what it announced', async () => {
    await prepare('t1', moves);
    await commit('t1', moves);
    await test.damage('bank_a', `update transfers set credits = credits + 1`);
    const findings = new Findings();
    await readBank('bank_a', test.databases.bank_a).prove(findings);
    assert.deepEqual(
      findings.differences.map(({ check, subject, expected, found }) => [check, subject, expected, found]),
      [['a transfer moves what it announced', 'bank_a: t1 bank_a', '-3499', '-3500']],
    );
    await test.empty();
  });
});
