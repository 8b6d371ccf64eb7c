import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import { pgDatabase, type Database, type Side } from '../../../../src/kit/database/index.js';
import { bucketsOf, compareBuckets, listedSide } from '../../../../src/kit/database/reconcile/buckets.js';
import { differentKeys } from '../../../../src/kit/database/reconcile/difference.js';
import { compareRanges, type Compared, type Position } from '../../../../src/kit/database/reconcile/ranges.js';
import type { SideRow } from '../../../../src/kit/database/reconcile/side.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

const RUNS = Number(process.env.BACKSTITCH_RECONCILE_RUNS ?? 40);

/** Keys whose order is another one in UTF-16 than in UTF-8, in upper and lower case, and with what a collation passes over. */
const KEYS = ['a', 'A', 'b', 'a-b', 'ab', 'a b', 'Z', 'é', 'z', '\u{1F600}', '\uFFFD', '10', '9', "o'x", 'a%', '\\'];
const row = fc.record({ key: fc.constantFrom(...KEYS), value: fc.constantFrom('1', '2', '-1', '-3') });
const many = fc.array(row, { maxLength: 60 });
/** What both have, and what only one has: sides that are mostly the same are what is compared in earnest. */
const twoSides = fc.record({
  both: many,
  one: fc.array(row, { maxLength: 5 }),
  other: fc.array(row, { maxLength: 30 }),
});

describe('the comparison of two sides', function () {
  this.timeout(120_000);
  let opened: { database: TestDatabase; pool: pg.Pool; sql: Database }[];
  before(async () => {
    opened = await Promise.all(
      ['one', 'other'].map(async (name) => {
        const database = await testDatabase(name);
        const pool = new pg.Pool({ connectionString: database.url, max: 4 });
        const sql = pgDatabase(pool);
        for (const table of ['t0', 't1']) {
          await sql.run(`create table ${table} (key text collate "C" not null, value bigint not null)`);
          await sql.run(`create index on ${table} (key)`);
        }
        return { database, pool, sql };
      }),
    );
  });
  after(async () => {
    for (const { database, pool } of opened) {
      await pool.end();
      await database.drop();
    }
  });

  /** A side of two tables, in the database of its place and the other one. */
  const side = (place: number, sums: boolean): Side => ({
    sums,
    parts: [0, 1].map((table) => {
      const { sql } = opened[(place + table) % 2] ?? assert.fail();
      return { database: sql, rows: `select key, value${sums ? '' : '::text'} as value from t${table === 0 ? 0 : 1}` };
    }),
  });
  /** Puts the rows of a side into its two tables, in turns. */
  async function fill(place: number, rows: readonly SideRow[]): Promise<void> {
    for (const table of [0, 1]) {
      const { sql } = opened[(place + table) % 2] ?? assert.fail();
      const own = rows.filter((_, index) => index % 2 === table);
      await sql.run(`delete from t${table}`);
      const values = [own.map(({ key }) => key), own.map(({ value }) => value)];
      await sql.run(`insert into t${table} select * from unnest($1::text[], $2::bigint[])`, values);
    }
  }

  async function keysOf(compared: AsyncGenerator<Compared>, stopAfter = Infinity) {
    const keys: string[] = [];
    let [one, other, steps] = [0, 0, 0];
    let position: Position | undefined;
    for await (const each of compared) {
      keys.push(...each.keys);
      [one, other, position] = [one + each.rows[0], other + each.rows[1], each.position];
      if ((steps += 1) >= stopAfter) break;
    }
    return { keys: keys.toSorted(), rows: [one, other], position };
  }

  for (const sums of [false, true]) {
    it(`finds exactly the symmetric difference of any two ${sums ? 'lots of sums' : 'multisets of rows'}, and counts every row, by ranges and by buckets`, async () => {
      await fc.assert(
        fc.asyncProperty(twoSides, fc.integer({ min: 1, max: 9 }), async ({ both, one, other }, chunk) => {
          const rows = [
            [...both, ...one],
            [...other, ...both],
          ] as const;
          await fill(0, rows[0]);
          await fill(1, rows[1]);
          const expected = differentKeys(rows[0], rows[1], sums).toSorted();
          assert.deepEqual(expected, bruteForce(rows[0], rows[1], sums));
          const counts = rows.map(({ length }) => length);
          const sides = [side(0, sums), side(1, sums)] as const;
          const heavy = Math.max(...counts.map((count) => count)) > 4 * chunk;
          // One key alone may not have more rows than fit.
          if (!heavy || mostOfOneKey(rows) <= chunk) {
            const byRanges = await keysOf(compareRanges(...sides, { since: 0, chunk }));
            assert.deepEqual([byRanges.keys, byRanges.rows], [expected, counts]);
            const begun = await keysOf(compareRanges(...sides, { since: 0, chunk }), 1);
            const rest = await keysOf(compareRanges(...sides, { since: 0, chunk, from: begun.position }));
            assert.deepEqual([...begun.keys, ...rest.keys].toSorted(), expected, 'who goes on finds the rest');
          }
          const byBuckets = await keysOf(compareBuckets(...buckets(sides), { since: 0 }));
          assert.deepEqual([byBuckets.keys, byBuckets.rows], [expected, counts]);
          if (sums) return;
          const listed = listedSide(async function* () {
            await Promise.resolve();
            yield* rows[1];
          });
          const byList = await keysOf(compareBuckets(bucketsOf(sides[0]), listed, { since: 0 }));
          assert.deepEqual(
            [byList.keys, byList.rows],
            [expected, counts],
            'what a program lists has the same checksums',
          );
        }),
        { numRuns: RUNS },
      );
    });
  }

  it('divides a range in which one side has far more rows than are held, and reads no more than it holds', async () => {
    const ours = Array.from({ length: 3 }, (_, n) => ({ key: `k${n}000`, value: '1' }));
    const theirs = Array.from({ length: 500 }, (_, n) => ({ key: `k${String(n).padStart(4, '0')}`, value: '1' }));
    await fill(0, ours);
    await fill(1, theirs);
    const { keys } = await keysOf(compareRanges(side(0, false), side(1, false), { since: 0, chunk: 5 }));
    assert.deepEqual(keys, differentKeys(ours, theirs, false).toSorted());
  });
});

function buckets([one, other]: readonly [Side, Side]) {
  return [bucketsOf(one), bucketsOf(other)] as const;
}

/** By another way than the code under test: rows that cancel each other out are taken away. */
function bruteForce(one: readonly SideRow[], other: readonly SideRow[], sums: boolean): string[] {
  const left = new Map<string, number>();
  const count = ({ key, value }: SideRow, sign: number) => {
    const name = sums ? key : `${key}\n${value}`;
    left.set(name, (left.get(name) ?? 0) + sign * (sums ? Number(value) : 1));
  };
  for (const each of one) count(each, 1);
  for (const each of other) count(each, -1);
  return [...new Set([...left].flatMap(([name, rest]) => (rest === 0 ? [] : [name.split('\n')[0] ?? ''])))].toSorted();
}

function mostOfOneKey(sides: readonly (readonly SideRow[])[]): number {
  const counts = KEYS.map((key) => Math.max(...sides.map((rows) => rows.filter((each) => each.key === key).length)));
  return Math.max(...counts);
}
