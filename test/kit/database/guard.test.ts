import assert from 'node:assert/strict';
import postgres from 'postgres';
import {
  createGuard,
  InputMismatch,
  pgDatabase,
  postgresJsDatabase,
  RowGone,
  Suspended,
  UnstorableResult,
  type Guard,
  type Sql,
} from '../../../src/kit/database/index.js';
import { add, never, newGid, op, refuse, Stage } from './support/stage.js';

describe('the guard', () => {
  let sqlClient: postgres.Sql;
  after(() => sqlClient.end()); // Before the stage drops its database.
  const stage = new Stage();
  before(() => {
    sqlClient = postgres(stage.url, { max: 5, onnotice: () => undefined });
  });

  for (const [client, databaseOf] of [
    ['pg', () => stage.db],
    ['pg without prepared statements', () => pgDatabase(stage.pool, { prepare: false })],
    ['postgres.js', () => postgresJsDatabase(sqlClient as never)],
  ] as const) {
    describe(`with ${client}`, () => {
      let made: Guard | undefined;
      const guard = () => (made ??= createGuard(databaseOf()));

      it('an action that finds nothing: does the work and stores its result', async () => {
        const gid = newGid();
        assert.deepEqual(await guard().apply(op(gid, 'action'), { a: 1 }, add(gid, 1)), { done: 1 });
        assert.equal(await stage.net(gid), 1);
        const stored = await stage.row(gid, 1);
        assert.equal(stored?.outcome, 'applied');
        assert.deepEqual(stored.result, { done: 1 });
        assert.deepEqual(
          [stored.op, stored.function, stored.who, stored.driver, stored.seq, stored.attempt],
          [...['action', 'payments.charge.action', 'me', 'test'], ...[1, 1]],
        );
        assert.ok((stored.ended_at as Date) >= (stored.began_at as Date));
      });

      it('an action that finds its own row, applied: nothing; returns the stored result', async () => {
        const gid = newGid();
        await guard().apply(op(gid, 'action'), {}, add(gid, 1));
        assert.deepEqual(await guard().apply(op(gid, 'action', { attempt: 2 }), {}, never), { done: 1 });
        assert.equal(await stage.net(gid), 1);
      });

      it('an action that finds its own row, rejected: nothing; throws the stored rejection', async () => {
        const gid = newGid();
        await assert.rejects(guard().apply(op(gid, 'action'), {}, refuse), { name: 'Rejection', type: 'Refused' });
        await assert.rejects(guard().apply(op(gid, 'action', { attempt: 2 }), {}, add(gid, 1)), {
          type: 'Refused',
          message: 'no',
        });
        assert.equal(await stage.net(gid), 0);
      });

      it('an action that finds a bar, or an undo even where its own row is applied: is suspended for good', async () => {
        const [barred, undone] = [newGid(), newGid()];
        await guard().undo(op(barred, 'compensation'), {}, never);
        await assert.rejects(guard().apply(op(barred, 'action'), {}, add(barred, 1)), Suspended);
        assert.equal(await stage.net(barred), 0);
        await guard().apply(op(undone, 'action'), {}, add(undone, 1));
        await guard().undo(op(undone, 'compensation'), {}, add(undone, -1));
        await assert.rejects(guard().apply(op(undone, 'action'), {}, never), Suspended);
      });

      it('an undo that finds phase 2: nothing; returns the stored result', async () => {
        const gid = newGid();
        await guard().apply(op(gid, 'action'), {}, add(gid, 1));
        await guard().undo(op(gid, 'compensation'), {}, add(gid, -1, 'undone'));
        const again: unknown = await guard().undo(op(gid, 'compensation'), {}, never);
        assert.equal(again, 'undone');
        assert.equal(await stage.net(gid), 0);
      });

      it('an undo that finds phase 1 applied: undoes, with the stored result', async () => {
        const gid = newGid();
        await guard().apply(op(gid, 'action'), {}, add(gid, 1, { paymentId: 'p1' }));
        let got: unknown;
        await guard().undo(op(gid, 'compensation'), {}, async (sql, applied) => {
          got = applied;
          await add(gid, -1)(sql);
        });
        assert.deepEqual(got, { paymentId: 'p1' });
        assert.equal((await stage.row(gid, 2))?.outcome, 'applied');
      });

      it('an undo that finds nothing, or a rejection: is empty, and bars', async () => {
        const [nothing, rejected] = [newGid(), newGid()];
        await assert.rejects(guard().apply(op(rejected, 'action'), {}, refuse));
        for (const gid of [nothing, rejected]) {
          const result: unknown = await guard().undo(op(gid, 'compensation'), {}, never);
          assert.equal(result, undefined);
          assert.equal((await stage.row(gid, 2))?.outcome, 'empty');
          await assert.rejects(guard().apply(op(gid, 'action'), {}, never), Suspended);
        }
        assert.equal((await stage.row(nothing, 1))?.outcome, 'barred');
      });

      it('an undo that finds nothing of an action that had succeeded: is an error for a person, and bars nothing', async () => {
        const gid = newGid();
        const undo = { ...op(gid, 'compensation'), succeeded: true } as const;
        await assert.rejects(guard().undo(undo, {}, never), RowGone);
        assert.equal(await stage.row(gid, 1), undefined);
        await guard().apply(op(gid, 'action'), {}, add(gid, 1));
        await guard().undo(undo, {}, add(gid, -1));
        assert.equal((await stage.row(gid, 2))?.outcome, 'applied');
      });

      it('a confirm: only of what was applied and not undone; an undo never of what was confirmed', async () => {
        const [applied, missing, undone, rejected] = [newGid(), newGid(), newGid(), newGid()];
        for (const gid of [applied, undone]) await guard().apply(op(gid, 'try'), {}, add(gid, 1));
        await guard().undo(op(undone, 'cancel'), {}, add(undone, -1));
        await assert.rejects(guard().apply(op(rejected, 'try'), {}, refuse));
        for (const gid of [missing, undone, rejected]) {
          await assert.rejects(guard().confirm(op(gid, 'confirm'), {}, never), Suspended);
        }
        assert.equal(await guard().confirm(op(applied, 'confirm'), {}, () => Promise.resolve('sure')), 'sure');
        assert.equal(await guard().confirm(op(applied, 'confirm'), {}, never), 'sure');
        await assert.rejects(guard().undo(op(applied, 'cancel'), {}, never), Suspended);
      });

      it('another input than what was done: is refused, and is no duplicate; an undo of it undoes nothing', async () => {
        const gid = newGid();
        await guard().apply(op(gid, 'action'), { a: 1, b: 2 }, add(gid, 1));
        await assert.rejects(guard().apply(op(gid, 'action'), { a: 2, b: 2 }, never), InputMismatch);
        await guard().apply(op(gid, 'action'), { b: 2, a: 1 }, never); // The order of keys does not count.
        await assert.rejects(guard().undo(op(gid, 'compensation'), { a: 2, b: 2 }, never), InputMismatch);
        assert.equal(await stage.row(gid, 2), undefined);
        await guard().undo(op(gid, 'compensation'), { a: 1, b: 2 }, add(gid, -1));
        await assert.rejects(guard().undo(op(gid, 'compensation'), { a: 9, b: 2 }, never), InputMismatch);
        assert.equal(await stage.net(gid), 0);
      });

      it('work that fails: leaves nothing, and can be tried again', async () => {
        const gid = newGid();
        const half = async (sql: Sql) => {
          await add(gid, 1)(sql);
          throw new Error('lost');
        };
        await assert.rejects(guard().apply(op(gid, 'action'), {}, half), /lost/);
        assert.equal(await stage.row(gid, 1), undefined);
        await guard().apply(op(gid, 'action'), {}, add(gid, 1));
        assert.equal(await stage.net(gid), 1);
      });

      it('a constraint that the work of an action violates: is a stored rejection that names it', async () => {
        const gid = newGid();
        const violated = { type: 'ConstraintViolated', message: /ledger_amount_check.*ledger/ };
        await assert.rejects(guard().apply(op(gid, 'action'), {}, add(gid, 13)), violated);
        await assert.rejects(guard().apply(op(gid, 'action'), {}, add(gid, 1)), violated);
      });

      it('a no in an undo: is no outcome; the undo is tried again', async () => {
        const gid = newGid();
        await guard().apply(op(gid, 'action'), {}, add(gid, 1));
        await assert.rejects(guard().undo(op(gid, 'compensation'), {}, refuse), { name: 'Rejection' });
        assert.equal(await stage.row(gid, 2), undefined);
        await guard().undo(op(gid, 'compensation'), {}, add(gid, -1));
        assert.equal(await stage.net(gid), 0);
      });

      it('an error that the work swallowed: is not taken for a commit', async () => {
        const gid = newGid();
        const swallow = async (sql: Sql) => {
          await sql('select 1 / 0').catch(() => undefined);
        };
        await assert.rejects(guard().apply(op(gid, 'action'), {}, swallow));
        assert.equal(await stage.row(gid, 1), undefined);
        // The server answers such a commit with ROLLBACK, and without an error.
        await assert.rejects(databaseOf().transaction(swallow));
      });

      it('results: come back as they were stored; what JSON does not carry is refused before the commit', async () => {
        for (const result of [undefined, null, 0, '', 'text', { deep: [1, { a: null }] }, Number.MAX_SAFE_INTEGER]) {
          const gid = newGid();
          assert.deepEqual(await guard().apply(op(gid, 'action'), {}, () => Promise.resolve(result)), result);
          assert.deepEqual(await guard().apply(op(gid, 'action'), {}, never), result);
        }
        for (const result of [1n, { n: 2 ** 60 }, NaN, 'zero \0', { 'a\0': 1 }, ['\udc00'], { '\ud800': 1 }]) {
          const gid = newGid();
          await assert.rejects(guard().apply(op(gid, 'action'), {}, add(gid, 1, result)), UnstorableResult);
          assert.equal(await stage.net(gid), 0);
        }
      });

      it('fifty duplicates at once: the work is done once, all get its result', async () => {
        const gid = newGid();
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            guard().apply(op(gid, 'action', { attempt: index + 1 }), {}, add(gid, 1, { by: index })),
          ),
        );
        assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
        assert.equal(await stage.net(gid), 1);
      });

      it('an action and its undo at once, 100 times: no effect is left whoever came first', async () => {
        for (let round = 0; round < 100; round++) {
          const gid = newGid();
          await Promise.allSettled([
            guard().apply(op(gid, 'action'), {}, add(gid, 1)),
            guard().undo(op(gid, 'compensation'), {}, add(gid, -1)),
          ]);
          assert.equal(await stage.net(gid), 0);
        }
      });
    });
  }
});
