import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { NotCommitted, pgDatabase, type Database, type PgPool } from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';
import { roundTrips } from './support/stage.js';

/** The same pool, as one that is none of pg's own. */
const unknownPool = (pool: pg.Pool): PgPool => ({ connect: () => pool.connect(), on: pool.on.bind(pool) });

for (const [title, open] of [
  ['a pg pool', (pool) => pgDatabase(pool)],
  ['a pg pool that pipelines', (pool) => pgDatabase(pool)],
  ['a pg pool that prepares nothing', (pool) => pgDatabase(pool, { prepare: false })],
  ['a pool that is none of pg', (pool) => pgDatabase(unknownPool(pool))],
] as const satisfies [string, (pool: pg.Pool) => Database][]) {
  describe(`a transaction of ${title}`, () => {
    let database: TestDatabase;
    let pool: pg.Pool;
    let db: Database;
    let other: pg.Client;

    before(async () => {
      database = await testDatabase('transaction');
      // One connection: whatever keeps it for itself stops all that follows.
      pool = new pg.Pool({
        connectionString: database.url,
        max: 1,
        connectionTimeoutMillis: 10_000,
        pipeline: title.endsWith('pipelines'),
      });
      db = open(pool);
      other = new pg.Client({ connectionString: database.url });
      await other.connect();
      await db.run('create table numbers (n int primary key)');
      await db.run('create table others (n int references numbers deferrable initially deferred)');
    });
    beforeEach(async () => {
      await db.run('truncate numbers, others');
      // A connection's first transaction is like none after it.
      await db.transaction((sql) => sql('select 1', []));
    });
    after(async () => {
      await other.end();
      await pool.end();
      await database.drop();
    });

    const ADD = 'insert into numbers (n) values ($1) returning n';
    const connection = async () => (await db.run<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid;
    const numbers = async () =>
      (await db.run<{ n: number }>('select n from numbers order by n')).map(({ n }: { n: number }) => n);

    it('commits what its work did, and returns what its work returned', async () => {
      const result = await db.transaction(async (sql) => {
        assert.deepEqual(await sql(ADD, [1]), [{ n: 1 }]);
        await sql('insert into numbers values (2); insert into numbers values (3)');
        return 'done';
      });
      assert.equal(result, 'done');
      assert.deepEqual(await numbers(), [1, 2, 3]);
    });

    it('begins with any kind of first statement, and at read committed', async () => {
      const level = `select current_setting('transaction_isolation') as level, $1::int as n`;
      const [row] = await db.transaction((sql) => sql(level, [7]));
      assert.deepEqual(row, { level: 'read committed', n: 7 });
      await assert.rejects(
        db.transaction(async (sql) => {
          await sql('insert into numbers values (4); insert into numbers values (5)');
          throw new Error('no');
        }),
        /no/,
      );
      assert.deepEqual(await db.transaction((sql) => sql('', [])), []);
      assert.deepEqual(await db.transaction(() => Promise.resolve(1)), 1);
      assert.deepEqual(await numbers(), []);
    });

    it('commits with its last statement, whose rows come back', async () => {
      const rows = await db.transaction(async (sql) => {
        await sql(ADD, [1]);
        const last = await (sql.commitWith ?? sql)('select count(*)::int as n from numbers', []);
        const seen = await other.query('select n from numbers');
        assert.equal(seen.rowCount, 1, 'it is committed before the promise resolves');
        return last;
      });
      assert.deepEqual(rows, [{ n: 1 }]);
    });

    it('commits nothing whose last statement failed, whoever swallows the error', async () => {
      for (const swallow of [false, true]) {
        await assert.rejects(
          db.transaction(async (sql) => {
            await sql(ADD, [1]);
            const last = (sql.commitWith ?? sql)(ADD, [1]);
            if (swallow) await last.catch(() => undefined);
            else await last;
          }),
          { code: '23505' },
        );
      }
      await assert.rejects(
        db.transaction(async (sql) => {
          await sql(ADD, [1]);
          await (sql.commitWith ?? sql)('insert into others values (2)', []);
        }),
        { code: '23503' },
      );
      assert.deepEqual(await numbers(), []);
    });

    it('commits nothing after a statement that failed, whoever swallows its error', async () => {
      const swallowing = (commits: boolean) =>
        db.transaction(async (sql) => {
          await sql(ADD, [1]);
          await sql(ADD, [1]).catch(() => undefined);
          if (commits) await sql.commitWith?.(ADD, [2]);
        });
      await assert.rejects(swallowing(false), NotCommitted);
      await assert.rejects(swallowing(true), { code: '25P02' });
      assert.deepEqual(await numbers(), []);
    });

    it('takes a first statement alone that commits, and goes on after it failed', async () => {
      const before = await connection();
      await db.transaction((sql) => sql.commitWith?.(ADD, [1]) ?? Promise.resolve([]));
      assert.deepEqual(await numbers(), [1]);
      await db.transaction(async (sql) => {
        await assert.rejects(Promise.resolve(sql.commitWith?.(ADD, [1])), { code: '23505' });
        await sql(ADD, [2]);
        await sql.commitWith?.(ADD, [3]);
      });
      assert.deepEqual(await numbers(), [1, 2, 3]);
      assert.equal(await connection(), before);
    });

    it('holds what nobody waits for: it commits with the rest, or nothing does', async () => {
      await db.transaction(async (sql) => {
        void sql(ADD, [1]);
        void sql(ADD, [2]);
        await Promise.resolve();
      });
      assert.deepEqual(await numbers(), [1, 2]);
      for (const first of [2, 3]) {
        await assert.rejects(
          db.transaction((sql) => {
            sql(ADD, [first]).catch(() => undefined);
            sql(ADD, [2]).catch(() => undefined);
            return Promise.resolve();
          }),
          NotCommitted,
        );
      }
      assert.deepEqual(await numbers(), [1, 2]);
    });

    it('refuses statements once it has ended', async () => {
      const late = /the SQL transaction has ended/;
      const leaked = await db.transaction((sql) => Promise.resolve({ sql }));
      await assert.rejects(leaked.sql(ADD, [1]), late);
      await db.transaction(async (sql) => {
        await sql(ADD, [2]);
        await sql.commitWith?.(ADD, [3]);
        await assert.rejects(sql(ADD, [4]), late);
      });
      assert.deepEqual(await numbers(), [2, 3]);
    });

    it('neither runs nor commits a statement whose values cannot be written', async () => {
      const circular: Record<string, unknown> = {};
      circular.itself = circular;
      await assert.rejects(
        db.transaction((sql) => sql('insert into numbers values ($1::int)', [circular])),
        TypeError,
      );
      await assert.rejects(
        db.transaction(async (sql) => {
          await sql(ADD, [1]);
          await (sql.commitWith ?? sql)(ADD, [circular]);
        }),
        TypeError,
      );
      assert.deepEqual(await numbers(), []);
    });

    it('hears of a connection that is lost with a statement on its way, and of nothing else', async () => {
      /** Ends the connection that sleeps, once it does. */
      const wake = async () => {
        const text = `select pg_terminate_backend(pid) from pg_stat_activity
          where pid <> pg_backend_pid() and datname = current_database() and state = 'active' and query like '%pg_sleep%'`;
        while ((await other.query(text)).rowCount === 0) await sleep(20);
      };
      for (const last of [false, true]) {
        await assert.rejects(
          db.transaction(async (sql) => {
            await sql('select 1', []);
            await Promise.all([(last ? (sql.commitWith ?? sql) : sql)('select pg_sleep(60)', []), wake()]);
          }),
          { code: '57P01' },
        );
      }
      await assert.rejects(
        db.transaction((sql) => Promise.all([sql('select pg_sleep(60), $1::int', [1]), wake()])),
        { code: '57P01' },
      );
      assert.deepEqual(await numbers(), []);
    });
  });
}

describe('BEGIN and COMMIT of a pg pool', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let db: Database;
  before(async () => {
    database = await testDatabase('begin');
    pool = new pg.Pool({ connectionString: database.url, max: 1, connectionTimeoutMillis: 10_000 });
    db = pgDatabase(pool);
    await db.run('create table numbers (n int primary key)');
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });
  const ADD = 'insert into numbers (n) values ($1) returning n';

  it('take no round trip of their own, once the connection has them prepared', async () => {
    const take = roundTrips(pool);
    const twice = (n: number) =>
      db.transaction(async (sql) => {
        await sql(ADD, [n]);
        await sql.commitWith?.(ADD, [n + 1]);
      });
    await twice(1);
    assert.equal(take(), 3);
    await twice(3);
    assert.equal(take(), 2);
    await db.transaction((sql) => sql.commitWith?.(ADD, [5]) ?? Promise.resolve([]));
    assert.equal(take(), 1);
    await assert.rejects(
      db.transaction((sql) => sql(ADD, [5])),
      { code: '23505' },
    );
    assert.equal(take(), 2);
  });

  it('a first statement whose BEGIN failed never runs, nor does any after it', async () => {
    const before = await db.run('select pg_backend_pid() as pid');
    await db.run('truncate numbers');
    await db.run('deallocate all');
    await assert.rejects(
      db.transaction(async (sql) => {
        await Promise.allSettled([sql(ADD, [1]), sql(ADD, [2]), sql('insert into numbers values (3)')]);
        await sql(ADD, [4]).catch(() => undefined);
      }),
      { code: '26000', message: /bs_begin/ },
    );
    assert.deepEqual(await db.run('select n from numbers'), []);
    assert.notDeepEqual(await db.run('select pg_backend_pid() as pid'), before);
  });
});
