import assert from 'node:assert/strict';
import { once } from 'node:events';
import { announcementsOf } from '../../../src/kit/database/announcement/announcements.js';
import { end } from '../../../src/kit/database/announcement/statements.js';
import { createGuard } from '../../../src/kit/database/index.js';
import type { Fate } from '../../../src/kit/workflow/fate.js';
import { add, never, newGid, op, refuse, Stage } from './support/stage.js';

describe('announcements that are due', () => {
  const stage = new Stage();
  const announce = async (owner: string, age: string): Promise<string> => {
    const gid = newGid();
    await stage.pool.query(
      `insert into backstitch.announcements (gid, owner, began_at, take_over_at)
       values ($1, $2, clock_timestamp() - $3::interval, clock_timestamp())`,
      [gid, owner, age],
    );
    return gid;
  };
  /** When it is looked at again, in seconds since 1970. */
  const again = async (gid: string): Promise<number> => {
    const text = `select extract(epoch from take_over_at)::float8 as at from backstitch.announcements where gid = $1`;
    return (await stage.pool.query<{ at: number }>(text, [gid])).rows[0]?.at ?? Number.NaN;
  };

  it("are taken over once, and looked at again soon; those that a workflow has had for long, such as a person's, ever less", async () => {
    const silent = await announce('direct:1', '1 day');
    const young = await announce('workflow', '20 seconds');
    const old = await announce('workflow', '20 minutes');
    const oldest = await announce('workflow', '7 days');
    const announcements = announcementsOf(stage.db);
    const taken = await announcements.takeOver(10);
    assert.deepEqual(new Set(taken.map(({ gid }) => gid)), new Set([silent, young, old, oldest]));
    assert.deepEqual(await announcements.takeOver(10), []);
    const [first = 0, ...others] = await Promise.all([silent, young, old, oldest].map(again));
    const [soon = 0, later = 0, latest = 0] = others.map((each) => Math.round(each - first));
    assert.equal(soon, 0);
    assert.ok(later >= 290 && later < 590, `${later} s`);
    assert.equal(latest, 590);
  });
});

describe('the end of a transaction', () => {
  const stage = new Stage();
  /** Ends a transaction that a workflow has taken over. @returns how it stands then */
  const ended = async (how: Partial<Fate>) => {
    const gid = newGid();
    await createGuard(stage.db).apply(op(gid, 'action'), {}, add(gid, 1));
    const announcements = announcementsOf(stage.db);
    await announcements.adopt(gid);
    const fate = { transaction: 'order', inputHash: 'hash', lane: 'workflow', ...how } as Fate;
    assert.equal(await announcements.end(gid, 'workflow', undefined, fate), true);
    return announcements.look(gid);
  };

  for (const result of ['half a pair: \ud800', { zero: '\0' }, 2 ** 60]) {
    it(`is written though its result cannot be stored (${JSON.stringify(result)}), and says so`, async () => {
      const { announced, fate } = await ended({ state: 'committed', result });
      assert.equal(announced, undefined);
      assert.ok(fate?.state === 'committed' && fate.result === undefined);
      assert.match(fate.unstored ?? '', /which JSON in PostgreSQL does not carry/);
    });
  }

  it('that came with a refused first step is found by every other first step, which does nothing', async () => {
    const gid = newGid();
    const guard = createGuard(stage.db);
    const announcements = announcementsOf(stage.db);
    await announcements.adopt(gid);
    const refused = op(gid, 'action', { driver: 'workflow:1', adopted: true });
    await assert.rejects(guard.apply(refused, {}, refuse), { name: 'Rejection' });
    const fate = {
      transaction: 'order',
      inputHash: 'hash',
      lane: 'workflow',
      state: 'compensated',
      message: '',
    } as Fate;
    assert.equal(await announcements.end(gid, 'workflow', undefined, fate), true);
    const announcement = { start: '{"transaction":"order"}', takeOverMs: 60_000, written: () => undefined };
    const other = op(gid, 'action', { branch: 'other', driver: 'direct:2', announcement });
    await assert.rejects(guard.apply(other, {}, never), { name: 'DrivenElsewhere' });
    const { announced, fate: found } = await announcements.look(gid);
    assert.deepEqual([announced, found?.state], [undefined, 'compensated']);
  });

  it('is given up by the server itself when its client falls silent in the middle of several', async () => {
    const gids = [newGid(), newGid()];
    for (const gid of gids) await announcementsOf(stage.db).adopt(gid);
    const [first = ''] = gids;
    const client = await stage.pool.connect();
    const lost = once(client, 'error');
    await client.query('begin');
    const fate = JSON.stringify({ state: 'committed', transaction: 'order', inputHash: 'hash', lane: 'workflow' });
    await client.query(end, [first, 'workflow', null, fate, '100', '300']);
    // Nothing more comes from it.
    await lost;
    client.release(true);
    assert.notEqual((await announcementsOf(stage.db).look(first)).announced, undefined);
    const due = `update backstitch.announcements set take_over_at = clock_timestamp() where gid = $1`;
    await stage.pool.query(due, [first]);
    assert.deepEqual(
      (await announcementsOf(stage.db).takeOver(10)).map(({ gid }) => gid),
      [first],
    );
  });

  it('is written though its failure cannot be stored as it is', async () => {
    const report = { cause: { type: 'No', message: 'a zero: \0' } } as never;
    const { fate } = await ended({ state: 'compensated', report, message: 'a zero: \0' });
    assert.ok(fate?.state === 'compensated' && fate.message === 'a zero: \ufffd');
  });
});
