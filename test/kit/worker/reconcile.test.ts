import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { pgDatabase, type Database, type Pair } from '../../../src/kit/database/index.js';
import { comparePair } from '../../../src/kit/worker/reconcile/compare.js';
import {
  foremost,
  shared,
  type Finding,
  type FindingState,
  type PairCompared,
} from '../../../src/kit/workflow/reconcile/reconcile.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';

/** Rows of each side: six chunks. */
const ROWS = 30_000;
/** More than are remembered to be looked at again later. */
const DIFFERENT = 3_000;

describe('the comparison of a pair, as an activity', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let pool: pg.Pool;
  let sql: Database;
  /** Nobody is asked: the pair has nothing to do with transactions. */
  const client = new Client({ connection: Connection.lazy() });
  before(async () => {
    database = await testDatabase('pair');
    pool = new pg.Pool({ connectionString: database.url, max: 4 });
    sql = pgDatabase(pool);
    for (const [table, changed] of Object.entries({ one: 0, other: DIFFERENT })) {
      await sql.run(`create table ${table} (key text collate "C" primary key, value text not null)`);
      await sql.run(
        `insert into ${table} select 'k' || lpad(n::text, 6, '0'), case when n <= $1::int then 'x' else 'y' end from generate_series(1, $2::int) n`,
        [changed, ROWS],
      );
    }
  });
  after(async () => {
    await client.connection.close();
    await pool.end();
    await database.drop();
  });

  it('goes on at the chunk where an attempt before has got to, and looks again at once where there is no room for more', async () => {
    let statements = 0;
    let judged = 0;
    const counting = {
      run: ((...args: Parameters<Database['run']>) => ((statements += 1), sql.run(...args))) as Database['run'],
    };
    const side = (table: string) => ({ parts: [{ database: counting, rows: `select key, value from ${table}` }] });
    const pair: Pair = {
      ...{
        name: 'p',
        what: 'w',
        by: 'ranges',
        classes: { drifted: { what: 'it has' } },
        sides: [side('one'), side('other')],
      },
      gidsOf: () => [],
      judge: (keys) => {
        judged += keys.length;
        return Promise.resolve(keys.map((key) => ({ class: 'drifted', key, detail: 'd' })));
      },
    };
    const compare = async (heartbeatDetails?: unknown) => {
      const reached: PairCompared[] = [];
      const environment = new MockActivityEnvironment({ heartbeatDetails });
      const { signal } = new AbortController();
      const beat = (each: PairCompared) => void reached.push(each);
      // A person asks: nobody else's cases are looked for.
      const judging = { client, databases: [], youngMs: undefined, signal, asked: true };
      const work = () => comparePair(pair, { pair: 'p' }, { ...judging, beat });
      const result = await environment.run<[], PairCompared, typeof work>(work);
      return { result: { ...result, tookMs: 0 }, reached };
    };
    const { result, reached } = await compare();
    const whole = statements;
    assert.deepEqual([result.rows, result.candidates, judged], [[ROWS, ROWS], DIFFERENT, DIFFERENT]);
    assert.deepEqual([result.drift, result.keys, result.findings.length], [{ drifted: DIFFERENT }, [], 300]);
    statements = 0;
    const again = await compare(reached[3]);
    assert.deepEqual(again.result, result, 'nothing is counted twice, and nothing is lost');
    assert.ok(statements < whole / 2, `${statements} statements of ${whole}`);
    assert.deepEqual((await compare(reached.at(-1))).result, result, 'an attempt that died at its end has done all');
  });
});

describe('the findings that a report names', () => {
  const many = (state: FindingState, count: number): Finding[] =>
    Array.from({ length: count }, (_, n) => ({ pair: 'p', class: 'c', key: `${state}-${n}`, detail: 'd', state }));

  it('are first those that need somebody: what a person has, or what has no repair, hides none of them', () => {
    const all = [...many('left', 300), ...many('at-desk', 300), ...many('told', 299), ...many('repairable', 2)];
    const named = foremost(all);
    assert.deepEqual([named.length, named[0]?.key, named[1]?.key], [300, 'repairable-0', 'repairable-1']);
    assert.deepEqual(named.slice(2), many('told', 298), 'each state in the order in which they were met');
  });

  it('are of every pair: one that has many leaves room for the others', () => {
    const lists = [2, 300, 0, 5, 300].map((count) => many('told', count));
    const countsOf = (room: number) => {
      const named = shared(lists, room);
      return [named.length, lists.map((list) => list.filter((each) => named.includes(each)).length)];
    };
    assert.deepEqual(countsOf(100), [99, [2, 46, 0, 5, 46]]);
    assert.deepEqual(countsOf(1_000), [607, [2, 300, 0, 5, 300]]);
    assert.deepEqual(shared([], 5), []);
  });
});
