import assert from 'node:assert/strict';
import {
  Barred,
  createGuard,
  guardPhase1,
  guardSettle,
  InputMismatch,
  Rejection,
  Suspended,
  Undone,
  type Guard,
} from '../../../src/kit/database/index.js';
import { add, counted, never, newGid, op, refuse, Stage } from './support/stage.js';

describe('settling an operation', () => {
  const stage = new Stage();
  let guard: Guard;
  before(() => {
    guard = createGuard(stage.db);
  });
  const settle = (gid: string, input: unknown = {}) =>
    guard.apply(op(gid, 'action', { settle: true, driver: 'settle' }), input, never);

  it('that was applied and not undone: returns the stored result, also when it was confirmed', async () => {
    const [applied, confirmed] = [newGid(), newGid()];
    for (const gid of [applied, confirmed]) await guard.apply(op(gid, 'action'), {}, add(gid, 1));
    await guard.confirm(op(confirmed, 'confirm'), {}, () => Promise.resolve());
    for (const gid of [applied, confirmed]) assert.deepEqual(await settle(gid), { done: 1 });
    assert.equal(await stage.net(applied), 1);
    assert.equal((await stage.row(applied, 1))?.driver, 'test');
  });

  it('that never came: bars it, so that no attempt of it can have an effect; an undo of it is empty', async () => {
    const gid = newGid();
    await assert.rejects(settle(gid, { a: 1 }), Barred);
    const row = await stage.row(gid, 1);
    assert.deepEqual([row?.op, row?.outcome, row?.driver, row?.input], ['action', 'barred', 'settle', { a: 1 }]);
    await assert.rejects(guard.apply(op(gid, 'action'), { a: 1 }, never), {
      name: 'Suspended',
      message: /its transaction was settled without it/,
    });
    await assert.rejects(settle(gid, { a: 1 }), Barred);
    assert.equal(await guard.undo(op(gid, 'compensation'), { a: 1 }, never), undefined);
    await assert.rejects(settle(gid, { a: 1 }), Barred);
  });

  it('that its undo had barred or found rejected: is barred', async () => {
    const [barred, refused] = [newGid(), newGid()];
    await assert.rejects(guard.apply(op(refused, 'action'), {}, refuse));
    for (const gid of [barred, refused]) {
      await guard.undo(op(gid, 'compensation'), {}, never);
      await assert.rejects(settle(gid), Barred);
    }
  });

  it('that was rejected: throws the stored rejection', async () => {
    const gid = newGid();
    await assert.rejects(guard.apply(op(gid, 'action'), {}, refuse));
    await assert.rejects(settle(gid), { name: 'Rejection', type: 'Refused', message: 'no' });
  });

  it('that was applied and then undone: says so, with what it had returned', async () => {
    for (const undo of ['compensation', 'amends'] as const) {
      const gid = newGid();
      await guard.apply(op(gid, 'action'), {}, add(gid, 1));
      await guard.undo(op(gid, undo), {}, add(gid, -1));
      const error: unknown = await settle(gid).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof Undone);
      assert.deepEqual(error.result, { done: 1 });
      assert.match(error.message, new RegExp(`then came its ${undo}`));
    }
  });

  it('that was done with another input, or as another operation: is refused', async () => {
    const gid = newGid();
    await guard.apply(op(gid, 'action'), { a: 1 }, add(gid, 1));
    await assert.rejects(settle(gid, { a: 2 }), InputMismatch);
    await assert.rejects(guard.apply(op(gid, 'try', { settle: true }), { a: 1 }, never), InputMismatch);
  });

  it('waits a bounded time for an action in flight, and can be tried again', async () => {
    const gid = newGid();
    let resume: () => void = () => undefined;
    let began: () => void = () => undefined;
    const working = new Promise<void>((resolve) => (began = resolve));
    const action = guard.apply(op(gid, 'action'), {}, async (sql) => {
      await add(gid, 1)(sql);
      began();
      await new Promise<void>((resolve) => (resume = resolve));
      return 'late';
    });
    await working;
    const settling = guard.apply(op(gid, 'action', { settle: true, timeoutMs: 500 }), {}, never);
    await assert.rejects(settling, { code: '55P03' });
    resume();
    await action;
    assert.equal(await settle(gid), 'late');
  });

  it('takes two round trips', async () => {
    const { db, take, close } = await counted(stage.url);
    const counting = createGuard(db);
    const [applied, nothing] = [newGid(), newGid()];
    await guard.apply(op(applied, 'action'), {}, add(applied, 1));
    await counting.apply(op(applied, 'action', { settle: true }), {}, never);
    assert.equal(take(), 2);
    await assert.rejects(counting.apply(op(nothing, 'action', { settle: true }), {}, never), Barred);
    assert.equal(take(), 2);
    await close();
  });

  it('within a transaction of the caller: by a function of its own, as a thrown answer would take the bar back', async () => {
    const gid = newGid();
    const operation = op(gid, 'action', { settle: true });
    await assert.rejects(
      stage.db.transaction((sql) => guardPhase1(sql, operation, {}, never)),
      /asked of guardSettle/,
    );
    assert.deepEqual(await stage.db.transaction((sql) => guardSettle(sql, operation, {})), { outcome: 'barred' });
    assert.equal((await stage.row(gid, 1))?.outcome, 'barred');
  });
});

describe('an undo by amends', () => {
  const stage = new Stage();

  it('takes phase 2 like every undo: done once, a bar where nothing happened, no action after it', async () => {
    const guard = createGuard(stage.db);
    const [done, nothing] = [newGid(), newGid()];
    await guard.apply(op(done, 'action'), {}, add(done, 1));
    for (const gid of [done, nothing]) {
      const amended = await guard.undo(op(gid, 'amends'), {}, add(gid, -1, 'amended'));
      assert.equal(amended, gid === done ? 'amended' : undefined);
      assert.equal(await guard.undo(op(gid, 'amends'), {}, never), amended);
      await assert.rejects(guard.apply(op(gid, 'action'), {}, never), Suspended);
      assert.equal(await stage.net(gid), 0);
    }
    // Whoever amends does not compensate too.
    await assert.rejects(guard.undo(op(done, 'compensation'), {}, never), Suspended);
  });
});

describe('an undo whose input a person corrected', () => {
  const stage = new Stage();
  const wrong = { account: 'closed' };
  const right = { account: 'open' };

  it('is not held against the input of the action; the row keeps the corrected one', async () => {
    const guard = createGuard(stage.db);
    const gid = newGid();
    await guard.apply(op(gid, 'action'), wrong, add(gid, 1));
    await assert.rejects(guard.undo(op(gid, 'compensation'), right, never), InputMismatch);
    const corrected = op(gid, 'compensation', { corrected: true });
    assert.equal(await guard.undo(corrected, right, add(gid, -1, 'undone')), 'undone');
    assert.deepEqual((await stage.row(gid, 2))?.input, right);
    assert.deepEqual((await stage.row(gid, 1))?.input, wrong);
    assert.equal(await stage.net(gid), 0);
    // Corrected again, as the reply was lost: it is done. One that was not corrected is another's still.
    assert.equal(await guard.undo(corrected, { account: 'other' }, never), 'undone');
    await assert.rejects(guard.undo(op(gid, 'compensation'), wrong, never), InputMismatch);
  });

  it('bars with it what never came', async () => {
    const guard = createGuard(stage.db);
    const gid = newGid();
    assert.equal(await guard.undo(op(gid, 'compensation', { corrected: true }), right, never), undefined);
    await assert.rejects(guard.apply(op(gid, 'action'), wrong, never), Suspended);
    await assert.rejects(
      guard.apply(op(gid, 'action'), wrong, () => Promise.reject(new Rejection('No', 'no'))),
      Suspended,
    );
  });
});
