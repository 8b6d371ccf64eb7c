import assert from 'node:assert/strict';
import { createGuard, createStateTable, migrate, stateTableMigrations } from '../../../../src/kit/database/index.js';
import { refusalActivities } from '../../../../src/kit/worker/index.js';
import { add, never, newGid, op, refuse, Stage } from '../../database/support/stage.js';

describe('how often steps were asked and refused', () => {
  const [here, there] = [new Stage(), new Stage()];
  const count = (transactions: Record<string, string>, since = 0, away?: Stage) =>
    refusalActivities({
      databases: { a_bank: here.db, b_bank: there.db, ...(away && { away: away.db }) },
      participants: {
        a: { take: { action: never, compensation: never }, send: { action: never } },
        b: { take: { action: never, compensation: never } },
      },
    })['backstitch.countRefusals']({ transactions, since });

  it('is counted in every guard: once a transaction, what happened and what was refused, and no bar', async () => {
    const [a, b] = [createGuard(here.db), createGuard(there.db)];
    const asked = (operation: string, more: object) => ({ function: `${operation}.action`, ...more });
    const kind = newGid();
    const gids = Array.from({ length: 6 }, () => `${kind}-${newGid()}`);
    for (const [index, gid] of gids.entries()) {
      const take = op(gid, 'action', asked('a.take', { branch: 'from-1', seq: 1 }));
      await a.apply(take, {}, add(gid, 1));
      await a.apply({ ...take, attempt: 2 }, {}, never);
      // The second step is with one or with the other, and refused by one of three reasons of two kinds.
      const [guard, stage, name] = index % 2 === 0 ? ([a, here, 'a.take'] as const) : ([b, there, 'b.take'] as const);
      const second = op(gid, 'action', asked(name, { branch: 'to-1', seq: 2 }));
      if (index < 2) await assert.rejects(guard.apply(second, {}, refuse));
      else if (index === 2) await guard.undo(op(gid, 'compensation', { ...second, op: 'compensation' }), {}, never);
      else await guard.apply(second, {}, () => stage.db.run('select 1'));
      // What was refused a person began anew.
      if (index === 0) await a.apply({ ...second, branch: 'to-1~1' }, {}, add(gid, 1));
      if (index === 5) await a.apply(op(gid, 'action', asked('a.send', { branch: 'send', seq: 3 })), {}, add(gid, 1));
    }
    await a.apply(op(newGid(), 'action', asked('a.take', { branch: 'from-1' })), {}, add(newGid(), 1));

    const { steps, notes } = await count({ transfers: `${kind}-`, none: 'nobody-' });
    assert.deepEqual(notes, []);
    const by = { transaction: 'transfers', by: 'action' };
    assert.deepEqual(steps, [
      { ...by, step: 'from-1', operations: ['a.take'], reached: 6, refused: 0, reasons: {}, place: 1, undoable: true },
      {
        ...{ ...by, step: 'to-1', operations: ['a.take', 'b.take'] },
        ...{ reached: 6, refused: 2, reasons: { Refused: 2 }, place: 2, undoable: true },
      },
      { ...by, step: 'send', operations: ['a.send'], reached: 1, refused: 0, reasons: {}, place: 3, undoable: false },
    ]);
    assert.deepEqual((await count({ transfers: `${kind}-` }, Date.now() + 60_000)).steps, []);
    assert.ok((await count({ '': '' })).steps.length >= steps.length);
  });

  it('tells a row of a state table from a saga, and names a database that cannot be read', async () => {
    const gid = newGid();
    await migrate(here.db, 'state-table', stateTableMigrations);
    const guard = createGuard(here.db);
    const table = createStateTable({
      database: here.db,
      operations: { 'a.take': (operation, input: unknown) => guard.apply(operation, input, refuse) },
    });
    const answer = await table.run(gid, [{ branch: 'from-1', operation: 'a.take', input: {} }]);
    assert.equal(answer.answer, 'refused');
    const away = {
      db: { ...there.db, transaction: () => Promise.reject(new Error('it is away')) },
    } as unknown as Stage;
    const { steps, notes } = await count({ transfers: gid }, 0, away);
    assert.deepEqual(
      steps.map(({ by, step, refused }) => [by, step, refused]),
      [['state-table', 'from-1', 1]],
    );
    assert.deepEqual(notes, ["the database of the service 'away' cannot be read: it is away"]);
  });
});
