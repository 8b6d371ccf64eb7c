import assert from 'node:assert/strict';
import { createStateTable, forgetStates, InputMismatch, type Operation } from '../../../../src/kit/database/index.js';
import type { DeskNote } from '../../../../src/kit/workflow/desk.js';
import { failing, StateStage, transfer } from './stage.js';

describe('the state table, by the scan and the desk', () => {
  const stage = new StateStage();
  const both = { a: -5, b: 5 };

  for (const twoStates of [false, true]) {
    it(`a row is due 30 s after it was stored, and no round is made before (${twoStates ? 'two' : 'three'} states)`, async () => {
      const [gid, table] = [stage.newGid(), stage.table({ twoStates, retries: 0 })];
      stage.probe = failing('b.put', 'before');
      await table.run(gid, transfer());
      const row = await table.look(gid);
      assert.equal(Math.round((row?.dueAt ?? 0) - (row?.createdAt ?? 0)), 30_000);
      const { rows } = await table.scan.take(100);
      assert.deepEqual(rows, []);
      stage.probe = undefined;
      assert.equal((await stage.round(table, gid))?.end, 'ended');
      assert.deepEqual(await stage.effects(gid), both);
      const ended = await table.look(gid);
      assert.deepEqual([ended?.state, ended?.rounds, ended?.failure], ['success', 1, undefined]);
    });
  }

  it('of three states calls only what is not known to be done; of two all again', async () => {
    for (const [twoStates, expected] of [
      [false, ['to']],
      [true, ['from', 'to']],
    ] as const) {
      const [gid, table] = [stage.newGid(), stage.table({ twoStates, retries: 0 })];
      stage.probe = failing('b.put', 'before');
      await table.run(gid, transfer());
      const called: string[] = [];
      stage.probe = (point, { branch }) => {
        if (point === 'before') called.push(branch);
        return Promise.resolve();
      };
      await stage.round(table, gid);
      assert.deepEqual(called, expected);
    }
  });

  it('makes ten rounds, 30 s apart; after the tenth it is an error, and nothing is undone', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0 })];
    stage.probe = failing('b.put', 'before');
    await table.run(gid, transfer());
    for (let round = 1; round <= 10; round++) {
      const made = await stage.round(table, gid);
      assert.equal(made?.end, round < 10 ? 'again' : 'error');
      const row = await table.look(gid);
      assert.deepEqual([row?.rounds, row?.state], [round, round < 10 ? 'a_done' : 'error']);
      const dueInMs = (row?.dueAt ?? 0) - Date.now();
      // The last one is due at once: to be taken to the desk.
      assert.ok(round < 10 ? dueInMs > 20_000 && dueInMs < 40_000 : dueInMs < 10_000, `due in ${dueInMs} ms`);
    }
    const answer = await table.run(gid, transfer());
    assert.deepEqual(
      [answer.answer, 'failure' in answer && answer.failure?.message],
      ['error', "b.put is broken at 'before'"],
    );
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
    const { driver, rows } = await table.scan.take(100);
    assert.deepEqual([rows.length, rows[0]?.gid, rows[0]?.rounds], [1, gid, 10]);
    await table.scan.giveBack(gid, driver, 0);
    assert.equal((await table.scan.take(100)).rows[0]?.rounds, 10, 'to take it to the desk is no round');
    await table.scan.atDesk(gid);
    assert.equal((await table.look(gid))?.dueAt, undefined);
    assert.deepEqual((await table.scan.take(100)).rows, []);
  });

  it('counts a round that ends its process: what does so every time ends as an error too', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 3 })];
    stage.probe = failing('b.put', 'before');
    await table.run(gid, transfer());
    for (let round = 1; round <= 3; round++) {
      await stage.makeDue(gid);
      assert.equal((await table.scan.take(1)).rows[0]?.rounds, round); // And then it dies.
    }
    stage.probe = () => Promise.reject(new Error('it must not be called any more'));
    const made = await stage.round(table, gid);
    assert.deepEqual([made?.end, made?.failure?.message], ['error', "b.put is broken at 'before'"]);
  });

  it('a row is taken by one scan at a time', async () => {
    const table = stage.table({ retries: 0 });
    stage.probe = failing('a.take', 'before');
    const gids = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const gid = stage.newGid();
        await table.run(gid, transfer());
        await stage.makeDue(gid);
        return gid;
      }),
    );
    const taken = await Promise.all(Array.from({ length: 8 }, () => table.scan.take(10)));
    // Other tests have left some.
    const found = taken.flatMap(({ rows }) => rows.map(({ gid }) => gid)).filter((gid) => gids.includes(gid));
    assert.deepEqual(found.toSorted(), gids.toSorted());
    assert.ok(taken.every(({ rows }) => rows.length <= 10));
  });

  it('a round whose scan is stopped is given back', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0 })];
    stage.probe = failing('a.take', 'before');
    await table.run(gid, transfer());
    await stage.makeDue(gid);
    const { driver, rows } = await table.scan.take(1);
    assert.ok(rows[0]);
    assert.equal((await table.scan.round(rows[0], driver, AbortSignal.abort())).end, 'again');
    assert.deepEqual([(await table.look(gid))?.rounds, (await table.scan.take(1)).rows.length], [0, 1]);
  });

  it('what a scan says that was paused for too long changes nothing', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1 })];
    stage.probe = failing('b.put', 'before');
    await table.run(gid, transfer());
    await stage.makeDue(gid);
    const { driver, rows } = await table.scan.take(1);
    assert.ok(rows[0]);
    let resume: () => void = () => undefined;
    let isPaused: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (isPaused = resolve));
    stage.probe = (point) => {
      if (point !== 'before') return Promise.resolve();
      isPaused();
      return new Promise((_, reject) => {
        resume = () => {
          reject(new Error('late'));
        };
      });
    };
    const paused = table.scan.round(rows[0], driver);
    await reached;
    stage.probe = undefined;
    await stage.makeDue(gid);
    const other = await table.scan.take(1);
    assert.equal(other.rows.length, 1);
    resume();
    await paused;
    assert.equal((await table.look(gid))?.state, 'a_done');
  });

  it('a caller that was paused past the scan hears how it ended', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    let isPaused: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (isPaused = resolve));
    stage.probe = async (point, { branch, driver }) => {
      if (point !== 'committed' || branch !== 'from' || !driver.startsWith('state:')) return;
      isPaused();
      await paused;
    };
    const answer = table.run(gid, transfer());
    await reached;
    assert.equal((await stage.round(table, gid))?.end, 'ended');
    resume();
    assert.equal((await answer).answer, 'success');
    assert.deepEqual(await stage.effects(gid), both);
  });

  it('a caller that was paused past the last round does what it came for: what is true is written', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ rounds: 1 })];
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    let isPaused: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (isPaused = resolve));
    stage.probe = async (point, { branch, driver }) => {
      if (branch !== 'to') return;
      if (point === 'before' && !driver.startsWith('state:')) throw new Error('away');
      if (point !== 'committed') return;
      isPaused();
      await paused;
    };
    const answer = table.run(gid, transfer());
    await reached;
    assert.equal((await stage.round(table, gid))?.end, 'error');
    resume();
    assert.equal((await answer).answer, 'success');
    assert.equal((await table.look(gid))?.state, 'success');
  });

  it('a no that comes when the operation is known to be done changes nothing', async () => {
    const gid = stage.newGid();
    let isSecond = false;
    let isAway = true;
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    let isPaused: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (isPaused = resolve));
    // No guard keeps it from saying something else the next time.
    const inconstant = async (operation: Operation) => {
      if (!isSecond) {
        isSecond = true;
        isPaused();
        await paused;
        throw new InputMismatch(operation);
      }
      return { moved: 5 };
    };
    const put = () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve({ moved: 5 }));
    const operations = { 'a.take': inconstant, 'b.put': put };
    const table = createStateTable({ database: stage.caller.db, operations, retries: 0 });
    const late = table.run(gid, transfer());
    await reached;
    assert.equal((await table.run(gid, transfer())).answer, 'pending');
    resume();
    assert.equal((await late).answer, 'pending');
    assert.equal((await table.look(gid))?.state, 'a_done');
    isAway = false;
    assert.equal((await table.run(gid, transfer())).answer, 'success');
  });

  const note = (action: DeskNote['action'], at = 1): DeskNote => {
    return { branch: 'to', op: 'action', action, actor: 'ann', reason: 'a test', at };
  };
  /** A row of which a person has to decide: B has failed, and its answer may be on its way. */
  const stuck = async (probe = failing('b.put', 'before'), b = {}) => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1 })];
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
    await stage.b.gone();
    try {
      const row = await table.desk.resolve({ ...decision, note: note('resolve') }, null);
      assert.equal(row.state, 'success');
    } finally {
      await stage.b.back();
    }
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
  });

  it('what a person has left stays so, whoever comes later with what is true', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1 })];
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    let isPaused: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (isPaused = resolve));
    stage.probe = async (point, { branch, driver }) => {
      if (branch !== 'to') return;
      if (point === 'before' && !driver.startsWith('state:')) throw new Error('away');
      if (point !== 'committed') return;
      isPaused();
      await paused;
    };
    const late = table.run(gid, transfer());
    await reached;
    await stage.round(table, gid);
    // The participant cannot be asked, so the person's word counts.
    const failure = { known: 'unknown', type: 'Skipped', message: 'left' } as const;
    assert.equal((await table.desk.skip({ gid, index: 1, note: note('skip') }, failure)).state, 'left');
    resume();
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
