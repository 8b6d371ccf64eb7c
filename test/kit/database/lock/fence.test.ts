import assert from 'node:assert/strict';
import { fence, Fenced, forgetFences, type Sql } from '../../../../src/kit/database/index.js';
import { Gate } from '../inbox/support.js';
import { fresh, LockStage } from '../idempotency/stage.js';

describe('a fence', () => {
  const stage = new LockStage();
  const open = async () => {
    const name = fresh('resource');
    await stage.db.run(`insert into resources (name, value) values ($1, 'new')`, [name]);
    return name;
  };
  const write = (name: string, token: number, before: (sql: Sql) => Promise<void> = () => Promise.resolve()) =>
    stage.db.transaction(async (sql) => {
      await fence(sql, name, token, { timeoutMs: 2_000 });
      await before(sql);
      await sql('update resources set value = $2 where name = $1', [name, `by ${token}`]);
    });
  const value = async (name: string) =>
    (await stage.one<{ value: string }>('select value from resources where name = $1', name)).value;

  it('lets the same holder write again, and a later one; an earlier one not any more', async () => {
    const name = await open();
    await write(name, 5);
    await write(name, 5);
    await write(name, 7);
    await assert.rejects(write(name, 5), (error: Error) => {
      assert.ok(error instanceof Fenced);
      assert.match(error.message, /with token 5 is refused: one with 7 was before it/);
      return true;
    });
    assert.equal(await value(name), 'by 7');
    await assert.rejects(write(name, 1.5), TypeError);
  });

  it('of two at once: the earlier is refused, or was first', async () => {
    for (let round = 0; round < 20; round++) {
      const name = await open();
      const [earlier, later] = await Promise.allSettled([write(name, 1), write(name, 2)]);
      assert.equal(later.status, 'fulfilled');
      assert.ok(earlier.status === 'fulfilled' || earlier.reason instanceof Fenced);
      assert.equal(await value(name), 'by 2');
    }
  });

  it('a holder that is stopped in its transaction holds up the next for a while only, and commits nothing', async () => {
    const name = await open();
    const gate = new Gate();
    const stopped = write(name, 1, () => gate.pass());
    stopped.catch(() => undefined);
    await gate.reached;
    // It waits for half of its own time; then it is tried again.
    for (let tries = 1; ; tries++) {
      const error = await write(name, 2).then(
        () => undefined,
        (thrown: unknown) => thrown as Error & { code?: string },
      );
      if (error === undefined) break;
      assert.ok(tries < 20 && error.code === '55P03', error.message);
    }
    gate.open();
    await assert.rejects(stopped);
    assert.equal(await value(name), 'by 2');
  });

  it('is forgotten when nobody has written for long', async () => {
    const name = await open();
    await write(name, 9);
    await stage.db.run(`update backstitch.fences set fenced_at = fenced_at - interval '31 days' where resource = $1`, [
      name,
    ]);
    assert.equal(await forgetFences(stage.db), 1);
  });
});
