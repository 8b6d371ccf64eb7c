import assert from 'node:assert/strict';
import { createShop, migrateShop, serviceNames, type ServiceName, type Shop } from '../../../src/activities/index.js';
import { bankNames, transferGid, type BankName, type Transfer } from '../../../src/contracts/transfer.js';
import type { Operation, Scheme } from '../../../src/kit/workflow/branch.js';
import { operation } from '../../activities/support.js';
import { benchDatabases, type BenchTestDatabases } from '../../bench/support/databases.js';
import type { Place, TransactionName, Wanted } from './business.js';
import { transfers } from './transfers.js';

/** The banks of a chaos run in every state that a transfer may leave them in, and in some that none may. */
describe('what has to be so of the money in a chaos run', function () {
  this.timeout(120_000);
  let made: BenchTestDatabases<ServiceName>;
  let shop: Shop;
  let place: Place;

  before(async () => {
    made = await benchDatabases(serviceNames);
    await migrateShop(made.databases);
    shop = createShop({ databases: made.databases });
    place = { databaseUrl: (service: string) => made.url(service as ServiceName) } as Place;
  });
  after(() => made.drop());
  beforeEach(async () => {
    for (const bank of bankNames) {
      await damage(bank, 'truncate accounts, entries, holds, transfers, backstitch.guard');
      const accounts = Array.from({ length: 100 }, (_, index) => `a${String(index + 1).padStart(3, '0')}`);
      await shop.plain['banks.openAccounts']({ bank, accounts, cents: 10_000 });
    }
  });
  afterEach(async () => {
    for (const bank of bankNames) await rollBackPrepared(bank);
  });
  async function rollBackPrepared(bank: BankName): Promise<void> {
    const prepared = 'select gid as name from pg_prepared_xacts where database = current_database()';
    for (const { name } of await made.databases[bank].run<{ name: string }>(prepared))
      await made.plain[bank].run(`rollback prepared '${name}'`);
  }

  /** 30.00 and 50.00 to a third account, each at a bank of its own. */
  const input: Transfer = {
    id: 'c1',
    from: [
      { bank: 'bank_a', account: 'a001', amount: 3_000 },
      { bank: 'bank_b', account: 'a001', amount: 5_000 },
    ],
    to: [{ bank: 'bank_c', account: 'a001', amount: 8_000 }],
  };
  const gid = transferGid(input.id);
  const wantedBy = (transaction: TransactionName): Wanted[] => [
    { gid, transaction, input, plan: { lane: 'durable', retries: 0, deadline: 1_000 } },
  ];
  const always = (transaction: TransactionName) => transfers.always(place, wantedBy(transaction));

  const legs = { 'from-1': input.from[0], 'from-2': input.from[1], 'to-1': input.to[0] };
  type LegName = keyof typeof legs;
  const of = (name: string, call: Partial<Operation>) => operation(name, gid, call);
  /** Does something with one leg. */
  async function act(leg: LegName, what: 'do' | 'undo' | 'try' | 'confirm' | 'cancel'): Promise<void> {
    const { bank, account, amount } = legs[leg] ?? assert.fail();
    const participant = shop.participants[bank];
    const isDebit = leg !== 'to-1';
    const move = { account, amount };
    const call = (op: string, scheme: Scheme) => of(`${bank}.x.${op}`, { branch: leg, scheme });
    const step = participant[isDebit ? 'debit' : 'credit'];
    const held = participant[isDebit ? 'withdraw' : 'deposit'];
    if (what === 'do') await step.action(call('action', 'saga'), move);
    else if (what === 'undo') await step.compensation(call('compensation', 'saga'), move);
    else await held[what](call(what, 'tcc'), move);
  }
  /** Does something with what is moved at one bank. */
  async function atBank(bank: BankName, what: 'prepare' | 'commit' | 'rollback'): Promise<void> {
    const moves = (side: 'from' | 'to') =>
      input[side].flatMap(({ bank: at, account, amount }, index) =>
        at === bank ? [{ leg: `${side}-${index + 1}`, account, amount }] : [],
      );
    const asked = { from: moves('from'), to: moves('to') };
    const { move } = shop.participants[bank];
    const call = of(`${bank}.move.${what}`, { branch: bank, scheme: '2pc' });
    if (what === 'prepare') await move.prepare(call, asked);
    else if (what === 'commit') await move.commit(call, asked, 'yes');
    else await move.rollback(call, asked, undefined);
  }
  /** Adds a movement to a bank's entries, as the bank itself would: two entries that sum to 0. */
  const enter = (bank: BankName, branch: string, kind: string, account: string, amount: number) =>
    made.databases[bank].run(
      `insert into entries (gid, branch, kind, account, amount) values ($1, $2, $3, $4, $5), ($1, $2, $3, 'clearing', -$5::bigint)`,
      [gid, branch, kind, account, amount],
    );
  /** Writes with all rules switched off. */
  const damage = (bank: BankName, text: string) =>
    made.databases[bank].transaction(async (sql) => {
      await sql('set local session_replication_role = replica');
      await sql(text);
    });

  const all = ['from-1', 'from-2', 'to-1'] as const;
  const done: readonly (readonly [TransactionName, () => Promise<void>])[] = [
    ['transferSaga', () => eachOf(all, 'do')],
    [
      'transferTcc',
      async () => {
        await eachOf(all, 'try');
        await eachOf(all, 'confirm');
      },
    ],
    [
      'transfer2pc',
      async () => {
        for (const bank of bankNames) await atBank(bank, 'prepare');
        for (const bank of bankNames) await atBank(bank, 'commit');
      },
    ],
  ];
  async function eachOf(some: readonly LegName[], what: Parameters<typeof act>[1]): Promise<void> {
    for (const leg of some) await act(leg, what);
  }

  describe('every moment of a transfer that goes well, or is undone', () => {
    it('by a saga', async () => {
      const steps: [LegName, 'do' | 'undo'][] = [
        ...all.map((leg) => [leg, 'do'] as [LegName, 'do']),
        ...all.toReversed().map((leg) => [leg, 'undo'] as [LegName, 'undo']),
      ];
      for (const [leg, what] of steps) {
        await act(leg, what);
        assert.deepEqual(await always('transferSaga'), [], `${what} ${leg}`);
        assert.deepEqual(await always('transferSagaLocked'), [], `${what} ${leg}`);
      }
    });

    for (const end of ['confirm', 'cancel'] as const) {
      it(`by TCC, to its ${end}`, async () => {
        for (const what of ['try', end] as const)
          for (const leg of all) {
            await act(leg, what);
            assert.deepEqual(await always('transferTcc'), [], `${what} ${leg}`);
          }
      });
    }

    for (const end of ['commit', 'rollback'] as const) {
      it(`by two-phase commit, to its ${end}`, async () => {
        for (const what of ['prepare', end] as const)
          for (const bank of bankNames) {
            await atBank(bank, what);
            for (const scheme of ['transfer2pc', 'transfer3pc'] as const)
              assert.deepEqual(await always(scheme), [], `${what} ${bank}`);
          }
      });
    }
  });

  describe('is not so', () => {
    for (const [scheme, move] of done) {
      it(`with a movement that nobody asked for, under a gid of ${scheme}`, async () => {
        await move();
        assert.deepEqual(await always(scheme), []);
        await enter('bank_c', 'to-2', 'credit', 'a002', 100);
        const [line, ...more] = await always(scheme);
        assert.equal(line, `${gid}: to-2: credit of 100 on bank_c:a002 was not asked`);
        assert.deepEqual(more, ['3000100 cents are on the accounts, and 0 to come: 3000000 were paid in']);
      });

      it(`with one that is taken back, under a gid of ${scheme}`, async () => {
        await move();
        await enter('bank_c', 'to-2', 'credit', 'a001', 100);
        await enter('bank_c', 'to-2', 'debit', 'a001', -100);
        assert.equal((await always(scheme)).length, 2);
      });

      it(`with a wrong amount that the books of the bank agree with, under a gid of ${scheme}`, async () => {
        await move();
        await damage('bank_c', `update entries set amount = amount - sign(amount) where gid = '${gid}'`);
        await damage('bank_c', `update accounts set balance = balance - 1 where account = 'a001'`);
        const lines = await always(scheme);
        assert.equal(lines[0], `${gid}: to-1: credit of 7999 on bank_c:a001 was not asked`);
        assert.equal(lines[1], `${gid}: to-1: 7999 on bank_c:a001 in all, and 8000 asked`);
      });

      it(`with money that is neither on an account nor on its way, of ${scheme}`, async () => {
        await move();
        await damage('bank_b', `update accounts set balance = balance - 1 where account = 'a050'`);
        assert.deepEqual(await always(scheme), [
          '2999999 cents are on the accounts, and 0 to come: 3000000 were paid in',
        ]);
      });
    }

    it('when nobody asked for a transfer at all', async () => {
      await act('from-1', 'do');
      const [line] = await transfers.always(place, []);
      assert.equal(line, `${gid}: has moved, held or announced money, and was never asked for`);
    });

    it('when a saga pays in before it has taken', async () => {
      await act('from-1', 'do');
      await act('to-1', 'do');
      assert.deepEqual(await always('transferSaga'), [`${gid}: money came in before it left: from-2`]);
    });

    it('when what is locked by a transfer is not of it', async () => {
      await damage('bank_c', `update accounts set locked_by = '${gid}' where account in ('a001', 'a002')`);
      assert.deepEqual(await always('transferSagaLocked'), [`bank_c:a002 is locked by ${gid}, which does not lock it`]);
      assert.equal((await always('transferSaga')).length, 2);
    });

    it('when a TCC moves before all is held, or after something was released', async () => {
      await eachOf(['from-1', 'from-2'], 'try');
      await act('from-1', 'confirm');
      const early = await always('transferTcc');
      assert.equal(early[0], `${gid}: to-1: its hold is missing, and others have moved`);
      await act('from-2', 'cancel');
      const late = await always('transferTcc');
      assert.equal(late[0], `${gid}: from-2: its hold is cancelled, and others have moved`);
    });

    it('when a TCC holds what was not asked', async () => {
      await eachOf(all, 'try');
      await damage('bank_b', `update holds set amount = 4999; update accounts set held = 4999 where account = 'a001'`);
      assert.deepEqual(await always('transferTcc'), [
        `${gid}: from-2: debit of 4999 held on bank_b:a001 was not asked`,
      ]);
    });

    it('when a bank announces what was not asked', async () => {
      await made.databases.bank_b.run(
        `insert into transfers (gid, branch, debits, credits) values ($1, 'bank_b', 4999, 0)`,
        [gid],
      );
      for (const bank of bankNames) await atBank(bank, 'prepare');
      assert.deepEqual(await always('transfer2pc'), [`${gid}: bank_b: announced are 4999 and 0, asked 5000 and 0`]);
      await atBank('bank_a', 'commit');
      assert.equal(
        (await always('transfer2pc'))[1],
        '2997000 cents are on the accounts, and 3001 to come: 3000000 were paid in',
      );
    });

    it('when one bank commits, and what another has announced is not prepared', async () => {
      for (const bank of bankNames) await atBank(bank, 'prepare');
      await atBank('bank_a', 'commit');
      await rollBackPrepared('bank_b');
      assert.deepEqual(await always('transfer2pc'), [`${gid}: moved elsewhere, at bank_b it is not prepared`]);
    });

    it('when one bank commits, and another rolls back: a split', async () => {
      for (const bank of bankNames) await atBank(bank, 'prepare');
      await atBank('bank_a', 'commit');
      await atBank('bank_b', 'commit');
      await atBank('bank_c', 'rollback');
      for (const scheme of ['transfer2pc', 'transfer3pc'] as const) {
        assert.deepEqual(await always(scheme), [
          `${gid}: moved elsewhere, at bank_c it is dropped`,
          '2992000 cents are on the accounts, and 0 to come: 3000000 were paid in',
        ]);
      }
    });
  });

  describe('leaves nothing behind', () => {
    it('when it has ended', async () => {
      for (const [, move] of done.slice(0, 1)) await move();
      assert.deepEqual(await transfers.leftovers(place), []);
    });

    it('but a hold, and what it freezes, when a TCC has not', async () => {
      await act('from-1', 'try');
      assert.deepEqual(await transfers.leftovers(place), [
        `bank_a: a hold is left, of ${gid} from-1`,
        'bank_a: 3000 cents of a001 are frozen, by 1 holds',
      ]);
    });

    it('but frozen money, when a hold has ended and not let go of it', async () => {
      await damage('bank_a', `update accounts set held = 5 where account = 'a001'`);
      assert.deepEqual(await transfers.leftovers(place), ['bank_a: 5 cents of a001 are frozen, by 0 holds']);
      assert.deepEqual(await transfers.always(place, []), ['5 cents are held on the accounts, holds come to 0']);
    });

    it('but what is prepared and announced, when a two-phase commit has not', async () => {
      await atBank('bank_a', 'prepare');
      assert.deepEqual(await transfers.leftovers(place), [
        `bank_a: a prepared transaction is left, of ${gid}`,
        `bank_a: ${gid} is announced, and neither moved nor dropped`,
      ]);
    });

    it('but a lock, when a saga has not let it go', async () => {
      const lock = of('bank_a.lock.action', { branch: 'lock-1' });
      await shop.participants.bank_a.lock.action(lock, { account: 'a001' });
      assert.deepEqual(await transfers.leftovers(place), [`bank_a: a001 is still locked by ${gid}`]);
    });
  });

  it('is asked for by every scheme as often as by every other', async () => {
    const wanted = await transfers.wanted(7, 52, 'mixed');
    const counts = transfers.mix.map((name) => wanted.filter(({ transaction }) => transaction === name).length);
    assert.deepEqual(counts.toSorted(), [10, 10, 10, 11, 11]);
    assert.notDeepEqual(
      wanted.map(({ transaction }) => transaction),
      (await transfers.wanted(8, 52, 'mixed')).map(({ transaction }) => transaction),
    );
  });
});
