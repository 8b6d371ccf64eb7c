import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import postgres from 'postgres';
import {
  createGuard,
  guardMigrations,
  guardPhase1,
  guardUndo,
  InputMismatch,
  migrate,
  pgDatabase,
  postgresJsDatabase,
  recordRejection,
  Rejection,
  Suspended,
  UnstorableResult,
  type Database,
  type Guard,
  type Op,
  type Operation,
  type Sql,
} from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';

let count = 0;
const newGid = () => `gid-${++count}`;
function op(gid: string, name: Op, more: Partial<Operation> = {}): Operation {
  return {
    ...{ gid, branch: 'pay', op: name, scheme: 'saga', seq: 1, function: `payments.charge.${name}` },
    ...{ driver: 'test', who: 'me', attempt: 1, timeoutMs: 10_000, signal: new AbortController().signal },
    ...more,
  };
}

/** Counts what goes to the server, BEGIN and COMMIT included. */
function counted(pool: pg.Pool): { db: Database; take: () => number } {
  let statements = 0;
  const wrapped = {
    on: pool.on.bind(pool),
    async connect() {
      const client = await pool.connect();
      return {
        query: (query: { text: string; values?: unknown[] }) => {
          statements += 1;
          return client.query(query);
        },
        on: client.on.bind(client),
        off: client.off.bind(client),
        release: client.release.bind(client),
      };
    },
  };
  const take = () => {
    const taken = statements;
    statements = 0;
    return taken;
  };
  return { db: pgDatabase(wrapped), take };
}

describe('the guard', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let pool: pg.Pool;
  let db: Database;
  let sqlClient: postgres.Sql;

  before(async () => {
    database = await testDatabase('guard');
    pool = new pg.Pool({ connectionString: database.url, max: 20 });
    sqlClient = postgres(database.url, { max: 5, onnotice: () => undefined });
    db = pgDatabase(pool);
    await migrate(db, 'guard', guardMigrations);
    await pool.query('create table ledger (gid text not null, amount int not null check (amount <> 13))');
  });
  after(async () => {
    await pool.end();
    await sqlClient.end();
    await database.drop();
  });

  const net = async (gid: string): Promise<number> => {
    const { rows } = await pool.query<{ net: number }>(
      'select coalesce(sum(amount), 0)::int as net from ledger where gid = $1',
      [gid],
    );
    return rows[0]?.net ?? 0;
  };
  const row = async (gid: string, phase: number): Promise<Record<string, unknown> | undefined> => {
    const { rows } = await pool.query<Record<string, unknown>>(
      'select * from backstitch.guard where gid = $1 and phase = $2',
      [gid, phase],
    );
    return rows[0];
  };
  const add =
    (gid: string, amount: number, result: unknown = { done: amount }) =>
    async (sql: Sql): Promise<unknown> => {
      await sql('insert into ledger (gid, amount) values ($1, $2)', [gid, amount]);
      return result;
    };
  const refuse = () => Promise.reject(new Rejection('Refused', 'no'));
  const never = (): Promise<unknown> => Promise.reject(new Error('the work must not run'));

  for (const [client, databaseOf] of [
    ['pg', () => db],
    ['pg without prepared statements', () => pgDatabase(pool, { prepare: false })],
    ['postgres.js', () => postgresJsDatabase(sqlClient as never)],
  ] as const) {
    describe(`with ${client}`, () => {
      let made: Guard | undefined;
      const guard = () => (made ??= createGuard(databaseOf()));

      it('an action that finds nothing: does the work and stores its result', async () => {
        const gid = newGid();
        assert.deepEqual(await guard().apply(op(gid, 'action'), { a: 1 }, add(gid, 1)), { done: 1 });
        assert.equal(await net(gid), 1);
        const stored = await row(gid, 1);
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
        assert.equal(await net(gid), 1);
      });

      it('an action that finds its own row, rejected: nothing; throws the stored rejection', async () => {
        const gid = newGid();
        await assert.rejects(guard().apply(op(gid, 'action'), {}, refuse), { name: 'Rejection', type: 'Refused' });
        await assert.rejects(guard().apply(op(gid, 'action', { attempt: 2 }), {}, add(gid, 1)), {
          type: 'Refused',
          message: 'no',
        });
        assert.equal(await net(gid), 0);
      });

      it('an action that finds a bar, or an undo even where its own row is applied: is suspended for good', async () => {
        const [barred, undone] = [newGid(), newGid()];
        await guard().undo(op(barred, 'compensation'), {}, never);
        await assert.rejects(guard().apply(op(barred, 'action'), {}, add(barred, 1)), Suspended);
        assert.equal(await net(barred), 0);
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
        assert.equal(await net(gid), 0);
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
        assert.equal((await row(gid, 2))?.outcome, 'applied');
      });

      it('an undo that finds nothing, or a rejection: is empty, and bars', async () => {
        const [nothing, rejected] = [newGid(), newGid()];
        await assert.rejects(guard().apply(op(rejected, 'action'), {}, refuse));
        for (const gid of [nothing, rejected]) {
          const result: unknown = await guard().undo(op(gid, 'compensation'), {}, never);
          assert.equal(result, undefined);
          assert.equal((await row(gid, 2))?.outcome, 'empty');
          await assert.rejects(guard().apply(op(gid, 'action'), {}, never), Suspended);
        }
        assert.equal((await row(nothing, 1))?.outcome, 'barred');
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
        assert.equal(await row(gid, 2), undefined);
        await guard().undo(op(gid, 'compensation'), { a: 1, b: 2 }, add(gid, -1));
        await assert.rejects(guard().undo(op(gid, 'compensation'), { a: 9, b: 2 }, never), InputMismatch);
        assert.equal(await net(gid), 0);
      });

      it('work that fails: leaves nothing, and can be tried again', async () => {
        const gid = newGid();
        const half = async (sql: Sql) => {
          await add(gid, 1)(sql);
          throw new Error('lost');
        };
        await assert.rejects(guard().apply(op(gid, 'action'), {}, half), /lost/);
        assert.equal(await row(gid, 1), undefined);
        await guard().apply(op(gid, 'action'), {}, add(gid, 1));
        assert.equal(await net(gid), 1);
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
        assert.equal(await row(gid, 2), undefined);
        await guard().undo(op(gid, 'compensation'), {}, add(gid, -1));
        assert.equal(await net(gid), 0);
      });

      it('an error that the work swallowed: is not taken for a commit', async () => {
        const gid = newGid();
        const swallow = async (sql: Sql) => {
          await sql('select 1 / 0').catch(() => undefined);
        };
        await assert.rejects(guard().apply(op(gid, 'action'), {}, swallow));
        assert.equal(await row(gid, 1), undefined);
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
          assert.equal(await net(gid), 0);
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
        assert.equal(await net(gid), 1);
      });

      it('an action and its undo at once, 100 times: no effect is left whoever came first', async () => {
        for (let round = 0; round < 100; round++) {
          const gid = newGid();
          await Promise.allSettled([
            guard().apply(op(gid, 'action'), {}, add(gid, 1)),
            guard().undo(op(gid, 'compensation'), {}, add(gid, -1)),
          ]);
          assert.equal(await net(gid), 0);
        }
      });
    });
  }

  it('a first attempt that is late hears the rejection of a later one, and does not succeed', async () => {
    const gid = newGid();
    const guard = createGuard(db);
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    const first = createGuard(db, {
      probe: (point) => (point === 'before' ? paused : Promise.resolve()),
    }).apply(op(gid, 'action'), {}, add(gid, 1));
    await assert.rejects(guard.apply(op(gid, 'action', { attempt: 2 }), {}, refuse), Rejection);
    resume();
    await assert.rejects(first, { type: 'Refused', message: 'no' });
    assert.equal(await net(gid), 0);
  });

  it('a rejection that cannot be stored is no rejection: the outcome is unknown, and the undo bars it', async () => {
    const gid = newGid();
    const broken: Database = { ...db, run: () => Promise.reject(new Error('connection lost')) };
    const applied = createGuard(broken).apply(op(gid, 'action'), {}, refuse);
    await assert.rejects(
      applied,
      (error: Error) => !(error instanceof Rejection) && error.message.includes('could not be stored'),
    );
    await createGuard(db).undo(op(gid, 'compensation'), {}, never);
    await assert.rejects(createGuard(db).apply(op(gid, 'action'), {}, never), Suspended);
  });

  it('an undo that meets its action in flight waits a bounded time, and can be tried again', async () => {
    const gid = newGid();
    const guard = createGuard(db);
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
    assert.equal(await net(gid), 0);
  });

  it('work that takes longer than its attempt is ended by the database, and the pool works on', async () => {
    const gid = newGid();
    const guard = createGuard(db);
    const slow = guard.apply(op(gid, 'action', { timeoutMs: 500 }), {}, async (sql) => {
      await add(gid, 1)(sql);
      await sql('select pg_sleep(30)');
    });
    await assert.rejects(slow, { code: '25P04' });
    assert.equal(await net(gid), 0);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        guard.apply(op(`${gid}-${index}`, 'action'), {}, () => Promise.resolve(1)),
      ),
    );
  });

  it('an attempt that waited for its connection has only the rest of its time; with too little left it does nothing', async () => {
    const late = (left: number): Promise<unknown> => {
      const gid = newGid();
      const guard = createGuard(db, {
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
    const guard = createGuard(db, { probe });
    const applied = guard.apply(op(gid, 'action', { signal: cancelled.signal }), {}, add(gid, 1));
    await assert.rejects(applied, /not needed/);
    assert.equal(await row(gid, 1), undefined);
  });

  it('a rejection waits for its key no longer than its attempt may', async () => {
    const gid = newGid();
    const rival = new pg.Client({ connectionString: database.url });
    await rival.connect();
    try {
      await rival.query('begin');
      const sql: Sql = async <Row extends object>(text: string, values?: readonly unknown[]) =>
        (await rival.query<Row>(text, values && [...values])).rows;
      await guardPhase1(sql, op(gid, 'action', { timeoutMs: 30_000 }), {}, () => Promise.resolve());
      const rejection = new Rejection('No', 'no');
      await assert.rejects(
        recordRejection(db.run, op(gid, 'action', { timeoutMs: 500 }), {}, rejection),
        /refused \(No\), but that could not be stored.*lock timeout/,
      );
    } finally {
      await rival.end();
    }
  });

  it('masks what must not be in the log; the hash is over the whole input', async () => {
    const gid = newGid();
    const guard = createGuard(db, { mask: ['card.number', 'pin', 'not.there'] });
    const input = { card: { number: '4111', holder: 'a' }, pin: 1 };
    await guard.apply(op(gid, 'action'), input, () => Promise.resolve());
    assert.deepEqual((await row(gid, 1))?.input, { card: { number: '***', holder: 'a' }, pin: '***' });
    assert.equal(input.pin, 1);
    await assert.rejects(guard.apply(op(gid, 'action'), { ...input, pin: 2 }, never), InputMismatch);
  });

  it('text that PostgreSQL has no place for, in an input or a rejection, stops neither the action nor its undo', async () => {
    const guard = createGuard(db);
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
      assert.deepEqual((await row(gid, 1))?.input, { text: kept, deep: [{ [kept]: kept }] });
      await guard.undo(op(gid, 'compensation'), input, add(gid, -1));
      assert.equal(await net(gid), 0);
      const refused = guard.apply(op(newGid(), 'action'), input, () => Promise.reject(new Rejection(text, text)));
      await assert.rejects(refused, Rejection);
    }
  });

  it('takes part in a transaction of the caller, through any function that runs a statement', async () => {
    const gid = newGid();
    const client = new pg.Client({ connectionString: database.url });
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
    const guard = createGuard(db);
    await guard.apply(op(gid, 'action'), {}, add(gid, 1));
    await guard.undo(op(gid, 'compensation'), {}, add(gid, -1));
    const again = db.transaction((sql) => {
      const removing: Sql = async (text, values) => {
        // The undo's row is there when it is met, and gone when it is read.
        if (text.startsWith('\nselect'))
          await pool.query('delete from backstitch.guard where gid = $1 and phase = 2', [gid]);
        return sql(text, values);
      };
      return guardUndo(removing, op(gid, 'compensation'), {}, never);
    });
    await assert.rejects(again, /was removed while it was read: try again/);
  });

  it('takes four round trips an operation at most, besides the work', async () => {
    const { db: counting, take } = counted(pool);
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
    assert.deepEqual(trips, {
      action: 4,
      'action, duplicate': 4,
      undo: 4,
      'undo, duplicate': 4,
      'undo, empty': 3,
      'action, rejected': 4,
    });
  });

  it('calls its probe at each point, in order, and only what was committed reaches the last', async () => {
    const points: string[] = [];
    const guard = createGuard(db, {
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
