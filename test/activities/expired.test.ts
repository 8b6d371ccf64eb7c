import assert from 'node:assert/strict';
import { centsInFlight, readBank } from '../../src/activities/banks/books.js';
import type { BankName, Moves } from '../../src/contracts/transfer.js';
import { createPrepared } from '../../src/kit/database/index.js';
import type { Op, Operation } from '../../src/kit/workflow/branch.js';
import { openTestShop, operation, type TestShop } from './support.js';

describe('what services hold for too long', () => {
  let test: TestShop;
  before(async () => {
    test = await openTestShop();
  });
  after(() => test.close());
  beforeEach(async () => {
    await test.empty();
    for (const bank of ['bank_a', 'bank_b'] as const) {
      await test.shop.plain['banks.openAccounts']({ bank, accounts: ['alice', 'bob'], cents: 10_000 });
    }
  });

  const expired = async (service: 'bank_a' | 'payments' | 'inventory') => {
    const found: string[] = [];
    for await (const { gid, branch, since } of test.shop.expired[service]()) {
      assert.ok(since < Date.now() && since > Date.now() - 3_600_000, 'it is milliseconds');
      found.push(`${gid}: ${branch}`);
    }
    return found;
  };
  const age = (service: 'bank_a' | 'payments' | 'inventory', table: string, column: string) =>
    test.damage(service, `update ${table} set ${column} = ${column} - interval '11 minutes'`);

  describe('of a transfer by two-phase commit', () => {
    const moves: Moves = { from: [{ leg: 'from-1', account: 'alice', amount: 3_000 }], to: [] };
    const more = { scheme: '2pc', branch: 'bank_a' } as const;
    const of = (op: Op, gid: string, bank: BankName = 'bank_a', rest: Partial<Operation> = {}) =>
      operation(`${bank}.move.${op}`, gid, { ...more, branch: bank, ...rest });
    const prepare = (gid: string, bank: BankName = 'bank_a') =>
      test.shop.participants[bank].move.prepare(of('prepare', gid, bank), moves);
    const prepared = () => createPrepared({ database: test.databases.bank_a });
    const states = async () => {
      const rows = await test.sql<{ state: string }>('bank_a', 'select state from transfers order by gid');
      return rows.map(({ state }) => state);
    };

    it('drops what a scan has rolled back, which knows of no transfers; until then no books count it', async () => {
      const inFlight = () => centsInFlight((['bank_a', 'bank_b'] as const).map((bank) => readBank(bank, test.databases[bank]))); // prettier-ignore
      await prepare('t1');
      await prepare('t1', 'bank_b');
      await test.shop.participants.bank_b.move.commit(of('commit', 't1', 'bank_b'), moves, 'yes');
      assert.equal(await inFlight(), -3_000);
      await prepared().rollback(of('rollback', 't1', 'bank_a', { driver: 'backstitch.scan', corrected: true }), null);
      assert.deepEqual([await states(), await inFlight()], [['announced'], 0]);
      assert.deepEqual([await expired('bank_a'), await states()], [[], ['dropped']]);
    });

    it('tells what is there though what has ended cannot be dropped now: whatever is locked waits for another scan', async () => {
      const { bank_a: database } = test.databases;
      for (const gid of ['t1', 't2']) {
        await prepare(gid);
        await prepared().rollback(of('rollback', gid, 'bank_a', { driver: 'backstitch.scan', corrected: true }), null);
      }
      // A lock of one row is gone around.
      await database.transaction(async (sql) => {
        await sql(`select from transfers where gid = 't1' for update`);
        assert.deepEqual([await expired('bank_a'), await states()], [[], ['announced', 'dropped']]);
      });
      // Where the whole table is locked, it is given up in time for the first page.
      await test.sql('bank_a', `insert into holds (gid, branch, account, kind, amount, expires_at) values ('h1', 'held', 'bob', 'credit', 5, now() - interval '1 minute')`); // prettier-ignore
      await database.transaction(async (sql) => {
        await sql('lock table transfers in share mode');
        assert.deepEqual([await expired('bank_a'), await states()], [['h1: held'], ['announced', 'dropped']]);
      });
    });

    it('tells of what was announced and never came to anything; what is prepared the scan looks after', async () => {
      const announce = (gid: string, minutes: number) =>
        test.sql('bank_a', `insert into transfers (gid, branch, debits, credits, announced_at) values ($1, 'bank_a', 3000, 0, now() - $2::int * interval '1 minute')`, [gid, minutes]); // prettier-ignore
      await announce('t1', 11);
      await announce('t2', 11);
      await announce('t3', 9);
      await prepare('t1');
      assert.deepEqual(await expired('bank_a'), ['t2: bank_a']);
      await test.shop.participants.bank_a.move.rollback(of('rollback', 't1'), moves, undefined);
      assert.deepEqual(
        [await expired('bank_a'), await states()],
        [['t2: bank_a'], ['dropped', 'announced', 'announced']],
      );
    });
  });

  it('tells of an account that a saga has locked, since when it first did', async () => {
    const { lock, unlock } = test.shop.participants.bank_a;
    for (const step of ['one', 'two']) {
      await lock.action(operation('bank_a.lock.action', 's1', { branch: step }), { account: 'alice' });
      assert.deepEqual(await expired('bank_a'), step === 'one' ? [] : ['s1: lock of alice']);
      await age('bank_a', 'accounts', 'locked_at');
    }
    const state = await test.shop.plain['banks.account']({ bank: 'bank_a', account: 'alice' });
    assert.equal(state?.lockedBy, 's1');
    assert.ok((state.lockedAt ?? 0) < Date.now() - 20 * 60_000, 'the second look at the lock began it anew');
    await unlock.action(operation('bank_a.unlock.action', 's1'), { account: 'alice' });
    assert.deepEqual(await expired('bank_a'), []);
    const free = await test.shop.plain['banks.account']({ bank: 'bank_a', account: 'alice' });
    assert.deepEqual([free?.lockedBy, free?.lockedAt], [null, null]);
  });

  it('tells of money and units that are frozen for an order, by its gid and branch', async () => {
    const { plain, participants } = test.shop;
    await plain['payments.openWallets']({ customerIds: ['c1'], cents: 1_000 });
    await plain['inventory.deliver']({ sku: 'cd', units: 5 });
    const [pay, reserve] = [
      { orderId: 'o1', customerId: 'c1', amount: 100 },
      { orderId: 'o1', sku: 'cd', units: 1 },
    ];
    const op = (name: string, branch: string) => operation(name, 'order-o1', { scheme: 'tcc', branch });
    await participants.payments.freeze.try(op('payments.freeze.try', 'pay'), pay);
    await participants.inventory.freeze.try(op('inventory.freeze.try', 'reserve-stock'), reserve);
    assert.deepEqual([await expired('payments'), await expired('inventory')], [[], []]);
    await age('payments', 'payments', 'captured_at');
    await age('inventory', 'reservations', 'reserved_at');
    assert.deepEqual([await expired('payments'), await expired('inventory')], [['order-o1: pay'], ['order-o1: reserve-stock']]); // prettier-ignore
    await participants.payments.freeze.cancel(op('payments.freeze.cancel', 'pay'), pay);
    await participants.inventory.freeze.confirm(op('inventory.freeze.confirm', 'reserve-stock'), reserve);
    assert.deepEqual([await expired('payments'), await expired('inventory')], [[], []]);
  });
});
