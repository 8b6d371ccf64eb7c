import assert from 'node:assert/strict';
import { setAccountStatus } from '../../src/activities/banks/accounts.js';
import { ACCOUNT, DEBIT, EXPECT, SET_STATUS } from '../../src/activities/banks/sql.js';
import type { Move } from '../../src/contracts/transfer.js';
import type { Database } from '../../src/kit/database/index.js';
import { BankWorld, move } from './bank-world.js';
import { refused } from './support.js';

for (const statements of ['one', 'several'] as const) {
  describe(`a bank (work and guard in ${statements === 'one' ? 'one statement' : 'several'})`, () => {
    const bank = new BankWorld(statements);
    afterEach('its books balance', async () => {
      assert.deepEqual(await bank.differences(), []);
    });

    describe('asked by a saga', () => {
      it('debits an account once, however often it is asked', async () => {
        assert.deepEqual(await bank.debit('t1', move('alice', 3_000)), { debited: 3_000 });
        assert.deepEqual(await bank.debit('t1', move('alice', 3_000)), { debited: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [7_000, 0, 0]);
        assert.deepEqual(await bank.totals(), {
          ...{ paidIn: 20_000, balances: 17_000, held: 0, clearing: 3_000, holds: 0 },
        });
      });

      it('debits all that an account has', async () => {
        await bank.debit('t1', move('alice', 10_000));
        assert.deepEqual(await bank.figures('alice'), [0, 0, 0]);
      });

      it('refuses more than there is, with the figures; the undo then finds nothing to undo', async () => {
        const message = await refused(bank.debit('t1', move('alice', 10_001)), 'InsufficientFunds');
        assert.equal(message, 'account alice of bank_a has 100.00 to spend, 100.01 are asked');
        assert.equal(await bank.payBack('t1', move('alice', 10_001)), undefined);
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
      });

      it('pays a debit back once, whatever the account is by then', async () => {
        for (const [gid, status] of [
          ['t1', 'frozen'],
          ['t2', 'closed'],
        ] as const) {
          await bank.set('alice', 'open');
          await bank.debit(gid, move('alice', 3_000));
          await bank.set('alice', status);
          assert.deepEqual(await bank.payBack(gid, move('alice', 3_000)), { paidBack: 3_000 });
          assert.deepEqual(await bank.payBack(gid, move('alice', 3_000)), { paidBack: 3_000 });
          assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
        }
      });

      it('bars a debit whose undo came first', async () => {
        assert.equal(await bank.payBack('t1', move('alice', 3_000)), undefined);
        await assert.rejects(bank.debit('t1', move('alice', 3_000)), { name: 'Suspended' });
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
      });

      it('credits an account once, and takes it back once', async () => {
        assert.deepEqual(await bank.credit('t1', move('alice', 3_000)), { credited: 3_000 });
        assert.deepEqual(await bank.credit('t1', move('alice', 3_000)), { credited: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [13_000, 0, 0]);
        assert.deepEqual(await bank.takeBack('t1', move('alice', 3_000)), { takenBack: 3_000 });
        assert.deepEqual(await bank.takeBack('t1', move('alice', 3_000)), { takenBack: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
      });

      it('cannot take a credit back that was spent, and can once there is money again', async () => {
        await bank.credit('t1', move('alice', 3_000));
        await bank.debit('t2', move('alice', 11_000));
        const message = await refused(bank.takeBack('t1', move('alice', 3_000)), 'AlreadySpent');
        assert.equal(message, 'account alice of bank_a has 20.00 left of the 30.00 that are to be taken back');
        await bank.credit('t3', move('alice', 1_000));
        assert.deepEqual(await bank.takeBack('t1', move('alice', 3_000)), { takenBack: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [0, 0, 0]);
      });

      it('cannot take a credit back that is held for another transfer', async () => {
        await bank.credit('t1', move('alice', 3_000));
        await bank.withdraw.try('t2', move('alice', 11_000));
        await refused(bank.takeBack('t1', move('alice', 3_000)), 'AlreadySpent');
        assert.deepEqual(await bank.figures('alice'), [13_000, 11_000, 1]);
      });
    });

    describe('asked to try', () => {
      it('holds money where it is: the balance stays, and a confirm takes it once', async () => {
        assert.deepEqual(await bank.withdraw.try('t1', move('alice', 3_000)), { held: 3_000 });
        assert.deepEqual(await bank.withdraw.try('t1', move('alice', 3_000)), { held: 3_000 });
        assert.deepEqual(await bank.state('alice'), {
          status: 'open',
          balance: 10_000,
          held: 3_000,
          available: 7_000,
          holds: 1,
          lockedBy: null,
          lockedAt: null,
        });
        assert.deepEqual(await bank.withdraw.confirm('t1', move('alice', 3_000)), { debited: 3_000 });
        assert.deepEqual(await bank.withdraw.confirm('t1', move('alice', 3_000)), { debited: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [7_000, 0, 0]);
        assert.deepEqual(await bank.holds(), ['confirmed']);
      });

      it('gives back what is held, once, when it is cancelled', async () => {
        await bank.withdraw.try('t1', move('alice', 3_000));
        assert.deepEqual(await bank.withdraw.cancel('t1', move('alice', 3_000)), { released: 3_000 });
        assert.deepEqual(await bank.withdraw.cancel('t1', move('alice', 3_000)), { released: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
        assert.deepEqual(await bank.holds(), ['cancelled']);
      });

      it('notes what is to come in: it can be spent once it is confirmed, and not before', async () => {
        assert.deepEqual(await bank.deposit.try('t1', move('alice', 3_000)), { held: 3_000 });
        assert.deepEqual(await bank.state('alice'), {
          status: 'open',
          balance: 10_000,
          held: 0,
          available: 10_000,
          holds: 1,
          lockedBy: null,
          lockedAt: null,
        });
        await refused(bank.withdraw.try('t2', move('alice', 10_001)), 'InsufficientFunds');
        assert.deepEqual(await bank.deposit.confirm('t1', move('alice', 3_000)), { credited: 3_000 });
        assert.deepEqual(await bank.deposit.confirm('t1', move('alice', 3_000)), { credited: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [13_000, 0, 0]);
      });

      it('forgets what was to come in when it is cancelled', async () => {
        await bank.deposit.try('t1', move('alice', 3_000));
        assert.deepEqual(await bank.deposit.cancel('t1', move('alice', 3_000)), { released: 3_000 });
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
      });

      it('lets nobody spend what is held: not another try, not a debit', async () => {
        await bank.withdraw.try('t1', move('alice', 6_000));
        const message = await refused(bank.withdraw.try('t2', move('alice', 4_001)), 'InsufficientFunds');
        assert.equal(message, 'account alice of bank_a has 40.00 to spend, 40.01 are asked');
        await refused(bank.debit('t3', move('alice', 4_001)), 'InsufficientFunds');
        await bank.debit('t4', move('alice', 4_000));
        await bank.withdraw.confirm('t1', move('alice', 6_000));
        assert.deepEqual(await bank.figures('alice'), [0, 0, 0]);
      });

      for (const name of ['withdraw', 'deposit'] as const) {
        it(`${name}: a cancel without a try is empty, and a try that comes after it is refused`, async () => {
          assert.equal(await bank[name].cancel('t1', move('alice', 3_000)), undefined);
          assert.equal(await bank[name].cancel('t1', move('alice', 3_000)), undefined);
          await assert.rejects(bank[name].try('t1', move('alice', 3_000)), { name: 'Suspended' });
          assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
          assert.deepEqual(await bank.holds(), []);
        });

        it(`${name}: a confirm after a cancel is refused, and a cancel after a confirm`, async () => {
          await bank[name].try('t1', move('alice', 3_000));
          await bank[name].cancel('t1', move('alice', 3_000));
          await assert.rejects(bank[name].confirm('t1', move('alice', 3_000)), { name: 'Suspended' });
          await bank[name].try('t2', move('alice', 3_000));
          await bank[name].confirm('t2', move('alice', 3_000));
          await assert.rejects(bank[name].cancel('t2', move('alice', 3_000)), { name: 'Suspended' });
          assert.deepEqual(await bank.holds(), ['cancelled', 'confirmed']);
        });

        it(`${name}: a confirm without a try is refused`, async () => {
          await assert.rejects(bank[name].confirm('t1', move('alice', 3_000)), { name: 'Suspended' });
          assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
        });

        it(`${name}: a refused try holds nothing, is refused again, and its cancel is empty`, async () => {
          await bank.set('alice', 'frozen');
          await refused(bank[name].try('t1', move('alice', 3_000)), 'AccountFrozen');
          await bank.set('alice', 'open');
          await refused(bank[name].try('t1', move('alice', 3_000)), 'AccountFrozen');
          assert.equal(await bank[name].cancel('t1', move('alice', 3_000)), undefined);
          assert.deepEqual(await bank.holds(), []);
        });

        it(`${name}: a cancel that is sure of its try, and does not find it, says so`, async () => {
          await assert.rejects(bank[name].cancel('t1', move('alice', 3_000), { succeeded: true }), { name: 'RowGone' });
        });

        it(`${name}: between try and confirm or cancel the account is neither frozen nor closed`, async () => {
          await bank[name].try('t1', move('alice', 3_000));
          for (const status of ['frozen', 'closed'] as const) {
            assert.equal(
              await refused(bank.set('alice', status), 'AccountHeld'),
              `account alice of bank_a cannot be ${status}: 1 of its transfers wait for their confirm or cancel: try again when they have ended`,
            );
          }
          await bank.set('alice', 'open');
          await bank[name].confirm('t1', move('alice', 3_000));
          await bank.set('alice', 'frozen');
          await bank.set('alice', 'open');
          await bank[name].try('t2', move('alice', 3_000));
          await bank[name].cancel('t2', move('alice', 3_000));
          await bank.set('alice', 'closed');
          assert.equal((await bank.state('alice'))?.status, 'closed');
        });
      }

      it('a freeze that finds a hold, which has ended when it is looked at, is asked once more', async () => {
        await bank.withdraw.try('t1', move('alice', 1));
        const { databases } = bank.test;
        const ending: Database = {
          ...databases.bank_a,
          run: async <Row extends object>(text: string, values?: readonly unknown[], ms?: number) => {
            if (text === ACCOUNT) await bank.withdraw.cancel('t1', move('alice', 1));
            return databases.bank_a.run<Row>(text, values, ms);
          },
        };
        await setAccountStatus(
          { ...databases, bank_a: ending },
          { bank: 'bank_a', account: 'alice', status: 'frozen' },
        );
        assert.equal((await bank.state('alice'))?.status, 'frozen');
      });

      it('a freeze that waits for a try is refused as one that comes after it', async () => {
        const freezing = await whileLocked(EXPECT, ['t1', 'b', 'alice', 1], () =>
          refused(bank.set('alice', 'frozen'), 'AccountHeld'),
        );
        assert.match(freezing, /1 of its transfers/);
        assert.equal((await bank.state('alice'))?.status, 'open');
      });

      for (const name of ['withdraw', 'deposit'] as const) {
        it(`${name}: a try that waits for a freeze is refused as one that comes after it`, async () => {
          const trying = await whileLocked(SET_STATUS, ['alice', 'frozen', '1500', '20000'], () =>
            refused(bank[name].try('t1', move('alice', 1)), 'AccountFrozen'),
          );
          assert.equal(trying, 'account alice of bank_a is frozen');
          assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
        });
      }

      it('a try that waits for a debit finds what that has left', async () => {
        const trying = await whileLocked(DEBIT, ['t1', 'b', 'alice', 9_000], () =>
          refused(bank.withdraw.try('t2', move('alice', 1_001)), 'InsufficientFunds'),
        );
        assert.match(trying, /has 10\.00 to spend/);
      });

      /** Runs a statement, commits once something else waits for it, and resolves to what that comes to. */
      async function whileLocked(text: string, values: unknown[], begin: () => Promise<string>): Promise<string> {
        const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        const [begun] = await bank.test.databases.bank_a.transaction(async (sql) => {
          await sql(text, values);
          const outcome = Promise.allSettled([begin()]);
          while ((await bank.test.sql('bank_a', waiting)).length === 0);
          return [outcome]; // In a list, as the commit would wait for it.
        });
        const [settled] = await begun;
        if (settled.status === 'rejected') throw settled.reason;
        return settled.value;
      }
    });

    for (const name of ['debit', 'credit', 'withdraw', 'deposit'] as const) {
      const first = (gid: string, input: Move) =>
        name === 'debit' || name === 'credit' ? bank[name](gid, input) : bank[name].try(gid, input);

      it(`${name}: refuses an account that is unknown, frozen or closed, in one line`, async () => {
        assert.equal(await refused(first('t1', move('nobody', 1)), 'UnknownAccount'), 'bank_a has no account nobody');
        await bank.set('alice', 'frozen');
        assert.equal(
          await refused(first('t2', move('alice', 1)), 'AccountFrozen'),
          'account alice of bank_a is frozen',
        );
        await bank.set('alice', 'closed');
        assert.equal(
          await refused(first('t3', move('alice', 1)), 'AccountClosed'),
          'account alice of bank_a is closed',
        );
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
      });

      it(`${name}: refuses the bank's own side, and invalid input`, async () => {
        for (const own of ['clearing', 'cash']) await refused(first(own, move(own, 1)), 'UnknownAccount');
        for (const amount of [0, -1, 0.5, 2 ** 53]) {
          assert.match(
            await refused(first(`a${amount}`, move('alice', amount)), 'InvalidInput'),
            /^amount is .*: must be/,
          );
        }
        assert.deepEqual(await bank.figures('alice'), [10_000, 0, 0]);
      });
    }

    it('never lets money be spent twice under concurrency, by debits and tries together', async () => {
      const asked = Array.from({ length: 40 }, (_, n) =>
        n % 2 === 0 ? bank.debit(`t${n}`, move('alice', 400)) : bank.withdraw.try(`t${n}`, move('alice', 400)),
      );
      const outcomes = await Promise.allSettled(asked);
      const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
      assert.equal(outcomes.length - failures.length, 25);
      for (const { reason } of failures) assert.equal((reason as { type?: string }).type, 'InsufficientFunds');
      assert.equal((await bank.state('alice'))?.available, 0);
    });

    it('knows no account that was not opened, and refuses to set its status', async () => {
      assert.equal(await bank.state('nobody'), null);
      assert.equal(await refused(bank.set('nobody', 'frozen'), 'UnknownAccount'), 'bank_a has no account nobody');
    });

    it('opens accounts once, whatever is in them by now', async () => {
      await bank.debit('t1', move('alice', 3_000));
      await bank.open(['alice', 'dora'], 500);
      await bank.open(['empty'], 0);
      assert.deepEqual(await bank.figures('alice'), [7_000, 0, 0]);
      assert.deepEqual(await bank.figures('dora'), [500, 0, 0]);
      assert.deepEqual(await bank.figures('empty'), [0, 0, 0]);
    });
  });
}
