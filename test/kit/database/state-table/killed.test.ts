import assert from 'node:assert/strict';
import { Program } from '../../../support/program.js';
import { StateStage, transfer } from './stage.js';
import { transpiled } from '../../../support/transpiled.js';

/** What the caller does, in its order, and what is to be found when it dies there: the row's state, and what A and B have done. */
const points = [
  ['before 1', undefined, 0, 0],
  ['after 1', 'init', 0, 0],
  ['from before', 'init', 0, 0],
  ['from worked', 'init', 0, 0],
  ['from committed', 'init', -5, 0],
  ['before 2', 'init', -5, 0],
  ['after 2', 'a_done', -5, 0],
  ['to before', 'a_done', -5, 0],
  ['to worked', 'a_done', -5, 0],
  ['to committed', 'a_done', -5, 5],
  ['before 3', 'a_done', -5, 5],
  ['after 3', 'success', -5, 5],
] as const;

describe('the state table, when its caller is killed', function () {
  this.timeout(120_000);
  const stage = new StateStage();

  for (const twoStates of [false, true]) {
    for (const [point, state, a, b] of points) {
      // Of two states the second statement is the last one.
      if (twoStates && ['after 2', 'before 2', 'after 3'].includes(point)) continue;
      const named = twoStates && point === 'before 3' ? 'before 2' : point;
      const found = twoStates && state === 'a_done' ? 'init' : state;
      it(`${named} (${twoStates ? 'two' : 'three'} states): what it began is ended by the scan, once`, async () => {
        const [gid, table] = [stage.newGid(), stage.table({ twoStates })];
        const env = { ...stage.env, TWO_STATES: twoStates ? '1' : '0' };
        const program = new Program(transpiled('test/kit/database/state-table/caller-program.ts'), [gid, named], env);
        assert.equal(await program.ended, 'SIGKILL', program.stderr);
        assert.equal((await table.look(gid))?.state, found);
        assert.deepEqual(await stage.effects(gid), { a, b });
        const made = await stage.round(table, gid);
        if (found === undefined) {
          assert.equal(made, undefined, 'nothing was begun');
          assert.deepEqual(await stage.effects(gid), { a: 0, b: 0 });
          assert.equal((await table.run(gid, transfer())).answer, 'success');
        } else if (found !== 'success') {
          assert.deepEqual([made?.end, made?.failure], ['ended', undefined]);
        }
        assert.deepEqual(await stage.effects(gid), { a: -5, b: 5 });
        assert.equal((await table.look(gid))?.state, 'success');
      });
    }
  }
});
