import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  createGuard,
  guardPhase1,
  guardUndo,
  InputMismatch,
  recordRejection,
  Rejection,
  Suspended,
  type Database,
  type Sql,
} from '../../../src/kit/database/index.js';
import { add, counted, never, newGid, op, refuse, Stage } from './support/stage.js';

describe('the guard in use', () => {
  const stage = new Stage();

  it('a first attempt that is late hears the rejection of a later one, and does not succeed', async () => {
    const gid = newGid();
    const guard = createGuard(stage.db);
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    const first = createGuard(stage.db, {
      probe: (point) => (point === 'before' ? paused : Promise.resolve()),
    }).apply(op(gid, 'action'), {}, add(gid, 1));
    await assert.rejects(guard.apply(op(gid, 'action', { attempt: 2 }), {}, refuse), Rejection);
    resume();
    await assert.rejects(first, { type: 'Refused', message: 'no' });
    assert.equal(await stage.net(gid), 0);
  });

  it('a rejection that cannot be stored is no rejection: the outcome is unknown, and the undo bars it', async () => {
    const gid = newGid();
    const broken: Database = { ...stage.db, run: () => Promise.reject(new Error('connection lost')) };
    const applied = createGuard(broken).apply(op(gid, 'action'), {}, refuse);
    await assert.rejects(
      applied,
      (error: Error) => !(error instanceof Rejection) && error.message.includes('could not be stored'),
    );
    await createGuard(stage.db).undo(op(gid, 'compensation'), {}, never);
    await assert.rejects(createGuard(stage.db).apply(op(gid, 'action'), {}, never), Suspended);
  });

  it('an undo that meets its action in flight waits a bounded time, and can be tried again', async () => {
    const gid = newGid();
    const guard = createGuard(stage.db);
    let resume: () => void = () => undefined;
    let began: () => void = () => undefined;
    const working = new Promise<void>((resolve) => (began = resolve));
    const first = guard.apply(op(gid, 'action'), {}, async (sql) => {
      await add(gid, 1)(sql);
      began();
      await new Promise<void>((resolve) => (resume = resolve));
    });
    await working;
    const undo = () => guard.undo(op(gid, 'compensation', { timeoutMs: 500 }), {}, add(gid, -1));
    await assert.rejects(undo(), { code: '55P03' });
    resume();
    await first;
    await undo();
    assert.equal(await stage.net(gid), 0);
  });

  it('work that takes longer than its attempt is ended by the database, and the pool works on', async () => {
    const gid = newGid();
    const guard = createGuard(stage.db);
    const slow = guard.apply(op(gid, 'action', { timeoutMs: 500 }), {}, async (sql) => {
      await add(gid, 1)(sql);
      await sql('select pg_sleep(30)');
    });
    await assert.rejects(slow, { code: '25P04' });
    assert.equal(await stage.net(gid), 0);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        guard.apply(op(`${gid}-${index}`, 'action'), {}, () => Promise.resolve(1)),
      ),
    );
  });

  it('an attempt that waited for its connection has only the rest of its time; with too little left it does nothing', async () => {
    const late = (left: number): Promise<unknown> => {
      const gid = newGid();
      const guard = createGuard(stage.db, {
        probe: (point) => (point === 'before' ? delay(1_000 - left) : Promise.resolve()),
      });
      const limit = async (sql: Sql) => (await sql(`select current_setting('transaction_timeout') as ms`))[0]?.ms;
      return guard.apply(op(gid, 'action', { timeoutMs: 1_000 }), {}, limit).catch(String);
    };
    const [some, none] = await Promise.all([late(800), late(50)]);
    assert.ok(parseInt(String(some)) <= 640, String(some));
    assert.match(String(none), /action of branch 'pay' in gid-\d+ is not begun: \d+ of its 1000 ms are left/);
  });

  it('an attempt that was cancelled while it waited for its connection does nothing', async () => {
    const gid = newGid();
    const cancelled = new AbortController();
    const probe = () => {
      cancelled.abort(new Error('not needed'));
      return Promise.resolve();
    };
    const guard = createGuard(stage.db, { probe });
    const applied = guard.apply(op(gid, 'action', { signal: cancelled.signal }), {}, add(gid, 1));
    await assert.rejects(applied, /not needed/);
    assert.equal(await stage.row(gid, 1), undefined);
  });

  it('a rejection waits for its key no longer than its attempt may', async () => {
    const gid = newGid();
    const rival = new pg.Client({ connectionString: stage.url });
    await rival.connect();
    try {
      await rival.query('begin');
      const sql: Sql = async <Row extends object>(text: string, values?: readonly unknown[]) =>
        (await rival.query<Row>(text, values && [...values])).rows;
      await guardPhase1(sql, op(gid, 'action', { timeoutMs: 30_000 }), {}, () => Promise.resolve());
      const rejection = new Rejection('No', 'no');
      await assert.rejects(
        recordRejection(stage.db.run, op(gid, 'action', { timeoutMs: 500 }), {}, rejection),
        /refused \(No\), but that could not be stored.*lock timeout/,
      );
    } finally {
      await rival.end();
    }
  });

  it('masks what must not be in the log; the hash is over the whole input', async () => {
    const gid = newGid();
    const guard = createGuard(stage.db, { mask: ['card.number', 'pin', 'not.there'] });
    const input = { card: { number: '4111', holder: 'a' }, pin: 1 };
    await guard.apply(op(gid, 'action'), input, () => Promise.resolve());
    assert.deepEqual((await stage.row(gid, 1))?.input, { card: { number: '***', holder: 'a' }, pin: '***' });
    assert.equal(input.pin, 1);
    await assert.rejects(guard.apply(op(gid, 'action'), { ...input, pin: 2 }, never), InputMismatch);
  });

  it('text that PostgreSQL has no place for, in an input or a rejection, stops neither the action nor its undo', async () => {
    const guard = createGuard(stage.db);
    for (const [text, kept] of [
      ['a\0b', 'a\ufffdb'],
      ['\ud800', '\ufffd'],
      ['\\\udfff!', '\\\ufffd!'],
      ['a\\u0000', 'a\\u0000'],
      ['😀', '😀'],
    ] as const) {
      const gid = newGid();
      const input = { text, deep: [{ [text]: text }] };
      await guard.apply(op(gid, 'action'), input, add(gid, 1));
      assert.deepEqual((await stage.row(gid, 1))?.input, { text: kept, deep: [{ [kept]: kept }] });
      await guard.undo(op(gid, 'compensation'), input, add(gid, -1));
      assert.equal(await stage.net(gid), 0);
      const refused = guard.apply(op(newGid(), 'action'), input, () => Promise.reject(new Rejection(text, text)));
      await assert.rejects(refused, Rejection);
    }
  });

  it('takes part in a transaction of the caller, through any function that runs a statement', async () => {
    const gid = newGid();
    const client = new pg.Client({ connectionString: stage.url });
    await client.connect();
    const sql: Sql = async <Row extends object>(text: string, values?: readonly unknown[]) =>
      (await client.query<Row>(text, values && [...values])).rows;
    await client.query('begin');
    assert.deepEqual(await guardPhase1(sql, op(gid, 'action'), {}, add(gid, 1)), {
      outcome: 'applied',
      result: { done: 1 },
    });
    await client.query('commit');
    await client.query('begin');
    assert.equal((await guardPhase1(sql, op(gid, 'action'), {}, never)).outcome, 'duplicate');
    await client.query('commit');
    await client.query('begin');
    assert.equal((await guardUndo(sql, op(gid, 'compensation'), {}, add(gid, -1))).outcome, 'applied');
    await client.query('commit');
    const refused = newGid();
    await assert.rejects(recordRejection(sql, op(refused, 'action'), {}, new Rejection('No', 'no')), { type: 'No' });
    await assert.rejects(guardPhase1(sql, op(refused, 'action'), {}, never), { type: 'No' });
    await client.end();
  });

  it('an undo whose row is removed while it is read: says so, and can be tried again', async () => {
    const gid = newGid();
    const guard = createGuard(stage.db);
    await guard.apply(op(gid, 'action'), {}, add(gid, 1));
    await guard.undo(op(gid, 'compensation'), {}, add(gid, -1));
    const again = stage.db.transaction((sql) => {
      const removing: Sql = async (text, values) => {
        // The undo's row is there when it is met, and gone when it is read.
        if (text.startsWith('\nselect'))
          await stage.pool.query('delete from backstitch.guard where gid = $1 and phase = 2', [gid]);
        return sql(text, values);
      };
      return guardUndo(removing, op(gid, 'compensation'), {}, never);
    });
    await assert.rejects(again, /was removed while it was read: try again/);
  });

  it('takes two round trips an operation beside the work, and three if it is refused', async () => {
    const { db: counting, take, close } = await counted(stage.url);
    const guard = createGuard(counting);
    const gid = newGid();
    const work = () => Promise.resolve(1);
    const trips: Record<string, number> = {};
    const measure = async (name: string, call: Promise<unknown>) => {
      await call.catch(() => undefined);
      trips[name] = take();
    };
    await measure('action', guard.apply(op(gid, 'action'), {}, work));
    await measure('action, duplicate', guard.apply(op(gid, 'action'), {}, work));
    await measure('undo', guard.undo(op(gid, 'compensation'), {}, work));
    await measure('undo, duplicate', guard.undo(op(gid, 'compensation'), {}, work));
    await measure('undo, empty', guard.undo(op(newGid(), 'compensation'), {}, work));
    await measure('action, rejected', guard.apply(op(newGid(), 'action'), {}, refuse));
    await close();
    assert.deepEqual(trips, {
      action: 2,
      'action, duplicate': 2,
      undo: 2,
      'undo, duplicate': 2,
      'undo, empty': 2,
      'action, rejected': 3,
    });
  });

  it('calls its probe at each point, in order, and only what was committed reaches the last', async () => {
    const points: string[] = [];
    const guard = createGuard(stage.db, {
      probe: (point) => {
        points.push(point);
        return Promise.resolve();
      },
    });
    const gid = newGid();
    await guard.apply(op(gid, 'action'), {}, () => Promise.resolve(points.push('work')));
    assert.deepEqual(points.splice(0), ['before', 'working', 'work', 'worked', 'committed']);
    await guard.apply(op(gid, 'action'), {}, never);
    assert.deepEqual(points.splice(0), ['before', 'committed']);
    await assert.rejects(guard.apply(op(newGid(), 'action'), {}, refuse));
    assert.deepEqual(points.splice(0), ['before', 'working']);
  });
});
