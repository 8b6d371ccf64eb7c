import assert from 'node:assert/strict';
import postgres from 'postgres';
import { announcementsOf } from '../../../src/kit/database/announcement/announcements.js';
import { createGuard, postgresJsDatabase, type Database } from '../../../src/kit/database/index.js';
import type { Fate } from '../../../src/kit/workflow/fate.js';
import { add, counted, newGid, op, Stage } from './support/stage.js';

const ME = 'direct:me';
const FATE: Fate = { state: 'committed', transaction: 't', inputHash: 'hash', lane: 'direct', result: 7 };

describe('ends of transactions', () => {
  const stage = new Stage();

  /** Transactions that a process drives, each with its first step applied. */
  const announced = (count: number): Promise<string[]> =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const gid = newGid();
        const announcement = { start: { transaction: 't' } as never, takeOverMs: 60_000, written: () => undefined };
        await createGuard(stage.db).apply(op(gid, 'action', { driver: ME, announcement }), {}, add(gid, 1));
        return gid;
      }),
    );
  const endAll = (db: Database, gids: readonly string[], timeoutMs = 5_000) => {
    const at = announcementsOf(db);
    return Promise.all(gids.map((gid) => at.end(gid, ME, 'running', FATE, timeoutMs)));
  };
  const endedOf = async (gids: readonly string[]): Promise<string[]> => {
    const rows = await stage.db.run<{ gid: string }>(
      `select gid from backstitch.guard g where gid = any($1) and fate->>'state' = 'committed' and fate_at is not null
       and not exists (select from backstitch.announcements a where a.gid = g.gid) order by gid`,
      [gids],
    );
    return rows.map(({ gid }) => gid);
  };

  it('that come while one is under way go together: two round trips for any number of them', async () => {
    const { db, take, close } = await counted(stage.url);
    const gids = await announced(30);
    assert.deepEqual(new Set(await endAll(db, gids)), new Set([true]));
    assert.equal(take(), 2);
    assert.deepEqual(await endedOf(gids), [...gids].sort());
    await close();
  });

  it('are each told by itself: what is another driver’s is not ended', async () => {
    const gids = await announced(8);
    const [first, other, last] = [gids[0] ?? '', gids[4] ?? '', gids[7] ?? ''];
    for (const gid of [first, other, last]) assert.ok(await announcementsOf(stage.db).handOver(gid, ME));
    const won = await endAll(stage.db, gids);
    assert.deepEqual(won, [false, true, true, true, false, true, true, false]);
    assert.equal((await endedOf(gids)).length, 5);
  });

  it('wait for no lock that another one meets', async () => {
    const gids = await announced(6);
    const locked = gids[3] ?? '';
    const rival = await stage.pool.connect();
    try {
      await rival.query('begin');
      await rival.query('select from backstitch.announcements where gid = $1 for update', [locked]);
      const at = announcementsOf(stage.db);
      const ends = gids.map((gid) => at.end(gid, ME, 'running', FATE, 20_000));
      const others = ends.filter((_, index) => gids[index] !== locked);
      assert.deepEqual(await Promise.all(others), [true, true, true, true, true]);
      assert.deepEqual((await endedOf(gids)).includes(locked), false);
      await rival.query('commit');
      assert.equal(await ends[3], true);
    } finally {
      rival.release();
    }
  });

  it('whose answer is lost are asked for again; those that were written hear that they are not theirs any more', async () => {
    const gids = await announced(5);
    let calls = 0;
    const losing: Database = {
      ...stage.db,
      runAll: async (text, lists, timeoutMs) => {
        await stage.db.runAll?.(text, lists, timeoutMs);
        calls++;
        throw new Error('the connection is lost');
      },
    };
    assert.deepEqual(await endAll(losing, gids), [true, false, false, false, false]);
    assert.equal(calls, 1);
    assert.equal((await endedOf(gids)).length, 5);
  });

  it('that cannot be written together are written by themselves', async () => {
    const gids = await announced(5);
    const failing: Database = { ...stage.db, runAll: () => Promise.reject(new Error('it was rolled back')) };
    assert.deepEqual(await endAll(failing, gids), [true, true, true, true, true]);
  });

  it('are refused when their time is over', async () => {
    const [gid = ''] = await announced(1);
    await assert.rejects(announcementsOf(stage.db).end(gid, ME, 'running', FATE, -1), /no time left/);
    assert.deepEqual(await endedOf([gid]), []);
  });

  it('with a client that cannot send them together are sent one by one', async () => {
    const client = postgres(stage.url, { max: 2, onnotice: () => undefined });
    const gids = await announced(4);
    assert.deepEqual(await endAll(postgresJsDatabase(client as never), gids), [true, true, true, true]);
    await client.end();
  });
});
