import assert from 'node:assert/strict';
import pg from 'pg';
import {
  forgetGuards,
  guardMigrations,
  migrate,
  MigrationError,
  pgDatabase,
  type Database,
} from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';

describe('migrations', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let db: Database;

  before(async () => {
    database = await testDatabase('migrate');
    pool = new pg.Pool({ connectionString: database.url, max: 10 });
    db = pgDatabase(pool);
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  const one = { name: '001', sql: 'create table one (n int); insert into one values (1);' };
  const two = { name: '002', sql: 'alter table one add column m int' };

  it('of ten workers at once are applied once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => migrate(db, 'ten', [one])));
    assert.deepEqual(await db.run('select n from one'), [{ n: 1 }]);
  });

  it('that are new are applied after those that are there', async () => {
    await migrate(db, 'ten', [one, two]);
    await migrate(db, 'ten', [one, two]);
    assert.deepEqual(await db.run('select n, m from one'), [{ n: 1, m: null }]);
  });

  it('that were changed after they were applied are refused, by name', async () => {
    await assert.rejects(migrate(db, 'ten', [{ ...one, sql: 'create table other (n int)' }]), (error: Error) => {
      assert.ok(error instanceof MigrationError);
      assert.match(error.message, /migration '001' of 'ten' was changed after it was applied: restore its text/);
      return true;
    });
  });

  it('that this program does not know are left alone', async () => {
    await migrate(db, 'ten', [one]);
    assert.deepEqual(await db.run('select n, m from one'), [{ n: 1, m: null }]);
  });

  it('wait for a lock a bounded time, and say so', async () => {
    const wait = () =>
      migrate(db, 'waits', [{ name: '001', sql: 'alter table one add column w int' }], { lockTimeoutMs: 50 });
    const refusal = { name: 'MigrationError', message: /the migrations of 'waits' waited more than 50 ms for a lock/ };
    // Another migration; a transaction that uses the table.
    for (const lock of ['select pg_advisory_xact_lock(7263901)', 'select from one']) {
      await db.transaction(async (sql) => {
        await sql(lock);
        await assert.rejects(wait(), refusal);
      });
    }
    await wait();
  });

  it('of which one fails leave nothing, and can be tried again', async () => {
    const bad = { name: '002', sql: 'create table half (n int); select nothing' };
    await assert.rejects(migrate(db, 'half', [{ name: '001', sql: 'create table whole (n int)' }, bad]));
    const tables = await db.run(`select 1 from pg_tables where tablename in ('half', 'whole')`);
    assert.deepEqual(tables, []);
    await migrate(db, 'half', [{ name: '001', sql: 'create table whole (n int)' }]);
  });

  it('of the guard: its rows are forgotten by age, in batches, a transaction at a time', async () => {
    await migrate(db, 'guard', guardMigrations);
    const insert = `insert into backstitch.guard
      (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, ended_at)
      select $1 || n, 'b', $2, 'action', 'applied', '', '', 1, '', '', 1, now() - make_interval(days => $3)
      from generate_series(1, $4) n`;
    await db.run(insert, ['old', 1, 100, 25]);
    await db.run(insert, ['young', 1, 10, 3]);
    await db.run(insert, ['mixed', 1, 100, 2]);
    await db.run(insert, ['mixed', 2, 10, 2]); // Undone lately: its first phase is still needed.
    for (const wrong of [{ olderThanDays: 0 }, { olderThanDays: -1 }, { olderThanDays: 0.5 }, { batch: 0 }]) {
      await assert.rejects(forgetGuards(db, wrong), RangeError);
    }
    assert.equal(await forgetGuards(db, { olderThanDays: 90, batch: 10 }), 25);
    assert.equal(await forgetGuards(db), 0);
    assert.deepEqual(await db.run('select count(*)::int as n from backstitch.guard'), [{ n: 7 }]);
    await db.run(insert, ['whole', 1, 100, 20]);
    await db.run(insert, ['whole', 2, 100, 20]);
    // Whenever a batch ends, no transaction is half removed.
    const halves = `select gid from backstitch.guard where gid like 'whole%' group by gid having count(*) <> 2`;
    const watched: Database = {
      ...db,
      run: async (text, values) => {
        const rows = await db.run(text, values);
        assert.deepEqual(await db.run(halves), []);
        return rows as never;
      },
    };
    assert.equal(await forgetGuards(watched, { batch: 3 }), 40);
    // What has not ended, as a person is waited for, is still needed.
    await db.run(insert, ['announced', 1, 100, 2]);
    await db.run(
      `insert into backstitch.announcements (gid, owner, take_over_at) values ('announced1', 'direct:1', now())`,
    );
    const opened = `update backstitch.guard set fate = '{"state":"running"}' where gid = 'announced2'`;
    await db.run(opened);
    assert.equal(await forgetGuards(db), 0);
    await db.run(`delete from backstitch.announcements`);
    await db.run(opened.replace('running', 'committed'));
    assert.equal(await forgetGuards(db), 2);
  });
});
