import assert from 'node:assert/strict';
import { createStateTable, InputMismatch, type Operation } from '../../../../src/kit/database/index.js';
import { failing, onlyCallersReachB, pausing, StateStage, transfer } from './stage.js';

describe('the state table, with drivers that were paused', () => {
  const stage = new StateStage();

  it('what a scan says that was paused for too long changes nothing', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1 })];
    stage.probe = failing('b.put', 'before');
    await table.run(gid, transfer());
    await stage.makeDue(gid);
    const { driver, rows } = await table.scan.take(1);
    assert.ok(rows[0]);
    const pause = pausing();
    stage.probe = async (point) => {
      if (point !== 'before') return;
      await pause.here();
      throw new Error('late');
    };
    const paused = table.scan.round(rows[0], driver);
    await pause.reached;
    stage.probe = undefined;
    await stage.makeDue(gid);
    const other = await table.scan.take(1);
    assert.equal(other.rows.length, 1);
    pause.end();
    await paused;
    assert.equal((await table.look(gid))?.state, 'a_done');
  });

  it('a caller that was paused past the scan hears how it ended', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    const pause = pausing();
    stage.probe = async (point, { branch, driver }) => {
      if (point !== 'committed' || branch !== 'from' || !driver.startsWith('state:')) return;
      await pause.here();
    };
    const answer = table.run(gid, transfer());
    await pause.reached;
    assert.equal((await stage.round(table, gid))?.end, 'ended');
    pause.end();
    assert.equal((await answer).answer, 'success');
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 5 });
  });

  for (const twoStates of [false, true]) {
    it(`a caller that was paused past the last round does what it came for: what is true is written (${twoStates ? 'two' : 'three'} states)`, async () => {
      const [gid, table] = [stage.newGid(), stage.table({ rounds: 1, twoStates })];
      const pause = pausing();
      stage.probe = onlyCallersReachB(pause);
      const answer = table.run(gid, transfer());
      await pause.reached;
      assert.equal((await stage.round(table, gid))?.end, 'error');
      pause.end();
      const results = [{ moved: 5 }, { moved: 5 }];
      assert.deepEqual(await answer, { answer: 'success', results });
      const row = await table.look(gid);
      assert.deepEqual([row?.state, row?.results], ['success', results]);
    });
  }

  it('a no that comes when the operation is known to be done changes nothing', async () => {
    const gid = stage.newGid();
    let isSecond = false;
    let isAway = true;
    const pause = pausing();
    // No guard keeps it from saying something else the next time.
    const inconstant = async (operation: Operation) => {
      if (!isSecond) {
        isSecond = true;
        await pause.here();
        throw new InputMismatch(operation);
      }
      return { moved: 5 };
    };
    const put = () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve({ moved: 5 }));
    const operations = { 'a.take': inconstant, 'b.put': put };
    const table = createStateTable({ database: stage.caller.db, operations, retries: 0 });
    const late = table.run(gid, transfer());
    await pause.reached;
    assert.equal((await table.run(gid, transfer())).answer, 'pending');
    pause.end();
    assert.equal((await late).answer, 'pending');
    assert.equal((await table.look(gid))?.state, 'a_done');
    isAway = false;
    assert.equal((await table.run(gid, transfer())).answer, 'success');
  });
});
