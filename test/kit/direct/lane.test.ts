import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DirectWatcher, Driven } from '../../../src/kit/client/direct.js';
import {
  createGuard,
  guardMigrations,
  migrate,
  pgDatabase,
  type Database,
  type Probe,
} from '../../../src/kit/database/index.js';
import { directLane, type DirectLaneOptions } from '../../../src/kit/direct/index.js';
import { saga, type Operation, type Tx } from '../../../src/kit/workflow/index.js';
import { sleep as workflowSleep } from '@temporalio/workflow';
import { testDatabase, type TestDatabase } from '../../support/servers.js';

/** What steps do, at each end: `before` anything is sent, `after` it is committed. */
type At = (operation: Operation, when: 'before' | 'after') => Promise<void> | void;

describe('the lane of a process', () => {
  let database: TestDatabase;
  const pools: pg.Pool[] = [];
  const open = (max: number): { pool: pg.Pool; db: Database } => {
    const pool = new pg.Pool({ connectionString: database.url, max });
    pools.push(pool);
    return { pool, db: pgDatabase(pool) };
  };
  let db: Database;
  let pool: pg.Pool;
  before(async () => {
    database = await testDatabase();
    ({ db, pool } = open(10));
    await migrate(db, 'guard', guardMigrations);
    await db.run('create table effects (gid text, step text, primary key (gid, step))');
  });
  after(async () => {
    await Promise.all(pools.map((each) => each.end()));
    await database.drop();
  });

  const step = { name: 'shop.step' } as never;
  const threeSteps = async (tx: Tx) => {
    for (const name of ['one', 'two', 'three']) await tx.run(name, step, {});
  };
  const laneOf = (
    {
      body = threeSteps,
      at,
      probe,
      on = db,
    }: { body?: (tx: Tx) => Promise<unknown>; at?: At; probe?: Probe; on?: Database },
    options: Partial<DirectLaneOptions> = {},
  ) => {
    const guard = createGuard(on, { probe });
    const calls: string[] = [];
    const action = async (operation: Operation, input: unknown) => {
      calls.push(operation.branch);
      await at?.(operation, 'before');
      await guard.apply(operation, input, async (sql) => {
        await sql('insert into effects values ($1, $2)', [operation.gid, operation.branch]);
      });
      await at?.(operation, 'after');
    };
    const compensation = (operation: Operation, input: unknown) =>
      guard.undo(operation, input, async (sql) => {
        await sql('delete from effects where gid = $1 and step = $2', [operation.gid, operation.branch]);
      });
    const lane = directLane({
      sagas: { order: saga({}, body) },
      participants: { shop: { step: { action, compensation } } },
      databases: { shop: on },
      ...options,
    });
    const drive = (gid: string, more: { input?: unknown; summary?: string; watcher?: DirectWatcher } = {}) => {
      const { input = {}, summary, watcher } = more;
      const start = {
        transaction: 'order',
        scheme: 'saga',
        taskQueue: 'none',
        input,
        inputHash: 'same',
        summary,
      } as const;
      return lane.drive({ gid, start, watcher });
    };
    return { lane, drive, calls };
  };
  const announced = async (gid: string) =>
    (await db.run<{ owner: string }>('select owner from backstitch.announcements where gid = $1', [gid]))[0]?.owner;
  const effects = async (gid: string) =>
    (await db.run<{ step: string }>('select step from effects where gid = $1 order by step', [gid])).map((e) => e.step);
  const whyOf = (driven: Driven): string => ('why' in driven ? String(driven.why) : driven.how);

  it('gives a transaction to a workflow when its end is not answered in time: nobody waits for the lock for longer', async () => {
    const gid = randomUUID();
    const holder = await pool.connect();
    const { drive } = laneOf(
      {
        at: async ({ branch }, when) => {
          if (branch !== 'three' || when !== 'after') return;
          await holder.query('begin');
          await holder.query('select 1 from backstitch.announcements where gid = $1 for update', [gid]);
        },
      },
      { callMs: 1_000 },
    );
    const driven = await drive(gid);
    assert.equal(driven.how, 'handed-over');
    const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    while ((await db.run(waiting)).length > 0) await sleep(10);
    await holder.query('rollback');
    holder.release();
    assert.match((await announced(gid)) ?? '', /^direct:/);
  });

  it('gives a transaction to a workflow when its database is silent at its end', async () => {
    const gid = randomUUID();
    const silent: Database = { ...db, run: () => new Promise(() => undefined) };
    const { drive } = laneOf({}, { callMs: 1_000, databases: { shop: silent } });
    assert.match(whyOf(await drive(gid)), /whether it has ended is not known/);
  });

  it('gives up a body that waits for something else than its steps for too long', async () => {
    const gid = randomUUID();
    const body = async (tx: Tx) => {
      await tx.run('one', step, {});
      await new Promise(() => undefined);
    };
    const { drive } = laneOf({ body }, { takeOverMs: 1_000 });
    assert.match(whyOf(await drive(gid)), /too long/);
    assert.equal(await announced(gid), 'workflow');
  });

  it('drives no more at a time than it may, and refuses what may not even wait', async () => {
    let now = 0;
    let most = 0;
    const at: At = async ({ branch }, when) => {
      if (branch === 'one' && when === 'before') most = Math.max(most, ++now);
      if (branch === 'three' && when === 'after') now--;
      await sleep(1);
    };
    const { drive } = laneOf({ at }, { atATime: 2, waiting: 3 });
    const driven = await Promise.all(Array.from({ length: 7 }, () => drive(randomUUID())));
    assert.deepEqual(
      driven.map(({ how }) => how),
      [...Array<string>(5).fill('ended'), 'no-turn', 'no-turn'],
    );
    assert.equal(most, 2);
  });

  it('does not begin what nobody waits for when its turn comes', async () => {
    let isGone = false;
    const watcher: DirectWatcher = {
      isGone: () => isGone,
      ...{ begun: () => assert.fail('it has begun'), announced: () => undefined, undoing: () => undefined },
    };
    const { drive, calls } = laneOf({ at: () => void (isGone = true) }, { atATime: 1 });
    const first = drive(randomUUID());
    const second = await drive(randomUUID(), { watcher });
    assert.equal((await first).how, 'ended');
    assert.equal(second.how, 'no-turn');
    assert.deepEqual(calls, ['one', 'two', 'three']);
  });

  it('waits here for a connection of the first step: that alone makes no workflow', async () => {
    const gid = randomUUID();
    const busy = open(1);
    const held = await busy.pool.connect();
    const { drive, calls } = laneOf({ on: busy.db }, { callMs: 700 });
    const driven = drive(gid);
    while (calls.length < 3) await sleep(10);
    held.release();
    assert.equal((await driven).how, 'ended');
    assert.deepEqual(await effects(gid), ['one', 'three', 'two']);
  });

  it('gives it to a workflow from its beginning when there is no connection at all', async () => {
    const gid = randomUUID();
    const busy = open(1);
    const held = await busy.pool.connect();
    const { drive } = laneOf({ on: busy.db }, { callMs: 100, takeOverMs: 400 });
    assert.equal((await drive(gid)).how, 'not-begun');
    held.release();
    assert.deepEqual(await effects(gid), []);
  });

  it('gives it to a workflow though whoever is told of that fails', async () => {
    const gid = randomUUID();
    const at: At = ({ branch }, when) => {
      if (branch === 'two' && when === 'after') throw new Error('lost');
    };
    const onHandOver = () => {
      throw new Error('the logger is full');
    };
    const { drive } = laneOf({ at }, { onHandOver });
    assert.equal((await drive(gid)).how, 'handed-over');
    assert.equal(await announced(gid), 'workflow');
  });

  it('gives it to a workflow when the body sleeps, or does what else only a workflow can', async () => {
    const gid = randomUUID();
    const body = async (tx: Tx) => {
      await tx.run('one', step, {});
      await workflowSleep(10);
      await tx.run('two', step, {});
    };
    const { drive, calls } = laneOf({ body });
    assert.match(whyOf(await drive(gid)), /only a workflow can do/);
    assert.deepEqual(calls, ['one']);
    assert.equal(await announced(gid), 'workflow');
  });

  it('calls nothing more once it has given a transaction up', async () => {
    const gid = randomUUID();
    const body = (tx: Tx) =>
      tx.parallel(
        () => tx.run('one', step, {}),
        () => tx.run('two', step, {}),
        () => tx.run('three', step, {}),
      );
    const at: At = (_, when) => {
      if (when === 'after') throw new Error('lost');
    };
    const { drive, calls } = laneOf({ body, at });
    assert.equal((await drive(gid)).how, 'handed-over');
    assert.deepEqual(calls, ['one']);
  });

  it('begins nothing that no workflow could take over: its id, its input or its summary are too large for the server', async () => {
    const { drive, calls } = laneOf({});
    assert.equal((await drive('g'.repeat(1_001))).how, 'not-begun');
    assert.equal((await drive(randomUUID(), { summary: 's'.repeat(500) })).how, 'not-begun');
    assert.deepEqual(calls, []);
    const gid = randomUUID();
    assert.match(whyOf(await drive(gid, { input: 'x'.repeat(1_600_000) })), /1500000 bytes/);
    assert.deepEqual([await effects(gid), await announced(gid)], [[], undefined]);
  });

  it('ends: begins nothing more, waits for what is under way, and gives the rest to workflows that start at once', async () => {
    const [slow, hanging, late] = [randomUUID(), randomUUID(), randomUUID()];
    let reached = 0;
    let go: () => void = () => undefined;
    const free = new Promise<void>((resolve) => (go = resolve));
    const at: At = async ({ gid, branch }, when) => {
      if (branch !== 'two' || when !== 'after') return;
      reached++;
      if (gid === slow) await free;
      if (gid === hanging) await new Promise(() => undefined);
    };
    const { lane, drive } = laneOf({ at }, { callMs: 60_000, takeOverMs: 240_000 });
    const underWay = [drive(slow), drive(hanging)];
    while (reached < 2) await sleep(5);
    const closed = lane.close(2_000);
    assert.equal((await drive(late)).how, 'not-begun');
    go();
    await closed;
    assert.deepEqual(
      (await Promise.all(underWay)).map(({ how }) => how),
      ['ended', 'handed-over'],
    );
    assert.equal(await announced(hanging), 'workflow');
    const due = 'select 1 from backstitch.announcements where gid = $1 and take_over_at <= clock_timestamp()';
    assert.equal((await db.run(due, [hanging])).length, 1);
    await lane.close();
  });

  it('refuses limits that make no sense', () => {
    const wrong = [
      { takeOverMs: 0 },
      { callMs: Number.NaN },
      { atATime: 0 },
      { waiting: -1 },
      { takeOverMs: Infinity },
    ];
    for (const options of wrong) assert.throws(() => laneOf({}, options), TypeError);
  });
});
