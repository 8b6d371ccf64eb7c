import assert from 'node:assert/strict';
import { failing, StateStage, transfer } from './stage.js';

describe('the state table, by the scan', () => {
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

  it('of two states an error names the operation that has failed, and a person goes on from there', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0, rounds: 1, twoStates: true })];
    stage.probe = failing('b.put', 'before');
    await table.run(gid, transfer());
    await stage.round(table, gid);
    const row = (await table.look(gid)) ?? assert.fail('there is no row');
    assert.deepEqual([row.state, row.calls[row.done]?.branch, row.results], ['error', 'to', [{ moved: 5 }]]);
    assert.equal(row.failure?.message, "b.put is broken at 'before'");
    const called: string[] = [];
    stage.probe = (point, { branch }) => {
      if (point === 'before') called.push(branch);
      return Promise.resolve();
    };
    const note = { branch: 'to', op: 'action', action: 'retry', actor: 'ann', reason: 'a test', at: 1 } as const;
    assert.equal((await table.desk.retry({ gid, index: 1, note })).state, 'success');
    assert.deepEqual([called, await stage.effects(gid)], [['to'], both]);
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
});
