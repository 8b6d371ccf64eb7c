import assert from 'node:assert/strict';
import { forgetStates } from '../../../../src/kit/database/index.js';
import type { DeskNote } from '../../../../src/kit/workflow/desk.js';
import { failing, onlyCallersReachB, operationsOf, pausing, StateStage, transfer } from './stage.js';

describe('the state table, by the desk', () => {
  const stage = new StateStage();
  const both = { a: -5, b: 5 };

  const note = (action: DeskNote['action'], at = 1): DeskNote => {
    return { branch: 'to', op: 'action', action, actor: 'ann', reason: 'a test', at };
  };
  /** A row of which a person has to decide: B has failed, and its answer may be on its way. */
  const stuck = async (probe = failing('b.put', 'before'), b = {}) => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1, barMs: 500 })];
    stage.probe = probe;
    await table.run(gid, transfer({}, b));
    await stage.round(table, gid);
    await table.scan.atDesk(gid);
    assert.equal((await table.look(gid))?.state, 'error');
    return { gid, table, decision: { gid, index: 1, note: note('retry') } };
  };

  it('a person lets it be tried again: it ends, or is an error still', async () => {
    const { gid, table, decision } = await stuck();
    const failed = await table.desk.retry(decision);
    assert.deepEqual([failed.state, failed.failure?.message], ['error', "b.put is broken at 'before'"]);
    stage.probe = undefined;
    const row = await table.desk.retry({ ...decision, note: note('retry', 2) });
    assert.deepEqual([row.state, row.decisions.length], ['success', 2]);
    assert.deepEqual(await stage.effects(gid), both);
    // Asked again, as its answer was lost.
    assert.equal((await table.desk.retry({ ...decision, note: note('retry', 2) })).decisions.length, 2);
  });

  it('what was refused is begun anew, with another input', async () => {
    const { gid, table, decision } = await stuck(() => Promise.resolve(), { refused: true });
    const again = await table.desk.retry(decision);
    assert.equal(again.failure?.type, 'NoMoney', 'a definite no stays what it is');
    const row = await table.desk.retry(decision, { renewed: 1, input: '{"amount":5}' });
    assert.deepEqual([row.state, row.calls[1]?.renewed, row.decisions.length], ['success', 1, 1]);
    assert.deepEqual(await stage.effects(gid), both);
  });

  it('a refusal that comes late says nothing of what was begun anew since', async () => {
    const { gid, table, decision } = await stuck(() => Promise.resolve(), { refused: true });
    const before = (await table.look(gid)) ?? assert.fail('there is no row');
    stage.probe = failing('b.put', 'committed');
    const renewed = await table.desk.retry(decision, { renewed: 1, input: '{"amount":5}' });
    assert.equal(renewed.failure?.known, 'unknown');
    stage.probe = undefined;
    // It heard the first no before the person did, and comes with it now.
    await table.scan.round({ ...before, state: 'a_done', rounds: 1 }, before.driver);
    const row = await table.look(gid);
    assert.deepEqual([row?.failure, row?.calls[1]?.renewed], [renewed.failure, 1], 'it may have happened');
    assert.equal((await table.desk.retry({ ...decision, note: note('retry', 2) })).state, 'success');
    assert.deepEqual(await stage.effects(gid), both);
  });

  it('a person has done it outside: what is on its way is barred', async () => {
    const { gid, table, decision } = await stuck();
    stage.probe = undefined;
    const row = await table.desk.resolve({ ...decision, note: note('resolve') }, { moved: 'by hand' });
    assert.deepEqual([row.state, row.results], ['success', [{ moved: 5 }, { moved: 'by hand' }]]);
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
    const { driver } = row;
    const late = stage.table();
    assert.equal(
      (await late.scan.round({ ...row, state: 'a_done', done: 1, endedAt: undefined }, driver)).row.state,
      'success',
    );
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
  });

  it('if it has happened after all, it counts, whatever a person says', async () => {
    for (const action of ['resolve', 'skip'] as const) {
      const { gid, table, decision } = await stuck(failing('b.put', 'committed'));
      stage.probe = undefined;
      const told = { ...decision, note: note(action) };
      const failure = { known: 'unknown', type: 'Skipped', message: 'left' } as const;
      const row = action === 'skip' ? await table.desk.skip(told, failure) : await table.desk.resolve(told, 'by hand');
      assert.deepEqual([row.state, row.results[1]], ['success', { moved: 5 }]);
      assert.deepEqual(await stage.effects(gid), both);
    }
  });

  it('a person leaves it as it is: it ends so, and the operation is barred', async () => {
    const { gid, table, decision } = await stuck();
    stage.probe = undefined;
    const failure = { known: 'unknown', type: 'Skipped', message: 'left as it is by ann: a test' } as const;
    const row = await table.desk.skip({ ...decision, note: note('skip') }, failure);
    assert.deepEqual([row.state, row.done, row.failure], ['left', 1, failure]);
    assert.deepEqual(await table.run(gid, transfer()), { answer: 'left', done: 1, failure, by: note('skip') });
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
  });

  it('a decision stands where the participant is gone for good', async () => {
    const { gid, table, decision } = await stuck();
    stage.probe = undefined;
    await stage.b.gone();
    try {
      const told = { ...decision, note: note('resolve') };
      const row = await table.desk.resolve(told, null);
      assert.equal(row.state, 'success');
      const { notBarred, ...decided } = row.decisions[0] ?? assert.fail('the decision is not written');
      assert.deepEqual(decided, told.note);
      assert.match(notBarred ?? '', /accepting connections/);
    } finally {
      await stage.b.back();
    }
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
  });

  it('a participant that comes back within a minute is barred still', async () => {
    const { gid, decision } = await stuck();
    stage.probe = undefined;
    const operations = operationsOf({ a: stage.a.db, b: stage.b.db });
    let failures = 0;
    const table = stage.table({
      operations: {
        ...operations,
        'b.put': (operation, input) => {
          if (operation.settle === true && ++failures <= 3) return Promise.reject(new Error('away'));
          return operations['b.put'](operation, input);
        },
      },
    });
    const row = await table.desk.resolve({ ...decision, note: note('resolve') }, null);
    assert.deepEqual([row.state, failures, row.decisions[0]?.notBarred], ['success', 4, undefined]);
    await table.scan.round({ ...row, state: 'a_done', done: 1, endedAt: undefined }, row.driver);
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
  });

  it('a decision that is stopped while it bars is carried out when it is asked again', async () => {
    const { table, decision } = await stuck();
    stage.probe = undefined;
    await stage.b.gone();
    const told = { ...decision, note: note('resolve') };
    try {
      await assert.rejects(table.desk.resolve(told, null, AbortSignal.abort()), /was stopped/);
      assert.equal((await table.look(decision.gid))?.state, 'error');
    } finally {
      await stage.b.back();
    }
    const row = await table.desk.resolve(told, null);
    assert.deepEqual([row.state, row.decisions], ['success', [told.note]]);
  });

  it('what a person has left stays so, whoever comes later with what is true', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1, barMs: 500 })];
    const pause = pausing();
    stage.probe = onlyCallersReachB(pause);
    const late = table.run(gid, transfer());
    await pause.reached;
    await stage.round(table, gid);
    // The participant cannot be asked, so the person's word counts.
    const failure = { known: 'unknown', type: 'Skipped', message: 'left' } as const;
    assert.equal((await table.desk.skip({ gid, index: 1, note: note('skip') }, failure)).state, 'left');
    pause.end();
    assert.equal((await late).answer, 'left');
    assert.equal((await table.look(gid))?.state, 'left');
  });

  it('rows that have ended long ago are removed, others stay', async () => {
    const [table, ended] = [stage.table({ retries: 0 }), stage.newGid()];
    await table.run(ended, transfer());
    const { gid } = await stuck();
    const old = `update backstitch.state_table set created_at = created_at - interval '100 days', ended_at = ended_at - interval '100 days' where gid = any ($1)`;
    await stage.caller.db.run(old, [[ended, gid]]);
    assert.equal(await forgetStates(stage.caller.db), 1);
    assert.deepEqual([await table.look(ended), (await table.look(gid))?.state], [undefined, 'error']);
    await assert.rejects(forgetStates(stage.caller.db, { batch: 0 }), RangeError);
  });
});
