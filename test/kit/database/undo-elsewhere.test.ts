import assert from 'node:assert/strict';
import { announcementsOf } from '../../../src/kit/database/announcement/announcements.js';
import { createGuard, type Operation } from '../../../src/kit/database/index.js';
import type { StartOrder } from '../../../src/kit/workflow/fate.js';
import { add, never, newGid, op, Stage } from './support/stage.js';
import { until } from '../../support/until.js';

const start: StartOrder = {
  ...{ transaction: 'buy', scheme: 'saga', taskQueue: 'none', input: {}, inputHash: 'hash' },
};
const fate = { state: 'committed', transaction: 'buy', inputHash: 'hash', lane: 'direct', result: null } as const;

/** A workflow whose own first step has no known outcome asks for its undo, and the step is another driver's. */
describe('an undo of what another driver has done', () => {
  const stage = new Stage();
  const guard = () => createGuard(stage.db);
  const direct = (gid: string): Operation =>
    op(gid, 'action', {
      driver: 'direct:1',
      announcement: { start: JSON.stringify(start), takeOverMs: 60_000, written: () => undefined },
    });
  const undo = (gid: string) => guard().undo(op(gid, 'compensation', { driver: 'workflow:1' }), {}, add(gid, -1));

  it('is refused while a process has the transaction, and nothing is undone', async () => {
    const gid = newGid();
    await guard().apply(direct(gid), {}, add(gid, 1));
    await assert.rejects(undo(gid), { name: 'DrivenElsewhere' });
    assert.equal(await stage.net(gid), 1);
    assert.equal(await stage.row(gid, 2), undefined);
  });

  it('waits for a first step in flight, and is refused then', async () => {
    const gid = newGid();
    let asked: Promise<unknown> = Promise.resolve();
    await guard().apply(direct(gid), {}, async (sql) => {
      asked = undo(gid);
      asked.catch(() => undefined);
      const waits = 'select 1 from pg_locks where not granted and locktype = $1';
      await until(async () => (await stage.pool.query(waits, ['transactionid'])).rowCount !== 0);
      return add(gid, 1)(sql);
    });
    await assert.rejects(asked, { name: 'DrivenElsewhere' });
    assert.equal(await stage.net(gid), 1);
  });

  it('is refused when the transaction has ended', async () => {
    const gid = newGid();
    await guard().apply(direct(gid), {}, add(gid, 1));
    assert.equal(await announcementsOf(stage.db).end(gid, 'direct:1', 'running', fate), true);
    await assert.rejects(undo(gid), { name: 'Decided' });
    assert.equal(await stage.net(gid), 1);
  });

  it('is done by the workflow that has taken the transaction over, once', async () => {
    const gid = newGid();
    await guard().apply(direct(gid), {}, add(gid, 1));
    assert.equal(await announcementsOf(stage.db).handOver(gid, 'direct:1'), true);
    const taken = { driver: 'workflow:1', adopted: true } as const;
    await guard().undo(op(gid, 'compensation', taken), {}, add(gid, -1));
    await guard().undo(op(gid, 'compensation', taken), {}, never);
    assert.equal(await stage.net(gid), 0);
  });
});
