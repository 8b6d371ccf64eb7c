import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Connection } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import pg from 'pg';
import { guardMigrations, migrate, pgDatabase, type Database } from '../../src/kit/database/index.js';
import { crashMatrix, type MatrixOptions, type MatrixReport } from '../../src/kit/testing/index.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { transpiled } from '../support/transpiled.js';
import { marksSql, type Flaw } from './marks.js';
import { assertNoneWrong, ofFaults, wrongCases } from './wrong.js';
import { connectTo } from '../support/connection.js';

const steps = { first: 'step', second: 'step', turn: 'pivot' } as const;

describe('the crash matrix', function () {
  this.timeout(180_000);
  let test: TestDatabase;
  let pool: pg.Pool;
  let database: Database;
  let connection: Connection;

  before(async () => {
    test = await testDatabase('marks');
    pool = new pg.Pool({ connectionString: test.url, max: 5 });
    database = pgDatabase(pool);
    await migrate(database, 'guard', guardMigrations);
    await database.run(marksSql);
    connection = await connectTo(await temporalAddress());
  });
  after(async () => {
    await connection.close();
    await pool.end();
    await test.drop();
  });

  const effects = async (gid: string) => {
    const rows = await database.run<{ step: string; net: number }>(
      'select step, sum(mark)::int as net from marks where gid = $1 group by step',
      [gid],
    );
    return { first: 0, second: 0, turn: 0, ...Object.fromEntries(rows.map(({ step, net }) => [step, net])) };
  };

  const run = async (flaw: Flaw, options: Partial<MatrixOptions> = {}): Promise<MatrixReport> =>
    crashMatrix({
      client: new Client({ connection }),
      worker: {
        file: transpiled('test/matrix/marks-worker-program.ts'),
        execArgv: [],
        env: { FLAW: flaw, MARKS_URL: test.url, TEMPORAL_ADDRESS: await temporalAddress() },
      },
      workflow: 'setMarks',
      steps,
      input: () => null,
      effects,
      kinds: ['dies-after', 'no-reply', 'late'],
      ...options,
    });

  it('finds nothing wrong with participants that are guarded', async () => {
    const report = await run('none');
    assertNoneWrong(report);
    assert.match(report.table, /^first compensation +ok +ok +ok$/m);
    assert.equal(report.results.length, 15);
  });

  it('names an undo that is not idempotent: a lost reply does it twice', async () => {
    const { wrong, table } = await run('not-idempotent');
    const twice = wrong.find(({ case: { name } }) => name === 'first compensation: no-reply');
    assert.deepEqual(twice?.reasons, ['first: its net effect is -1']);
    assert.ok(wrong.some(({ case: { name } }) => name === 'first compensation: dies-after'));
    assert.ok(
      wrong.every(({ case: { faults } }) => faults.every(({ step }) => step === 'first')),
      table,
    );
    assert.match(table, /^first compensation +WRONG +WRONG +WRONG$/m);
    assert.match(
      table,
      /^WRONG first compensation: no-reply \(undone as turn is refused\)\n {2}first: its net effect is -1$/m,
    );
  });

  it('names an undo that does not bar: the action comes after it', async () => {
    const report = await run('no-bar');
    const halfDone = 'it is compensated, and half done: first happened; second, turn did not';
    const [gid] = report.wrong.map((result) => result.gid);
    // A failed assertion says so too: nobody has to run the matrix again to know why.
    assert.deepEqual(wrongCases(report), [`first action: late (${gid}; compensated): ${halfDone}`]);
    assert.deepEqual(wrongCases(report, ofFaults(2)), []);
    assert.throws(() => assertNoneWrong(report), new RegExp(halfDone));
  });

  it('runs a saga without a pivot, whose last undo is brought about by a reply that never comes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'histories-'));
    try {
      const report = await run('none', {
        workflow: 'setBesides',
        steps: { first: 'step', second: 'step' },
        effects: async (gid) => {
          const { first, second } = await effects(gid);
          return { first, second };
        },
        kinds: ['fails', 'terminated-before'],
        histories: folder,
      });
      assertNoneWrong(report);
      const desk = report.results.filter(({ verdict }) => verdict === 'desk');
      assert.deepEqual(
        desk.map(({ case: { name } }) => name),
        ['first compensation: fails', 'second compensation: fails'],
      );
      assert.deepEqual(
        desk.flatMap((result) => result.desk.map(({ branch, op }) => `${op} of ${branch}`)),
        ['compensation of first', 'compensation of second'],
      );
      // Each case's runs were recorded, and are replayed by the saga as it is.
      const files = readdirSync(folder);
      assert.ok(files.includes('first-compensation-fails.json'), files.join(', '));
      assert.ok(files.includes('first-action-terminated-before-2.json'), files.join(', '));
      const histories = files.map((file) => ({
        workflowId: file,
        history: JSON.parse(readFileSync(join(folder, file), 'utf8')) as object,
      }));
      const workflowsPath = fileURLToPath(new URL('workflows/index.ts', import.meta.url));
      for await (const { workflowId, error } of Worker.runReplayHistories({ workflowsPath }, histories)) {
        assert.equal(error, undefined, `${workflowId}: ${error?.message}`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a description that is not the saga, before it runs any case', async () => {
    await assert.rejects(run('none', { steps: { ...steps, fourth: 'step' } }), {
      message:
        "the saga 'setMarks' is not as it was described: fourth: effects() does not tell of it; it never runs fourth, which 'steps' names",
    });
  });

  it('says what a worker printed that cannot be started', async () => {
    const file = transpiled('test/matrix/marks-worker-program.ts');
    await assert.rejects(run('none', { worker: { file, execArgv: [], env: { FLAW: 'unknown' } } }), /FLAW is unknown/);
  });
});
