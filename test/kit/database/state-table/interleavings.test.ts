import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import {
  createGuard,
  createStateTable,
  guardMigrations,
  migrate,
  pgDatabase,
  Rejection,
  stateTableMigrations,
  type Database,
  type Operation,
} from '../../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';
import { Stage, type Part } from '../support/interleave.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 60);

/** What drives a row, stepped statement by statement: callers, scans, and a person who wants it tried again. */
const kinds = ['caller', 'scan', 'impatient scan', 'person'] as const;
type Kind = (typeof kinds)[number];

/** What an operation meets: it is done; it says no; before it is done it fails so often; or its answer is lost so often. */
interface Meets {
  readonly refused: boolean;
  readonly fails: number;
  readonly loses: number;
}
interface World {
  readonly a: Meets;
  readonly b: Meets;
  readonly c: Meets;
  readonly twoStates: boolean;
}

const meets = fc.record({
  refused: fc.constantFrom(false, false, false, true),
  fails: fc.integer({ min: 0, max: 2 }),
  loses: fc.integer({ min: 0, max: 2 }),
});

describe('the state table, under every order of statements', function () {
  this.timeout(600_000);
  let place: TestDatabase;
  let pool: pg.Pool;
  let database: Database;
  let stage: Stage;

  before(async () => {
    place = await testDatabase('states');
    pool = new pg.Pool({ connectionString: place.url, max: 4 });
    database = pgDatabase(pool);
    await migrate(database, 'guard', guardMigrations);
    await migrate(database, 'state-table', stateTableMigrations);
    stage = await Stage.open(place.url);
    await pool.query('alter table ledger add column branch text');
  });
  after(async () => {
    await stage.close();
    await pool.end();
    await place.drop();
  });

  /** A table whose participants are in the same database: each statement of all of them is a step. */
  const tableOn = (db: Database, { a, b, c, twoStates }: World, troubles: Map<string, number>) => {
    const guard = createGuard(db);
    const happens = (what: string, times: number) => {
      const count = troubles.get(what) ?? 0;
      troubles.set(what, count + 1);
      return count < times;
    };
    const of =
      (name: string, { refused, fails, loses }: Meets) =>
      async (operation: Operation, input: unknown) => {
        if (happens(`${name} fails`, fails)) throw new Error(`${name} failed`);
        const result = await guard.apply(operation, input, async (sql) => {
          if (refused) throw new Rejection('Refused', `${name} says no`);
          await sql('insert into ledger (gid, branch, amount) values ($1, $2, 1)', [operation.gid, name]);
          return { done: name };
        });
        if (happens(`${name} loses`, loses)) throw new Error(`the answer of ${name} is lost`);
        return result;
      };
    const times = {
      retries: 1,
      backoffMs: [0],
      attemptMs: 60_000,
      callerMs: 60_000,
      scanAfterMs: 1,
      statementMs: 60_000,
    };
    return createStateTable({
      database: db,
      operations: { a: of('a', a), b: of('b', b), c: of('c', c) },
      twoStates,
      rounds: 3,
      ...times,
    });
  };
  const calls = [
    { branch: 'a', operation: 'a', input: {} },
    { branch: 'b', operation: 'b', input: {} },
    { branch: 'c', operation: 'c', input: {} },
  ] as const;

  const play = async (world: World, troubles: Map<string, number>, kind: Kind, { gid, db, name }: Part) => {
    const table = tableOn(db, world, troubles);
    if (kind === 'caller') return (await table.run(gid, calls)).answer;
    if (kind === 'person') {
      const row = await table.look(gid);
      if (row?.state !== 'error') return 'nothing to decide';
      const note = { branch: 'x', op: 'action', action: 'retry', actor: name, reason: 'r', at: 1 } as const;
      return (await table.desk.retry({ gid, index: row.done, note })).state;
    }
    if (kind === 'impatient scan') {
      // Time passes: whoever has the row is slow.
      await db.run('update backstitch.state_table set due_at = clock_timestamp() where gid = $1 and ended_at is null', [
        gid,
      ]);
    }
    const { driver, rows } = await table.scan.take(1_000);
    const row = rows.find((each) => each.gid === gid && each.state !== 'error');
    return row === undefined ? 'nothing due' : (await table.scan.round(row, driver)).end;
  };

  const effectsOf = async (gid: string) => {
    const text = 'select branch, sum(amount)::int as net from ledger where gid = $1 group by branch';
    const { rows } = await pool.query<{ branch: string; net: number }>(text, [gid]);
    return new Map(rows.map(({ branch, net }) => [branch, net]));
  };

  it('does each operation once, in order, tells what is so, and ends', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.record({ a: meets, b: meets, c: meets, twoStates: fc.boolean() }),
        fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat({ max: 5 }), { minLength: 60, maxLength: 60 }),
        fc.option(fc.record({ step: fc.nat({ max: 25 }), actor: fc.nat({ max: 3 }) }), { nil: undefined }),
        async (world, others, choices, crash) => {
          const troubles = new Map<string, number>();
          const cast: Kind[] = ['caller', ...others];
          const outcome = await stage.play(
            cast,
            {
              choose: (step, runnable) => (choices[step % choices.length] ?? 0) % runnable,
              ...(crash && { crash: { step: crash.step, actor: crash.actor % cast.length } }),
            },
            (kind, part) => play(world, troubles, kind, part),
          );
          const { gid, answers } = outcome;
          const told = JSON.stringify({ world, outcome });
          const errors = answers.filter(({ answer }) => answer.kind === 'error');
          assert.deepEqual(errors, [], told);

          const table = tableOn(database, world, troubles);
          const check = async (now: string) => {
            const [row, effects] = [await table.look(gid), await effectsOf(gid)];
            const [a = 0, b = 0, c = 0] = ['a', 'b', 'c'].map((name) => effects.get(name));
            assert.ok(a <= 1 && b <= a && c <= b, `each once, in order, ${now}: ${told}`);
            assert.ok((row?.done ?? 0) <= a + b + c, `what is said to be done is done, ${now}: ${told}`);
            const results = ['a', 'b', 'c'].slice(0, row?.done).map((name) => ({ done: name }));
            if (row !== undefined) assert.deepEqual(row.results, results, `what they returned, ${now}: ${told}`);
            if (row?.state === 'success') assert.equal(a + b + c, 3, told);
            if (row?.state === 'refused') assert.equal(a + b + c, 0, told);
            return row;
          };
          const row = await check('at first');
          const ends = answers.map(({ answer }) => (answer.kind === 'returned' ? answer.value : undefined));
          for (const end of ['success', 'refused']) if (ends.includes(end)) assert.equal(row?.state, end, told);

          // Then everybody is well, and the scan goes on until it has ended or is a person's.
          for (let round = 0; round < 12; round++) {
            await pool.query(
              `update backstitch.state_table set due_at = clock_timestamp() where gid = $1 and due_at is not null`,
              [gid],
            );
            const { driver, rows } = await table.scan.take(1_000);
            const due = rows.find((each) => each.gid === gid);
            if (due === undefined || due.state === 'error') break;
            await table.scan.round(due, driver);
          }
          const last = await check('at last');
          const { a, b, c } = world;
          const expected = a.refused ? ['refused'] : b.refused || c.refused ? ['error'] : ['success', 'error'];
          if (row !== undefined) {
            // Rounds that failed may have been its last; a first operation that was refused is never one of them.
            const allowed = [...expected, ...(last?.rounds !== undefined && last.rounds >= 3 ? ['error'] : [])];
            assert.ok(allowed.includes(last?.state ?? ''), `${last?.state}: ${told}`);
          }
          seen.set(last?.state ?? 'none', (seen.get(last?.state ?? 'none') ?? 0) + 1);
        },
      ),
      { numRuns: RUNS },
    );
    for (const end of ['success', 'refused', 'error']) assert.ok(seen.has(end), `${end} never came about`);
  });
});
