import assert from 'node:assert/strict';
import { createPrepared } from '../../src/kit/database/index.js';
import { commits, op, openAccounts } from './bank-steps.js';
import { openTestShop, type TestShop } from './support.js';

describe('two transfers at the same time', function () {
  this.timeout(60_000);
  let test: TestShop;

  before(async () => {
    test = await openTestShop();
  });
  after(() => test.close());

  describe('that compute what they move from what they have read (lost updates)', () => {
    const balance = async (account: string) =>
      Number((await test.shop.plain['banks.account']({ bank: 'bank_a', account }))?.balance);
    const bank = () => test.shop.participants.bank_a;
    const credit = (gid: string, account: string, amount: number) =>
      bank().credit.action(op('bank_a.credit.action', gid), { account, amount });

    it('(saga) lose one: 10 % interest twice is 20.00, and not 21.00, when both have read before either writes', async () => {
      const { x } = await openAccounts(test);
      const read = [await balance(x), await balance(x)];
      for (const [n, was] of read.entries()) await credit(`interest-${x}-${n}`, x, was / 10);
      assert.equal(await balance(x), 12_000);
    });

    it('(saga with a semantic lock) lose none: the second cannot begin before the first has ended', async () => {
      const { x } = await openAccounts(test);
      const [first, second] = [`interest-${x}-1`, `interest-${x}-2`];
      const lock = (gid: string, attempt = 1) =>
        bank().lock.action(op('bank_a.lock.action', gid, { attempt }), { account: x });
      const unlock = (gid: string) => bank().unlock.action(op('bank_a.unlock.action', gid), { account: x });
      await lock(first);
      const was = await balance(x);
      await assert.rejects(lock(second), {
        name: 'AccountLocked',
        message: new RegExp(`locked until ${first} has ended`),
      });
      await credit(first, x, was / 10);
      await unlock(first);
      await lock(second, 2);
      await credit(second, x, (await balance(x)) / 10);
      await unlock(second);
      assert.equal(await balance(x), 12_100);
    });

    it('(saga with a semantic lock) wait for what TCC holds there: its confirm moves the money, and comes before the lock', async () => {
      const { x } = await openAccounts(test);
      const [held, gid] = [`held-${x}`, `locked-${x}`];
      const input = { account: x, amount: 1_000 };
      const lock = (attempt: number) => bank().lock.action(op('bank_a.lock.action', gid, { attempt }), { account: x });
      await bank().withdraw.try(op('bank_a.withdraw.try', held), input);
      await assert.rejects(lock(1), {
        name: 'AccountHeld',
        message: /cannot be locked until 1 holds on it have ended/,
      });
      await bank().withdraw.confirm(op('bank_a.withdraw.confirm', held), input);
      await lock(2);
      await assert.rejects(bank().withdraw.try(op('bank_a.withdraw.try', `late-${x}`), input), {
        name: 'AccountLocked',
      });
      await bank().unlock.action(op('bank_a.unlock.action', gid), { account: x });
      assert.equal(await balance(x), 9_000);
    });

    for (const [name, scheme] of commits) {
      it(`(${name}) lose none: what is prepared keeps the second from reading for update until it is decided`, () =>
        losesNone(scheme));
    }

    async function losesNone(scheme: '2pc' | '3pc'): Promise<void> {
      const { x } = await openAccounts(test);
      const prepared = createPrepared({ database: test.databases.bank_a });
      const interest = (gid: string, attempt: number) =>
        prepared.prepare(op('bank_a.interest.prepare', gid, { attempt, scheme }), { account: x }, async (sql) => {
          const [row] = await sql<{ balance: string }>('select balance from accounts where account = $1 for update', [
            x,
          ]);
          const tenth = Number(row?.balance) / 10;
          await sql(
            `insert into entries (gid, branch, kind, account, amount) values ($1, 'i', 'credit', $2, $3), ($1, 'i', 'credit', 'clearing', -$3::bigint)`,
            [gid, x, tenth],
          );
        });
      const commit = (gid: string) => prepared.commit(op('bank_a.interest.commit', gid, { scheme }), { account: x });
      const [first, second] = [`interest-${x}-1`, `interest-${x}-2`];
      assert.equal(await interest(first, 1), 'yes');
      await assert.rejects(interest(second, 1), { code: '55P03' });
      await commit(first);
      assert.equal(await interest(second, 2), 'yes');
      await commit(second);
      assert.equal(await balance(x), 12_100);
    }

    it('(TCC) is kept from more than one thing only: what is held; an amount that was read before is still old', async () => {
      const { x } = await openAccounts(test);
      const read = [await balance(x), await balance(x)];
      for (const [n, was] of read.entries()) {
        const [gid, input] = [`interest-${x}-${n}`, { account: x, amount: was / 10 }];
        await bank().deposit.try(op('bank_a.deposit.try', gid), input);
        await bank().deposit.confirm(op('bank_a.deposit.confirm', gid), input);
      }
      assert.equal(await balance(x), 12_000);
    });
  });
});
