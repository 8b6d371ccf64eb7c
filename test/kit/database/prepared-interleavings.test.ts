import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import {
  Barred,
  createPrepared,
  guardMigrations,
  migrate,
  pgDatabase,
  Rejection,
  Suspended,
  Undecidable,
  type Op,
  type Operation,
  type Prepared,
} from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';
import { Stage, type Outcome, type Play } from './support/interleave.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 60);

const kinds = ['prepare', 'refused prepare', 'settle', 'commit', 'rollback'] as const;
type Kind = (typeof kinds)[number];

const operation = (gid: string, op: Op, who: string, more: Partial<Operation> = {}): Operation => ({
  ...{ gid, branch: 'pay', op, scheme: '2pc', seq: 1, function: `payments.charge.${op}`, driver: 'test', who },
  ...{ attempt: 1, timeoutMs: 1_500, signal: new AbortController().signal, ...more },
});

/** Asks again as a workflow does, until the answer is definite. */
async function insist<T>(call: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(attempt);
    } catch (error) {
      const definite = [Rejection, Suspended, Barred, Undecidable].some((kind) => error instanceof kind);
      if (definite || attempt === 10) throw error;
    }
  }
}

const play: Play<Kind> = (kind, { gid, name, db, gate }) => {
  // Between the answer of the database and the reply, too, a process may die.
  const probe = (point: string) => (point === 'committed' ? gate() : Promise.resolve());
  const prepared = createPrepared({ database: db, probe });
  return insist<unknown>((attempt) => {
    if (kind === 'commit' || kind === 'rollback') return prepared[kind](operation(gid, kind, name, { attempt }), {});
    const settle = kind === 'settle' ? true : undefined;
    return prepared.prepare(operation(gid, 'prepare', name, { attempt, settle }), {}, async (sql) => {
      if (kind === 'refused prepare') throw new Rejection('Refused', `refused by ${name}`);
      await sql('insert into ledger (gid, amount) values ($1, 1)', [gid]);
    });
  });
};

describe('prepared transactions, under any order of statements', function () {
  this.timeout(600_000);
  let database: TestDatabase;
  let pool: pg.Pool;
  let stage: Stage;
  let prepared: Prepared;

  before(async () => {
    database = await testDatabase('interleavings');
    pool = new pg.Pool({ connectionString: database.url, max: 2 });
    await migrate(pgDatabase(pool), 'guard', guardMigrations);
    prepared = createPrepared({ database: pgDatabase(pool) });
    stage = await Stage.open(database.url, { patient: true });
  });
  after(async () => {
    await stage.close();
    await pool.end();
    await database.drop();
  });

  const net = async (gid: string) => {
    const text = 'select coalesce(sum(amount), 0)::int as net from ledger where gid = $1';
    return (await pool.query<{ net: number }>(text, [gid])).rows[0]?.net;
  };

  async function check(outcome: Outcome<Kind>): Promise<void> {
    const { gid, answers } = outcome;
    const seen = JSON.stringify(outcome);
    const answered = (kind: string, how: string) =>
      answers.filter((each) => each.kind.endsWith(kind) && each.answer.kind === how);
    for (const { kind, answer } of answers) {
      const isLost = kind === 'commit' && answer.kind === 'error' && answer.message.includes('neither prepared nor');
      assert.ok(answer.kind !== 'error' || isLost, seen);
    }
    const committed = answered('commit', 'returned').length > 0;
    const rolledBack = answered('rollback', 'returned').length > 0;
    assert.ok(!committed || !rolledBack, `both: ${seen}`);
    assert.ok(new Set(answered('prepare', 'rejected').map(({ answer }) => JSON.stringify(answer))).size <= 1, seen);

    // The decision is carried out by whoever comes last; if none was carried out before, either can be.
    const [before] = await prepared.inDoubt({ olderThanMs: 0 });
    const was = await net(gid);
    const end = committed || was === 1 ? 'commit' : 'rollback';
    await insist((attempt) => prepared[end](operation(gid, end, 'last', { attempt, timeoutMs: 10_000 }), {}));
    if (rolledBack) assert.deepEqual([before, was], [undefined, 0], `not rolled back: ${seen}`);
    assert.equal(await net(gid), end === 'commit' ? 1 : 0, seen);
    assert.deepEqual(await prepared.inDoubt({ olderThanMs: 0 }), [], seen);

    const late = insist(() => prepared.prepare(operation(gid, 'prepare', 'late'), {}, () => assert.fail(seen)));
    if (end === 'commit') assert.equal(await late, 'yes', seen);
    else await assert.rejects(late, (error) => error instanceof Suspended, seen);
  }

  it('a branch is committed once, or rolled back for good, whoever dies at any statement', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom<Kind>(...kinds), { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat({ max: 59 }), { minLength: 40, maxLength: 40 }),
        fc.option(fc.record({ step: fc.nat({ max: 20 }), actor: fc.nat({ max: 3 }) }), { nil: undefined }),
        async (others, picks, crash) => {
          const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
          await check(await stage.play<Kind>(['prepare', ...others], { choose, crash }, play));
        },
      ),
      { numRuns: RUNS },
    );
  });
});
