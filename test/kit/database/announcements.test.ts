import assert from 'node:assert/strict';
import { announcementsOf } from '../../../src/kit/database/announcement/announcements.js';
import { createGuard } from '../../../src/kit/database/index.js';
import type { Fate } from '../../../src/kit/workflow/fate.js';
import { add, newGid, op, Stage } from './support/stage.js';

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
  const end = async (ended: Partial<Fate>) => {
    const gid = newGid();
    await createGuard(stage.db).apply(op(gid, 'action'), {}, add(gid, 1));
    const announcements = announcementsOf(stage.db);
    await announcements.adopt(gid);
    const fate = { transaction: 'order', inputHash: 'hash', lane: 'workflow', ...ended } as Fate;
    assert.equal(await announcements.end(gid, 'workflow', undefined, fate), true);
    return announcements.look(gid);
  };

  for (const result of ['half a pair: \ud800', { zero: '\0' }, 2 ** 60]) {
    it(`is written though its result cannot be stored (${JSON.stringify(result)}), and says so`, async () => {
      const { announced, fate } = await end({ state: 'committed', result });
      assert.equal(announced, undefined);
      assert.ok(fate?.state === 'committed' && fate.result === undefined);
      assert.match(fate.unstored ?? '', /which JSON in PostgreSQL does not carry/);
    });
  }

  it('is written though its failure cannot be stored as it is', async () => {
    const report = { cause: { type: 'No', message: 'a zero: \0' } } as never;
    const { fate } = await end({ state: 'compensated', report, message: 'a zero: \0' });
    assert.ok(fate?.state === 'compensated' && fate.message === 'a zero: \ufffd');
  });
});
