import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import {
  announcementsOf,
  guardMigrations,
  migrate,
  pgDatabase,
  type Database,
} from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';
import { ALL, playDriver, takeOver, type DriverKind } from './support/drivers.js';
import { Stage, type Outcome } from './support/interleave.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 80);

describe('drivers of one transaction, under every order of statements', function () {
  this.timeout(900_000);
  let database: TestDatabase;
  let pool: pg.Pool;
  let db: Database;
  let stage: Stage;

  before(async () => {
    database = await testDatabase('drivers');
    pool = new pg.Pool({ connectionString: database.url, max: 2 });
    db = pgDatabase(pool);
    await migrate(db, 'guard', guardMigrations);
    stage = await Stage.open(database.url);
  });
  after(async () => {
    await stage.close();
    await pool.end();
    await database.drop();
  });

  /** One decision, every effect once or none, whatever happened. */
  async function check(outcome: Outcome<DriverKind>): Promise<void> {
    const { gid, answers } = outcome;
    const seen = JSON.stringify(outcome);
    const told: unknown[] = [];
    for (const { answer } of answers) {
      assert.ok(answer.kind === 'returned' || answer.kind === 'crashed', seen);
      if (answer.kind === 'returned' && answer.value !== 'left') told.push(answer.value);
    }
    // Whoever has left it has started its workflow; a workflow whose worker died runs again.
    told.push(await takeOver(gid, db));
    assert.equal(new Set(told).size, 1, `two ends: ${told.join(', ')}: ${seen}`);
    const [sum] = await db.run<{ net: number; rows: number }>(
      'select coalesce(sum(amount), 0)::int as net, count(*)::int as rows from ledger where gid = $1',
      [gid],
    );
    assert.equal(sum?.net, told[0] === 'committed' ? ALL : 0, seen);
    assert.ok(told[0] !== 'committed' || sum.rows === 2, seen);
    const { fate, announced } = await announcementsOf(db).look(gid);
    assert.equal(announced, undefined, seen);
    assert.equal(fate?.state, told[0], seen);
  }

  const outside = ['group', 'refused group', 'same group', 'direct', 'refused direct'] as const;
  const workflows = [
    'workflow',
    'refused workflow',
    'stopped workflow',
    'cut workflow',
    'adopting workflow',
    'stopped adopting workflow',
  ] as const;

  it('two at a time, one of which may die at any statement', async () => {
    const schedules = fc.array(fc.nat({ max: 59 }), { minLength: 60, maxLength: 60 });
    const crash = fc.option(fc.record({ step: fc.nat({ max: 30 }), actor: fc.nat({ max: 1 }) }), { nil: undefined });
    for (const one of ['group', 'refused group', 'same group'] as const) {
      for (const other of [...outside, ...workflows]) {
        await fc.assert(
          fc.asyncProperty(schedules, crash, async (picks, crash) => {
            const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
            await check(await stage.play([one, other], { choose, crash }, playDriver));
          }),
          { numRuns: Math.ceil(RUNS / 16) },
        );
      }
    }
  });

  it('up to four at a time, one of which may die at any statement', async () => {
    // One workflow has a gid.
    const rivals = fc.tuple(
      fc.array(fc.constantFrom(...outside), { minLength: 1, maxLength: 3 }),
      fc.option(fc.constantFrom(...workflows), { nil: undefined }),
    );
    await fc.assert(
      fc.asyncProperty(
        rivals,
        fc.array(fc.nat({ max: 59 }), { minLength: 60, maxLength: 60 }),
        fc.option(fc.record({ step: fc.nat({ max: 40 }), actor: fc.nat({ max: 3 }) }), { nil: undefined }),
        async ([others, workflow], picks, crash) => {
          const actors: DriverKind[] = [...others, ...(workflow === undefined ? [] : [workflow])];
          const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
          await check(await stage.play(actors, { choose, crash }, playDriver));
        },
      ),
      { numRuns: RUNS / 2 },
    );
  });
});
