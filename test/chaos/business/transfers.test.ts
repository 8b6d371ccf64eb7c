import assert from 'node:assert/strict';
import { bankNames } from '../../../src/contracts/transfer.js';
import type { TransactionName } from './business.js';
import { gid, legNames, TestBanks, type LegName } from './test-banks.js';
import { transfers } from './transfers.js';

/** The banks of a chaos run in every state that a transfer may leave them in, and in some that none may. */
describe('what has to be so of the money in a chaos run', function () {
  this.timeout(120_000);
  const banks = new TestBanks();

  describe('is so at every moment of a transfer', () => {
    it('by a saga, done and undone', async () => {
      const steps: [LegName, 'do' | 'undo'][] = [
        ...legNames.map((leg): [LegName, 'do'] => [leg, 'do']),
        ...legNames.toReversed().map((leg): [LegName, 'undo'] => [leg, 'undo']),
      ];
      for (const [leg, what] of steps) {
        await banks.act(leg, what);
        for (const scheme of ['transferSaga', 'transferSagaLocked'] as const)
          assert.deepEqual(await banks.always(scheme), [], `${what} ${leg}`);
      }
    });

    for (const end of ['confirm', 'cancel'] as const) {
      it(`by TCC, to its ${end}`, async () => {
        for (const what of ['try', end] as const)
          for (const leg of legNames) {
            await banks.act(leg, what);
            assert.deepEqual(await banks.always('transferTcc'), [], `${what} ${leg}`);
          }
      });
    }

    for (const end of ['commit', 'rollback'] as const) {
      it(`by two-phase commit, to its ${end}`, async () => {
        for (const what of ['prepare', end] as const)
          for (const bank of bankNames) {
            await banks.atBank(bank, what);
            for (const scheme of ['transfer2pc', 'transfer3pc'] as const)
              assert.deepEqual(await banks.always(scheme), [], `${what} ${bank}`);
          }
      });
    }
  });

  describe('is not so', () => {
    const done: readonly (readonly [TransactionName, () => Promise<void>])[] = [
      ['transferSaga', () => banks.each(legNames, 'do')],
      ['transferTcc', () => banks.each(legNames, 'try').then(() => banks.each(legNames, 'confirm'))],
      ['transfer2pc', () => banks.atBanks('prepare').then(() => banks.atBanks('commit'))],
    ];
    for (const [scheme, move] of done) {
      it(`with a movement that nobody asked for, under a gid of ${scheme}`, async () => {
        await move();
        assert.deepEqual(await banks.always(scheme), []);
        await banks.enter('bank_c', 'to-2', 'credit', 'a002', 100);
        assert.deepEqual(await banks.always(scheme), [
          `${gid}: to-2: credit of 100 on bank_c:a002 was not asked`,
          '3000100 cents are on the accounts, and 0 to come: 3000000 were paid in',
        ]);
      });

      it(`with one that was taken back, under a gid of ${scheme}`, async () => {
        await move();
        await banks.enter('bank_c', 'to-2', 'credit', 'a001', 100);
        await banks.enter('bank_c', 'to-2', 'debit', 'a001', -100);
        assert.deepEqual(await banks.always(scheme), [
          `${gid}: to-2: credit of 100 on bank_c:a001 was not asked`,
          `${gid}: to-2: debit of -100 on bank_c:a001 was not asked`,
        ]);
      });

      it(`with a wrong amount that the books of the bank agree with, under a gid of ${scheme}`, async () => {
        await move();
        await banks.damage('bank_c', `update entries set amount = amount - sign(amount) where gid = '${gid}'`);
        await banks.damage('bank_c', `update accounts set balance = balance - 1 where account = 'a001'`);
        assert.deepEqual((await banks.always(scheme)).slice(0, 2), [
          `${gid}: to-1: credit of 7999 on bank_c:a001 was not asked`,
          `${gid}: to-1: 7999 on bank_c:a001 in all, and 8000 asked`,
        ]);
      });

      it(`with money that is neither on an account nor on its way, of ${scheme}`, async () => {
        await move();
        await banks.damage('bank_b', `update accounts set balance = balance - 1 where account = 'a050'`);
        assert.deepEqual(await banks.always(scheme), [
          'bank_b:a050: 9999 cents are on it, its entries come to 10000',
          '2999999 cents are on the accounts, and 0 to come: 3000000 were paid in',
        ]);
      });

      it(`with a cent that one account has lost and another has too much, of ${scheme}`, async () => {
        await move();
        await banks.damage('bank_b', `update accounts set balance = balance - 1 where account = 'a050'`);
        await banks.damage('bank_c', `update accounts set balance = balance + 1 where account = 'a001'`);
        assert.deepEqual(await banks.always(scheme), [
          'bank_b:a050: 9999 cents are on it, its entries come to 10000',
          'bank_c:a001: 18001 cents are on it, its entries come to 18000',
        ]);
      });
    }

    it('when nobody asked for a transfer at all', async () => {
      await banks.act('from-1', 'do');
      const [line] = await banks.always();
      assert.equal(line, `${gid}: has moved, held or announced money, and was never asked for`);
    });

    it('when a saga pays in before it has taken', async () => {
      await banks.each(['from-1', 'to-1'], 'do');
      assert.deepEqual(await banks.always('transferSaga'), [`${gid}: money came in before it left: from-2`]);
    });

    it('when what is locked by a transfer is not of it', async () => {
      await banks.run('bank_c', `update accounts set locked_by = '${gid}' where account in ('a001', 'a002')`);
      const of = (account: string) => `bank_c:${account} is locked by ${gid}, which does not lock it`;
      assert.deepEqual(await banks.always('transferSagaLocked'), [of('a002')]);
      assert.deepEqual([...(await banks.always('transferSaga'))].sort(), [of('a001'), of('a002')]);
    });

    it('when a TCC moves before all is held, or after something was released', async () => {
      await banks.each(['from-1', 'from-2'], 'try');
      await banks.act('from-1', 'confirm');
      const [early] = await banks.always('transferTcc');
      assert.equal(early, `${gid}: to-1: its hold is missing, and others have moved`);
      await banks.act('from-2', 'cancel');
      const [late] = await banks.always('transferTcc');
      assert.equal(late, `${gid}: from-2: its hold is cancelled, and others have moved`);
    });

    it('when a TCC holds what was not asked', async () => {
      await banks.each(legNames, 'try');
      await banks.damage('bank_b', 'update holds set amount = 4999');
      await banks.damage('bank_b', `update accounts set held = 4999 where account = 'a001'`);
      assert.deepEqual(await banks.always('transferTcc'), [
        `${gid}: from-2: debit of 4999 held on bank_b:a001 was not asked`,
      ]);
    });

    it('when a scheme keeps what is of another', async () => {
      await banks.each(legNames, 'try');
      assert.deepEqual(await banks.always('transferSaga'), [`${gid}: its scheme leaves nothing held`]);
    });

    it('when a bank announces what was not asked', async () => {
      const announce = `insert into transfers (gid, branch, debits, credits) values ('${gid}', 'bank_b', 4999, 0)`;
      await banks.run('bank_b', announce);
      await banks.atBanks('prepare');
      const announced = `${gid}: bank_b: announced are 4999 and 0, asked 5000 and 0`;
      assert.deepEqual(await banks.always('transfer2pc'), [announced]);
      await banks.atBank('bank_a', 'commit');
      assert.deepEqual(await banks.always('transfer2pc'), [
        announced,
        '2997000 cents are on the accounts, and 3001 to come: 3000000 were paid in',
      ]);
    });

    it('when one bank commits, and what another has announced is not prepared', async () => {
      await banks.atBanks('prepare');
      await banks.atBank('bank_a', 'commit');
      await banks.rollBackPrepared('bank_b');
      assert.deepEqual(await banks.always('transfer2pc'), [`${gid}: moved elsewhere, at bank_b it is not prepared`]);
    });

    it('when a bank prepares what it has not announced', async () => {
      await banks.prepareAnything('bank_b');
      assert.deepEqual(await banks.always('transfer2pc'), [`${gid}: prepared at bank_b, where it is not announced`]);
    });

    it('when one bank commits, and another rolls back: a split', async () => {
      await banks.atBanks('prepare');
      await banks.atBank('bank_a', 'commit');
      await banks.atBank('bank_b', 'commit');
      await banks.atBank('bank_c', 'rollback');
      for (const scheme of ['transfer2pc', 'transfer3pc'] as const) {
        assert.deepEqual(await banks.always(scheme), [
          `${gid}: moved elsewhere, at bank_c it is dropped`,
          '2992000 cents are on the accounts, and 0 to come: 3000000 were paid in',
        ]);
      }
    });
  });

  describe('leaves nothing behind', () => {
    it('when it has ended', async () => {
      await banks.each(legNames, 'try');
      await banks.each(legNames, 'confirm');
      assert.deepEqual(await banks.leftovers(), []);
    });

    it('but a hold, and what it freezes, when a TCC has not', async () => {
      await banks.act('from-1', 'try');
      assert.deepEqual(await banks.leftovers(), [
        `bank_a: a hold is left, of ${gid} from-1`,
        'bank_a: 3000 cents of a001 are frozen, by 1 holds',
      ]);
    });

    it('but frozen money, when a hold has ended and not let go of it', async () => {
      await banks.damage('bank_a', `update accounts set held = 5 where account = 'a001'`);
      assert.deepEqual(await banks.leftovers(), ['bank_a: 5 cents of a001 are frozen, by 0 holds']);
      assert.deepEqual(await banks.always(), ['bank_a:a001: 5 cents of it are held, its holds come to 0']);
    });

    it('when a bank has announced what was barred before: a scan drops it', async () => {
      await banks.atBank('bank_a', 'rollback');
      const values = `('${gid}', 'bank_a', 3000, 0)`;
      await banks.run('bank_a', `insert into transfers (gid, branch, debits, credits) values ${values}`);
      assert.deepEqual(await banks.leftovers(), []);
    });

    it('but what is prepared and announced, when a two-phase commit has not', async () => {
      await banks.atBank('bank_a', 'prepare');
      assert.deepEqual(await banks.leftovers(), [
        `bank_a: a prepared transaction is left, of ${gid}`,
        `bank_a: ${gid} is announced, and neither moved nor dropped`,
      ]);
    });

    it('but a lock, when a saga has not let it go', async () => {
      await banks.lock('bank_a', 'a001');
      assert.deepEqual(await banks.leftovers(), [`bank_a: a001 is still locked by ${gid}`]);
    });
  });

  it('is asked for by every scheme as often as by every other, in an order of the seed', async () => {
    const [wanted, others] = [await transfers.wanted(7, 52, 'mixed'), await transfers.wanted(8, 52, 'mixed')];
    const counts = transfers.mix.map((name) => wanted.filter(({ transaction }) => transaction === name).length);
    assert.deepEqual(counts.toSorted(), [10, 10, 10, 11, 11]);
    const names = (list: typeof wanted) => list.map(({ transaction }) => transaction);
    assert.notDeepEqual(names(wanted), names(others));
  });
});
