import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { transfer2pcTransaction } from '../../src/contracts/transactions.js';
import { bankNames, transferGid, type BankName, type Transfer } from '../../src/contracts/transfer.js';
import {
  decide,
  scanNow,
  transactionClient,
  TransactionCompensated,
  type StartOptions,
} from '../../src/kit/client/index.js';
import { createPrepared, type Database, type Op, type Operation, type Prepared } from '../../src/kit/database/index.js';
import { endInDoubt, type InDoubtWatch } from '../../src/kit/worker/in-doubt.js';
import { TRANSACTION_QUERY, type TransactionView } from '../../src/kit/workflow/index.js';
import { createShopWorker } from '../../src/worker.js';
import { ShopWorld } from '../workflows/support.js';

describe('what is in doubt', function () {
  this.timeout(120_000);
  const world = new ShopWorld();
  let databases: Record<BankName, Database>;
  let prepared: Record<BankName, Prepared>;
  before(async () => {
    const of = <T>(make: (bank: BankName) => T) =>
      Object.fromEntries(bankNames.map((bank) => [bank, make(bank)])) as Record<BankName, T>;
    databases = of((bank) => world.database(bank));
    prepared = of((bank) => createPrepared({ database: databases[bank] }));
    for (const bank of bankNames) await world.sql(bank, OPEN_ACCOUNTS, [['alice', 'frozen'], 100_000]);
    await world.sql('bank_c', `update accounts set status = 'frozen' where account = 'frozen'`);
  });
  afterEach('nothing is left prepared', async () => {
    world.faults.clear();
    for (const bank of bankNames) {
      for (const { name } of await prepared[bank].inDoubt({ olderThanMs: 0 })) {
        await databases[bank].run(`rollback prepared '${name}'`);
      }
    }
  });

  /** Scans, as if everything were old. */
  const scan = (more: Partial<InDoubtWatch> = {}) =>
    endInDoubt(
      { inDoubtMs: 0, inDoubtAlarmMs: 0 },
      {
        ...{ client: world.client, databases, who: 'test', signal: new AbortController().signal },
        beat: () => undefined,
        onFailure: (what, message) => assert.fail(`${what}: ${message}`),
        ...more,
      },
    );
  const inDoubt = async () => {
    const found = await Promise.all(bankNames.map((bank) => prepared[bank].inDoubt({ olderThanMs: 0 })));
    return found.flat().map(({ gid, branch }) => `${gid}/${branch}`);
  };
  const operation = (gid: string, bank: BankName, op: Op): Operation => ({
    ...{ gid, branch: bank, op, scheme: '2pc', seq: 1, function: `${bank}.move.${op}`, driver: 'test', who: 'test' },
    ...{ attempt: 1, timeoutMs: 10_000, signal: new AbortController().signal },
  });
  /** Prepares a branch as if a coordinator had asked for it. */
  const prepare = (gid: string, bank: BankName) =>
    prepared[bank].prepare(operation(gid, bank, 'prepare'), {}, (sql) =>
      sql(`select from accounts where account = 'alice' for update`),
    );
  const phase1 = async (gid: string, bank: BankName) => {
    const text = 'select outcome from backstitch.guard where gid = $1 and phase = 1';
    return (await world.sql<{ outcome: string }>(bank, text, [gid]))[0]?.outcome;
  };

  const given = (account = 'alice'): Transfer => ({
    id: randomUUID().slice(0, 8),
    from: [
      { bank: 'bank_a', account: 'alice', amount: 10 },
      { bank: 'bank_b', account: 'alice', amount: 10 },
    ],
    to: [{ bank: 'bank_c', account, amount: 20 }],
  });
  const start = async (input: Transfer, options: StartOptions = {}) => {
    const { gid } = await world.transactions.of(transfer2pcTransaction).start(input, options);
    return { gid, handle: world.client.workflow.getHandle(gid) };
  };
  /** Waits until the view of a transaction is as it is asked. */
  const until = async (gid: string, holds: (view: TransactionView) => boolean) => {
    while (!holds(await world.client.workflow.getHandle(gid).query<TransactionView>(TRANSACTION_QUERY)));
  };

  describe('without a coordinator that anybody knows', () => {
    it('is left, and an alarm tells: that nobody knows it proves nothing', async () => {
      const gid = `lost-${randomUUID()}`;
      await prepare(gid, 'bank_a');
      const { ended, old } = await scan();
      assert.deepEqual([ended, old.map((each) => each.branch)], [[], ['bank_a']]);
      assert.match(old[0]?.message ?? '', /^at bank_a: no coordinator of it is known, and no database proves/);
      assert.deepEqual(await inDoubt(), [`${gid}/bank_a`]);
    });

    it('is rolled back where another branch was barred or refused: not all can have voted yes', async () => {
      const gid = `lost-${randomUUID()}`;
      await prepare(gid, 'bank_a');
      await prepared.bank_b.rollback(operation(gid, 'bank_b', 'rollback'), {});
      assert.deepEqual((await scan()).ended, [{ gid, branch: 'bank_a', end: 'rollback' }]);
      assert.equal(await phase1(gid, 'bank_a'), 'barred');
    });

    it('is left once it is old, whatever is proven: a person may have decided, of whom nobody knows any more', async () => {
      const input = given();
      world.faults.set({ function: 'bank_b.move.commit', kind: 'fail', attempts: 1_000, gid: transferGid(input.id) });
      const { gid, handle } = await start(input, { forwardWindow: '1 second' });
      await until(gid, ({ desk }) => desk.length === 1);
      await decide(world.client, gid, { branch: 'bank_b', action: 'skip', actor: 'ann', reason: 'paid by hand' });
      await assert.rejects(handle.result());
      // As its retention does, days later.
      const { workflowService, options } = world.client;
      const execution = { workflowId: gid, runId: (await handle.describe()).runId };
      await workflowService.deleteWorkflowExecution({ namespace: options.namespace, workflowExecution: execution });
      while ((await handle.describe().catch(() => undefined)) !== undefined);
      const late = (database: Database): Database => ({
        ...database,
        run: async <Row extends object>(text: string, values?: readonly unknown[], ms?: number) => {
          const rows = await database.run<Row>(text, values, ms);
          return rows.map((row) => ('age' in row ? { ...row, age: String(24 * 3_600_000) } : row));
        },
      });
      const aged = Object.fromEntries(bankNames.map((bank) => [bank, late(databases[bank])]));
      const { ended, old } = await scan({ databases: aged });
      assert.deepEqual([ended, old.map((each) => each.branch)], [[], ['bank_b']]);
      assert.match(
        old[0]?.message ?? '',
        /^at bank_b: no coordinator of it is known, which may have left it to a person/,
      );
      assert.deepEqual(await inDoubt(), [`${gid}/bank_b`]);
    });

    it('is committed where another branch is committed: that all do was decided', async () => {
      const gid = `lost-${randomUUID()}`;
      for (const bank of ['bank_a', 'bank_b'] as const) await prepare(gid, bank);
      await prepared.bank_b.commit(operation(gid, 'bank_b', 'commit'), {});
      assert.deepEqual((await scan()).ended, [{ gid, branch: 'bank_a', end: 'commit' }]);
      assert.equal(await phase1(gid, 'bank_a'), 'applied');
    });
  });

  it('is left to its coordinator while that runs; once that is terminated, it is settled', async () => {
    const input = given();
    world.faults.set({ function: 'bank_c.move.prepare', kind: 'hang', gid: transferGid(input.id) });
    const { gid, handle } = await start(input, { deadline: '1 hour' });
    await until(gid, ({ branches }) =>
      branches.some(({ branch, state }) => branch === 'bank_c' && state === 'running'),
    );
    const running = await scan();
    assert.deepEqual(running.ended, []);
    assert.match(running.old[0]?.message ?? '', /its coordinator runs/);
    assert.deepEqual(await inDoubt(), [`${gid}/bank_a`, `${gid}/bank_b`]);

    await handle.terminate('a test');
    world.faults.clear();
    assert.match((await scan()).old[0]?.message ?? '', /was ended from outside, and is being settled/);
    await assert.rejects(world.transactions.of(transfer2pcTransaction)(input), TransactionCompensated);
    assert.deepEqual(await inDoubt(), []);
  });

  it('is settled too where its coordinator was terminated between two commits: then all commit', async () => {
    const input = given();
    world.faults.set({ function: 'bank_b.move.commit', kind: 'hang', gid: transferGid(input.id) });
    const { gid, handle } = await start(input);
    await until(gid, ({ branches }) => branches.filter(({ second }) => second?.state === 'done').length === 2);
    await handle.terminate('a test');
    world.faults.clear();
    await scan();
    assert.deepEqual(await world.transactions.of(transfer2pcTransaction)(input), { id: input.id, amount: 20 });
    assert.deepEqual(await inDoubt(), []);
  });

  it('is committed too where another was lost after all had voted: that one is a case, and nothing is rolled back', async () => {
    const input = given();
    const gid = transferGid(input.id);
    for (const bank of ['bank_b', 'bank_c']) world.faults.set({ function: `${bank}.move.commit`, kind: 'hang', gid });
    const { handle } = await start(input);
    await until(gid, ({ branches }) => branches.some(({ second }) => second?.state === 'done'));
    const [lost] = await prepared.bank_c.inDoubt({ olderThanMs: 0 });
    await databases.bank_c.run(`rollback prepared '${lost?.name ?? ''}'`);
    await handle.terminate('a test');
    world.faults.clear();
    await scan();
    await until(gid, ({ desk }) => desk.length === 1);
    const { branches } = await handle.query<TransactionView>(TRANSACTION_QUERY);
    assert.deepEqual(
      branches.map(({ branch, second }) => [branch, second?.op, second?.state]),
      [
        ['bank_a', 'commit', 'done'],
        ['bank_b', 'commit', 'done'],
        ['bank_c', 'commit', 'parked'],
      ],
    );
    assert.deepEqual(
      [await phase1(gid, 'bank_a'), await phase1(gid, 'bank_b'), await inDoubt()],
      ['applied', 'applied', []],
    );
    await decide(world.client, gid, { branch: 'bank_c', action: 'resolve', actor: 'ann', reason: 'paid in by hand' });
    assert.deepEqual(await world.transactions.of(transfer2pcTransaction)(input), { id: input.id, amount: 20 });
  });

  it('is ended as its coordinator had decided, where that has ended and a database was restored since', async () => {
    const [stood, fell] = [given(), given('frozen')];
    await world.transactions.of(transfer2pcTransaction)(stood);
    await assert.rejects(world.transactions.of(transfer2pcTransaction)(fell), TransactionCompensated);
    for (const { id } of [stood, fell]) {
      await world.sql('bank_a', 'delete from backstitch.guard where gid = $1', [transferGid(id)]);
    }
    await prepare(transferGid(stood.id), 'bank_a');
    assert.deepEqual((await scan()).ended, [{ gid: transferGid(stood.id), branch: 'bank_a', end: 'commit' }]);
    await prepare(transferGid(fell.id), 'bank_a');
    assert.deepEqual((await scan()).ended, [{ gid: transferGid(fell.id), branch: 'bank_a', end: 'rollback' }]);
    assert.deepEqual(await inDoubt(), []);
  });

  it('is left, and told, where its coordinator found it prepared with another input: it is not its own', async () => {
    const input = given();
    const gid = transferGid(input.id);
    await prepare(gid, 'bank_b');
    await assert.rejects(world.transactions.of(transfer2pcTransaction)(input), TransactionCompensated);
    const { ended, old } = await scan();
    assert.deepEqual([ended, old.map(({ branch }) => branch)], [[], ['bank_b']]);
    assert.match(old[0]?.message ?? '', /, compensated, and found it prepared with another input/);
  });

  it('is left, and told, where its coordinator has ended and no worker is there to say how', async () => {
    const taskQueue = `gone-${randomUUID()}`;
    const { databaseUrls } = world;
    const worker = await createShopWorker(
      { ...world.where, taskQueue },
      { databaseUrls, poolSize: 5, faults: undefined },
    );
    const running = worker.run();
    const inputs = [given(), given()];
    const call = transactionClient(world.client, { taskQueue }).of(transfer2pcTransaction);
    for (const input of inputs) await call(input);
    await worker.stop();
    await running;
    const gids = inputs.map(({ id }) => transferGid(id));
    const banks = ['bank_a', 'bank_b'] as const;
    for (const [index, bank] of banks.entries()) {
      const gid = gids[index] ?? '';
      await world.sql(bank, 'delete from backstitch.guard where gid = $1', [gid]);
      await prepare(gid, bank);
    }
    const { ended, old } = await scan();
    assert.deepEqual([ended, old.map(({ gid }) => gid).toSorted()], [[], gids.toSorted()]);
    for (const { message } of old) {
      assert.match(message, /: its coordinator has ended, and cannot be asked what it decided \(/);
      assert.ok(message.endsWith(`: does a worker serve task queue '${taskQueue}'?`), message);
    }
    // The second is not asked: it would take as long.
    assert.equal(old.filter(({ message }) => message.includes('(no worker there has answered another one)')).length, 1);
  });

  it('gives a sign of life between whatever may take long', async () => {
    const gid = `lost-${randomUUID()}`;
    await prepare(gid, 'bank_a');
    await prepared.bank_b.rollback(operation(gid, 'bank_b', 'rollback'), {});
    const seen: string[] = [];
    const watched = Object.entries(databases).map(([bank, database]): [string, Database] => {
      const run: Database['run'] = (text, ...more) => {
        seen.push(text.startsWith('rollback prepared') ? 'end' : 'read');
        return database.run(text, ...more);
      };
      return [bank, { ...database, run }];
    });
    const beat = () => seen.push('beat');
    const { ended } = await scan({ databases: Object.fromEntries(watched), beat });
    assert.equal(ended.length, 1);
    // All are read, one is in doubt: the server was asked, then all are read again for a proof, and it is ended.
    const line = seen.filter((what, index) => what !== seen[index - 1]).join(' ');
    assert.match(line, /^read beat read beat read end (read )?beat$/);
  });

  it('is left where a person has decided about it', async () => {
    const input = given();
    world.faults.set({ function: 'bank_b.move.commit', kind: 'fail', attempts: 1_000, gid: transferGid(input.id) });
    const { gid, handle } = await start(input, { forwardWindow: '1 second' });
    await until(gid, ({ desk }) => desk.length === 1);
    await decide(world.client, gid, { branch: 'bank_b', action: 'skip', actor: 'ann', reason: 'a test' });
    await assert.rejects(handle.result());
    const { ended, old } = await scan();
    assert.deepEqual([ended, old.length], [[], 1]);
    assert.match(old[0]?.message ?? '', /^at bank_b: .*a person has decided about its commit: end it by hand/);
    await prepared.bank_b.commit({ ...operation(gid, 'bank_b', 'commit'), corrected: true }, null);
  });

  it('can only come to be where the server lets transactions be prepared: a worker says in one line if it does not', async () => {
    const { databaseUrls, where } = world;
    const lines: string[] = [];
    const worker = await createShopWorker(where, { databaseUrls, poolSize: 500, faults: undefined }, (line) => {
      lines.push(line);
    });
    const running = worker.run();
    await worker.stop();
    await running;
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', /^the banks' databases: max_prepared_transactions is \d+, .* set it to 500 or more/);
  });

  it('of a three-phase commit is told, and left: only its agent may decide; the worker looks at each of its databases', async () => {
    const gid = `other-${randomUUID()}`;
    const asked = { ...operation(gid, 'bank_a', 'prepare'), scheme: '3pc' } as const;
    await prepared.bank_a.prepare(asked, {}, (sql) => sql(`select from accounts where account = 'alice' for update`));
    const { ended, old } = await scan();
    assert.deepEqual([ended, old.map(({ branch }) => branch)], [[], ['bank_a']]);
    assert.match(old[0]?.message ?? '', /^at bank_a: no agent of it is known/);
    const lost = `lost-${randomUUID()}`;
    await prepare(lost, 'bank_b');
    await prepared.bank_c.rollback(operation(lost, 'bank_c', 'rollback'), {});
    const report = await scanNow(world.client, world.where, { inDoubtMs: 0 });
    assert.deepEqual(report.inDoubt, { ended: [{ gid: lost, branch: 'bank_b', end: 'rollback' }], old: [] });
  });
});
