import assert from 'node:assert/strict';
import pg from 'pg';
import postgres from 'postgres';
import {
  Barred,
  createPrepared,
  guardMigrations,
  InputMismatch,
  migrate,
  NotCommitted,
  pgDatabase,
  postgresJsDatabase,
  proofOf,
  Rejection,
  Suspended,
  Undecidable,
  wrongForPrepared,
  type Database,
  type Op,
  type Operation,
  type Prepared,
  type Sql,
} from '../../../src/kit/database/index.js';
import { SCAN_DRIVER } from '../../../src/kit/database/guard/rows.js';
import { testDatabase } from '../../support/servers.js';
import { add, never, newGid, op as operation, refuse, Stage } from './support/stage.js';
import { until } from '../../support/until.js';

const op = (gid: string, name: Op, more: Partial<Operation> = {}) => operation(gid, name, { scheme: '2pc', ...more });
/** An attempt that gives up soon. */
const BRIEF = { timeoutMs: 1_000 };

describe('prepared transactions', () => {
  let sqlClient: postgres.Sql;
  after(() => sqlClient.end()); // Before the stage drops its database.
  const stage = new Stage();
  before(async () => {
    sqlClient = postgres(stage.url, { max: 5, onnotice: () => undefined });
    await stage.pool.query(
      'create table later (id int primary key, of int references later deferrable initially deferred)',
    );
  });
  const names = async () => {
    const text = 'select gid from pg_prepared_xacts where database = current_database()';
    return (await stage.pool.query<{ gid: string }>(text)).rows.map(({ gid }) => gid);
  };
  afterEach('nothing is left prepared', async () => {
    for (const name of await names()) await stage.pool.query(`rollback prepared '${name}'`);
  });
  const outcomes = async (gid: string) => {
    const rows = [await stage.row(gid, 1), await stage.row(gid, 2)];
    return rows.map((row) => row && [row.op, row.outcome].join(' '));
  };

  for (const [client, databaseOf] of [
    ['pg', () => stage.db],
    ['pg without prepared statements', () => pgDatabase(stage.pool, { prepare: false })],
    ['postgres.js', () => postgresJsDatabase(sqlClient as never)],
  ] as const) {
    describe(`with ${client}`, () => {
      let made: Prepared | undefined;
      const prepared = () => (made ??= createPrepared({ database: databaseOf() }));
      const prepare = (gid: string, more: Partial<Operation> = {}) =>
        prepared().prepare(op(gid, 'prepare', more), {}, add(gid, 1));

      it('a prepare does the work, which nobody sees until it is committed, once', async () => {
        const gid = newGid();
        assert.equal(await prepare(gid), 'yes');
        assert.deepEqual([await stage.net(gid), await outcomes(gid)], [0, [undefined, undefined]]);
        assert.equal((await names()).length, 1);
        for (let time = 0; time < 2; time++) {
          await prepared().commit(op(gid, 'commit'), {});
          assert.deepEqual([await stage.net(gid), await outcomes(gid)], [1, ['prepare applied', 'commit applied']]);
        }
        assert.deepEqual(await names(), []);
      });

      it('a prepare of what is prepared, or was committed, is answered as before, and does nothing', async () => {
        const gid = newGid();
        const again = () => prepared().prepare(op(gid, 'prepare', { attempt: 2 }), {}, never);
        await prepare(gid);
        assert.equal(await again(), 'yes');
        await prepared().commit(op(gid, 'commit'), {});
        assert.equal(await again(), 'yes');
        assert.equal(await stage.net(gid), 1);
      });

      it('a rollback leaves nothing of it, however often it is asked; a prepare that comes later is refused', async () => {
        const gid = newGid();
        await prepare(gid);
        for (let time = 0; time < 2; time++) await prepared().rollback(op(gid, 'rollback', { succeeded: true }), {});
        assert.deepEqual([await stage.net(gid), await names()], [0, []]);
        assert.deepEqual(await outcomes(gid), ['rollback barred', 'rollback empty']);
        await assert.rejects(prepared().prepare(op(gid, 'prepare'), {}, never), Suspended);
        await assert.rejects(prepared().commit(op(gid, 'commit'), {}), Suspended);
      });

      it('a rollback that comes first bars the prepare', async () => {
        const gid = newGid();
        await prepared().rollback(op(gid, 'rollback'), {});
        await assert.rejects(prepare(gid), Suspended);
        assert.deepEqual([await stage.net(gid), await names()], [0, []]);
      });

      it('a branch that has written nothing votes read-only: nothing is prepared, and no second phase does anything', async () => {
        const gid = newGid();
        const read = (sql: Sql) => sql('select count(*) from ledger');
        assert.equal(await prepared().prepare(op(gid, 'prepare'), {}, read), 'read-only');
        assert.equal(await prepared().prepare(op(gid, 'prepare'), {}, never), 'read-only');
        assert.deepEqual(await names(), []);
        assert.equal(await prepared().prepare(op(gid, 'prepare', { settle: true }), {}, never), 'read-only');
        await prepared().rollback(op(gid, 'rollback'), {});
        await assert.rejects(prepared().commit(op(gid, 'commit'), {}), Suspended);
      });

      it('a branch that only locks rows does not vote read-only: its locks have to last', async () => {
        const gid = newGid();
        await prepared().prepare(op(gid, 'prepare', { single: true }), {}, add(gid, 1));
        const lock = (sql: Sql) => sql('select from ledger where gid = $1 for update', [gid]);
        const other = newGid();
        assert.equal(await prepared().prepare(op(other, 'prepare'), {}, lock), 'yes');
      });

      it('a refusal is for good, and nothing is prepared', async () => {
        const gid = newGid();
        await assert.rejects(prepared().prepare(op(gid, 'prepare'), {}, refuse), { type: 'Refused' });
        await assert.rejects(prepare(gid), { name: 'Rejection', type: 'Refused' });
        assert.deepEqual([await stage.net(gid), await names()], [0, []]);
        assert.deepEqual(await outcomes(gid), ['prepare rejected', undefined]);
        await prepared().rollback(op(gid, 'rollback'), {});
      });

      it('a constraint refuses it: at once, or as late as PREPARE TRANSACTION looks', async () => {
        const [now, late] = [newGid(), newGid()];
        await assert.rejects(prepared().prepare(op(now, 'prepare'), {}, add(now, 13)), { type: 'ConstraintViolated' });
        const orphan = (sql: Sql) => sql('insert into later values (1, 2)');
        await assert.rejects(prepared().prepare(op(late, 'prepare'), {}, orphan), { type: 'ConstraintViolated' });
        assert.deepEqual(await outcomes(late), ['prepare rejected', undefined]);
      });

      it('work that goes on after an error of the database is not prepared', async () => {
        const gid = newGid();
        const careless = (sql: Sql) => sql('select 1 / 0').catch(() => undefined);
        await assert.rejects(prepared().prepare(op(gid, 'prepare'), {}, careless), { code: /25P02|22012/ });
        // Nor where the error comes after the last statement that anybody waits for.
        const name = `backstitch/test/${gid}`;
        const unawaited = databaseOf().transaction(async (sql) => {
          await sql('insert into ledger values ($1, 1)', [gid]);
          sql.prepareAs?.(name);
          void sql('select 1 / 0').catch(() => undefined);
        });
        await assert.rejects(unawaited, (error: Error & { code?: string }) => {
          return error instanceof NotCommitted || error.code === '22012' || error.code === '25P02';
        });
        assert.deepEqual(await names(), []);
        assert.equal(await prepare(gid), 'yes', 'it can be tried again');
      });

      it('another input is refused while it is prepared, and after', async () => {
        const gid = newGid();
        await prepare(gid);
        const other = () => prepared().prepare(op(gid, 'prepare'), { other: 1 }, never);
        await assert.rejects(other(), InputMismatch);
        await assert.rejects(prepared().commit(op(gid, 'commit'), { other: 1 }), InputMismatch);
        await assert.rejects(prepared().rollback(op(gid, 'rollback'), { other: 1 }), InputMismatch);
        assert.equal((await names()).length, 1, 'it stays prepared');
        await prepared().commit(op(gid, 'commit'), {});
        await assert.rejects(other(), InputMismatch);
      });

      it('a rollback with an input that a person has given ends whatever is prepared', async () => {
        const gid = newGid();
        await prepare(gid);
        await prepared().rollback(op(gid, 'rollback', { corrected: true }), { other: 1 });
        assert.deepEqual([await names(), await outcomes(gid)], [[], ['rollback barred', 'rollback empty']]);
      });

      it('a commit that died before its row finds the row of its prepare; one that finds nothing asks for a person', async () => {
        const [died, gone] = [newGid(), newGid()];
        await prepare(died);
        await stage.pool.query(`commit prepared '${(await names())[0] ?? ''}'`);
        await prepared().commit(op(died, 'commit'), {});
        assert.deepEqual(await outcomes(died), ['prepare applied', 'commit applied']);
        await prepare(gone);
        await stage.pool.query(`rollback prepared '${(await names())[0] ?? ''}'`);
        await assert.rejects(prepared().commit(op(gone, 'commit'), {}), Undecidable);
      });

      it('what a scan has ended, which knows no input, is done for the coordinator that asks for the same', async () => {
        const scan = { driver: SCAN_DRIVER, corrected: true } as const;
        for (const end of ['commit', 'rollback'] as const) {
          const gid = newGid();
          await prepared().prepare(op(gid, 'prepare'), { amount: 1 }, add(gid, 1));
          await prepared()[end](op(gid, end, scan), null);
          for (let time = 0; time < 2; time++) await prepared()[end](op(gid, end), { amount: 1 });
          const other = end === 'commit' ? 'rollback' : 'commit';
          await assert.rejects(prepared()[other](op(gid, other), { amount: 1 }), end === 'commit' ? Suspended : Error);
          if (end === 'commit') await assert.rejects(prepared().commit(op(gid, end), { amount: 2 }), InputMismatch);
          assert.equal(await stage.net(gid), end === 'commit' ? 1 : 0);
        }
      });

      it('a rollback of what was committed is refused, whether the commit has its row or not', async () => {
        const [died, whole] = [newGid(), newGid()];
        await prepare(died);
        await stage.pool.query(`commit prepared '${(await names())[0] ?? ''}'`);
        await assert.rejects(prepared().rollback(op(died, 'rollback'), {}), Suspended);
        assert.deepEqual(await outcomes(died), ['prepare applied', undefined]);
        await prepare(whole);
        await prepared().commit(op(whole, 'commit'), {});
        await assert.rejects(prepared().rollback(op(whole, 'rollback'), {}), Suspended);
        assert.deepEqual([await stage.net(died), await stage.net(whole)], [1, 1]);
      });

      it('settled: what is prepared or committed stands, what was refused stays so, anything else is barred', async () => {
        const settle = (gid: string) => prepared().prepare(op(gid, 'prepare', { settle: true }), {}, never);
        const [held, refused, nothing] = [newGid(), newGid(), newGid()];
        await prepare(held);
        assert.equal(await settle(held), 'yes');
        await prepared().commit(op(held, 'commit'), {});
        assert.equal(await settle(held), 'yes');
        await assert.rejects(prepared().prepare(op(refused, 'prepare'), {}, refuse));
        await assert.rejects(settle(refused), Rejection);
        await assert.rejects(settle(nothing), Barred);
        await assert.rejects(prepare(nothing), Suspended);
      });

      it('a single participant does all at once; asked again it is answered as before', async () => {
        const gid = newGid();
        assert.equal(await prepare(gid, { single: true }), 'committed');
        assert.equal(await prepare(gid, { single: true, attempt: 2 }), 'committed');
        assert.equal(await prepare(gid, { single: true, settle: true }), 'committed');
        assert.deepEqual([await stage.net(gid), await names()], [1, []]);
      });

      it('waits for a lock no longer than half of its time', async () => {
        const [first, second] = [newGid(), newGid()];
        const insert = (sql: Sql) => sql('insert into later values (7, null)');
        await prepared().prepare(op(first, 'prepare'), {}, insert);
        await assert.rejects(prepared().prepare(op(second, 'prepare', BRIEF), {}, insert), { code: '55P03' });
      });
    });
  }

  describe('at the same time', () => {
    /** Waits until so many statements wait for a lock. */
    const blocked = async (statements: number) => {
      const locked = 'select from pg_locks where not granted';
      await until(async () => (await stage.pool.query(locked)).rows.length >= statements);
    };
    /** Stops an operation at a point of its life. */
    const stopped = (at: string, of: Op) => {
      let reach: () => void = () => undefined;
      let go: () => void = () => undefined;
      const reached = new Promise<void>((resolve) => (reach = resolve));
      const open = new Promise<void>((resolve) => (go = resolve));
      const prepared = createPrepared({
        database: stage.db,
        probe: async (point, { op: name }) => {
          if (point !== at || name !== of) return;
          reach();
          await open;
        },
      });
      return { prepared, reached, go };
    };

    it('two attempts of one prepare prepare it once: the other hears of that when it asks again', async () => {
      const gid = newGid();
      const slow = stopped('working', 'prepare');
      const first = slow.prepared.prepare(op(gid, 'prepare', BRIEF), {}, add(gid, 1));
      await slow.reached;
      const quick = createPrepared({ database: stage.db });
      assert.equal(await quick.prepare(op(gid, 'prepare', { attempt: 2 }), {}, add(gid, 1)), 'yes');
      slow.go();
      await assert.rejects(first, { code: '55P03' });
      assert.equal(await quick.prepare(op(gid, 'prepare', { attempt: 3 }), {}, never), 'yes');
      await quick.commit(op(gid, 'commit'), {});
      assert.equal(await stage.net(gid), 1);
    });

    it('an attempt that comes to its end after the commit of the other is answered as the other, and has no effect', async () => {
      const gid = newGid();
      const slow = stopped('working', 'prepare');
      const first = slow.prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
      await slow.reached;
      const quick = createPrepared({ database: stage.db });
      await quick.prepare(op(gid, 'prepare', { attempt: 2 }), {}, add(gid, 1));
      await quick.commit(op(gid, 'commit'), {});
      slow.go();
      assert.equal(await first, 'yes');
      assert.equal(await stage.net(gid), 1);
      assert.deepEqual(await names(), []);
    });

    it('a rollback that meets a prepare under way waits for it, and rolls it back', async () => {
      const gid = newGid();
      const slow = stopped('worked', 'prepare');
      const first = slow.prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
      await slow.reached;
      const rollback = slow.prepared.rollback(op(gid, 'rollback'), {});
      await blocked(1);
      slow.go();
      assert.equal(await first, 'yes');
      await rollback;
      assert.deepEqual([await stage.net(gid), await names()], [0, []]);
      assert.deepEqual(await outcomes(gid), ['rollback barred', 'rollback empty']);
    });

    it('a prepare that becomes prepared between a rollback and its bar is rolled back too', async () => {
      const gid = newGid();
      const slow = stopped('worked', 'rollback');
      const rollback = slow.prepared.rollback(op(gid, 'rollback'), {});
      await slow.reached;
      await slow.prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
      slow.go();
      await rollback;
      assert.deepEqual([await stage.net(gid), await names()], [0, []]);
    });

    it('a rollback that cannot get its bar ends in its time, and can be asked again', async () => {
      const gid = newGid();
      const slow = stopped('worked', 'prepare');
      const first = slow.prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
      await slow.reached;
      await assert.rejects(slow.prepared.rollback(op(gid, 'rollback', BRIEF), {}), { code: '55P03' });
      slow.go();
      await first;
      await slow.prepared.rollback(op(gid, 'rollback'), {});
      assert.deepEqual(await names(), []);
    });

    it('each statement of its own has a limit, also where it looks why it was too late', async () => {
      const [gid, lost] = [newGid(), newGid()];
      const limits: (number | undefined)[] = [];
      const database: Database = {
        ...stage.db,
        run: (text, values, timeoutMs) => {
          limits.push(timeoutMs);
          return stage.db.run(text, values, timeoutMs);
        },
      };
      const watched = createPrepared({ database });
      const faster = async (sql: Sql) => {
        await createPrepared({ database: stage.db }).prepare(op(gid, 'prepare', { single: true }), {}, add(gid, 1));
        await add(gid, 1)(sql);
      };
      assert.equal(await watched.prepare(op(gid, 'prepare'), {}, faster), 'committed');
      await assert.rejects(watched.commit(op(lost, 'commit'), {}), Undecidable);
      assert.ok(limits.length >= 3, String(limits));
      for (const limit of limits)
        assert.ok(limit !== undefined && limit <= op(gid, 'prepare').timeoutMs, String(limits));
    });

    it('two commits, and two rollbacks, are one', async () => {
      const [one, other] = [newGid(), newGid()];
      const prepared = createPrepared({ database: stage.db });
      await prepared.prepare(op(one, 'prepare'), {}, add(one, 1));
      await prepared.prepare(op(other, 'prepare'), {}, add(other, 1));
      const twice = <T>(call: () => Promise<T>) => Promise.allSettled([call(), call()]);
      // One that finds the other in the middle of it hears that it is busy, and asks again.
      await twice(() => prepared.commit(op(one, 'commit'), {}));
      await twice(() => prepared.rollback(op(other, 'rollback'), {}));
      await prepared.commit(op(one, 'commit'), {});
      await prepared.rollback(op(other, 'rollback'), {});
      assert.deepEqual([await stage.net(one), await stage.net(other)], [1, 0]);
    });
  });

  it('a commit does not queue behind prepares that wait for what it is to let go', async () => {
    const POOL = 2;
    const [phase1, phase2] = [POOL, 1].map((max) => new pg.Pool({ connectionString: stage.url, max }));
    assert.ok(phase1 && phase2);
    await stage.pool.query('create table contended (id int primary key, n int); insert into contended values (1, 0)');
    const prepared = createPrepared({ database: pgDatabase(phase1), phase2: pgDatabase(phase2) });
    const gids = Array.from({ length: POOL + 1 }, newGid);
    const prepare = async (gid: string) => {
      await prepared.prepare(op(gid, 'prepare'), {}, (sql) => sql('update contended set n = n + 1 where id = 1'));
      return gid;
    };
    try {
      let holder = await prepare(gids[0] ?? '');
      const waiting = new Map(gids.slice(1).map((gid) => [gid, prepare(gid)]));
      const locked = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await until(async () => (await stage.pool.query(locked)).rowCount === POOL);
      // Each would give up before a connection of theirs came free for the commit.
      while (waiting.size > 0) {
        await prepared.commit(op(holder, 'commit'), {});
        holder = await Promise.race(waiting.values());
        waiting.delete(holder);
      }
      await prepared.rollback(op(holder, 'rollback'), {});
      assert.deepEqual((await stage.pool.query('select n from contended')).rows, [{ n: POOL }]);
    } finally {
      await Promise.all([phase1.end(), phase2.end()]);
    }
  });

  it('no connection is held between the phases', async () => {
    const pool = new pg.Pool({ connectionString: stage.url, max: 1 });
    const prepared = createPrepared({ database: pgDatabase(pool) });
    const gids = [newGid(), newGid(), newGid()];
    for (const gid of gids) await prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
    assert.equal((await names()).length, 3);
    for (const gid of gids) await prepared.commit(op(gid, 'commit'), {});
    await pool.end();
  });

  it('names tell gid and branch whatever they hold, and one that would be too long is refused for good', async () => {
    const prepared = createPrepared({ database: stage.db });
    const gid = `it's a/gid %2F "of" (Zürich)!*~`;
    const branch = '/a/b/';
    await prepared.prepare(op(gid, 'prepare', { branch }), {}, add(gid, 1));
    const [found] = await prepared.inDoubt({ olderThanMs: 0 });
    assert.deepEqual([found?.gid, found?.branch, found?.scheme], [gid, branch, '2pc']);
    await prepared.commit(op(gid, 'commit', { branch }), {});
    assert.equal(await stage.net(gid), 1);
    const long = 'x'.repeat(160);
    for (let time = 0; time < 2; time++) {
      await assert.rejects(prepared.prepare(op(long, 'prepare'), {}, add(long, 1)), { type: 'NameTooLong' });
    }
    const fits = long.slice(0, 157);
    assert.equal(await prepared.prepare(op(fits, 'prepare'), {}, add(fits, 1)), 'yes');
  });

  it('only those of the same database are found, and ended', async () => {
    const other = await testDatabase('other');
    const pool = new pg.Pool({ connectionString: other.url, max: 2 });
    const database = pgDatabase(pool);
    await migrate(database, 'guard', guardMigrations);
    await pool.query('create table ledger (gid text, amount int)');
    const [here, there] = [createPrepared({ database: stage.db }), createPrepared({ database })];
    const gid = newGid();
    await there.prepare(op(gid, 'prepare'), {}, add(gid, 1));
    assert.deepEqual(await here.inDoubt({ olderThanMs: 0 }), []);
    await here.rollback(op(gid, 'rollback'), {});
    assert.equal((await there.inDoubt({ olderThanMs: 0 })).length, 1);
    await there.rollback(op(gid, 'rollback'), {});
    await pool.end();
    await other.drop();
  });

  it('lists what is in doubt by age: only its own, the oldest first', async () => {
    const prepared = createPrepared({ database: stage.db });
    const [first, second] = [newGid(), newGid()];
    for (const gid of [first, second]) await prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
    const client = new pg.Client({ connectionString: stage.url });
    await client.connect();
    await client.query(`begin; select pg_current_xact_id(); prepare transaction 'somebody else''s'`);
    await client.end();
    const listed = await prepared.inDoubt({ olderThanMs: 0 });
    assert.deepEqual(listed.map(({ gid }) => gid), [first, second]); // prettier-ignore
    assert.ok(listed.every(({ ageMs, since }) => ageMs >= 0 && Math.abs(Date.now() - since) < 600_000));
    assert.deepEqual((await prepared.inDoubt({ olderThanMs: 0, limit: 1 })).map(({ gid }) => gid), [first]); // prettier-ignore
    assert.deepEqual(await prepared.inDoubt(), [], 'a minute is the default');
    await stage.pool.query(`rollback prepared 'somebody else''s'`);
  });

  it('a database proves a decision by what was committed or refused there, and by nothing else', async () => {
    const prepared = createPrepared({ database: stage.db });
    const proof = (gid: string) => proofOf(stage.db, gid);
    const [none, held, committed, barred, refused, read] = Array.from({ length: 6 }, newGid) as [
      ...[string, string, string, string, string, string],
    ];
    assert.equal(await proof(none), undefined);
    for (const gid of [held, committed]) await prepared.prepare(op(gid, 'prepare'), {}, add(gid, 1));
    assert.equal(await proof(held), undefined);
    await stage.pool.query(`commit prepared '${(await prepared.inDoubt({ olderThanMs: 0 }))[1]?.name ?? ''}'`);
    assert.equal(await proof(committed), 'commit');
    await prepared.rollback(op(barred, 'rollback'), {});
    assert.equal(await proof(barred), 'rollback');
    await assert.rejects(prepared.prepare(op(refused, 'prepare'), {}, refuse));
    assert.equal(await proof(refused), 'rollback');
    await prepared.prepare(op(read, 'prepare'), {}, (sql) => sql('select 1'));
    assert.equal(await proof(read), undefined);
    await prepared.rollback(op(committed, 'rollback', { branch: 'other' }), {});
    assert.equal(await proof(committed), undefined, 'what contradicts itself proves nothing');
  });

  it('says in one line what a server lacks', async () => {
    assert.equal(await wrongForPrepared(stage.db, 10), undefined);
    const line = (await wrongForPrepared(stage.db, 100_000)) ?? '';
    assert.match(line, /^max_prepared_transactions is \d+, so at most \d+ .*: set it to 100000 or more/);
    const none: Pick<Database, 'run'> = { run: () => Promise.resolve([{ most: 0 }] as never) };
    assert.match(
      (await wrongForPrepared(none, 20)) ?? '',
      /is 0, so two-phase commit is refused: set it to 20 or more/,
    );
  });
});
