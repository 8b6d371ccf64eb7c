import { setInterval } from 'node:timers';
import pg from 'pg';
import { pgDatabase } from '../../src/kit/database/adapters/pg.js';
import { bucketsOf, compareBuckets } from '../../src/kit/database/reconcile/buckets.js';
import { compareRanges, type Compared } from '../../src/kit/database/reconcile/ranges.js';
import type { Side } from '../../src/kit/database/reconcile/side.js';
import type { Database } from '../../src/kit/database/sql.js';

/** Compares two tables, and tells its parent what each way took. */

/** What it is asked. */
export interface Asked {
  readonly rows: number;
  readonly different: number;
  readonly urls: readonly [string, string];
}

/** What one way of reading took. */
export interface Figures {
  readonly way: string;
  readonly seconds: number;
  /** The most memory that the process had, and how much more that is than before. */
  readonly rssMb: number;
  readonly moreMb: number;
  /** Keys that were found. */
  readonly found: number;
}

const ROWS = `select key, customer || ' ' || amount as value from rows`;

async function measureAll(pools: readonly [pg.Pool, pg.Pool], { rows, different }: Asked): Promise<void> {
  const [one, other] = [pgDatabase(pools[0]), pgDatabase(pools[1])];
  const sides = [sideOf(one), sideOf(other)] as const;
  const measured = async (way: string, work: () => Promise<number>) => {
    process.send?.(await measure(way, work));
  };
  const byRanges = () => keysOf(compareRanges(...sides, { since: 0 }));
  const byBuckets = () => keysOf(compareBuckets(bucketsOf(sides[0]), bucketsOf(sides[1]), { since: 0 }));
  await measured('reading both once', () => readBoth([one, other]));
  await measured('ranges, all agree', byRanges);
  await measured('buckets, all agree', byBuckets);
  await pools[1].query('update rows set amount = amount + 1 where right(key, 9)::int % ($1::int / $2::int) = 0', [
    rows,
    different,
  ]);
  await measured(`ranges, ${different} differ`, byRanges);
  await measured(`buckets, ${different} differ`, byBuckets);
  await pools[1].query('update rows set amount = amount + 1 where right(key, 9)::int % 2 = 0');
  await measured('ranges, half of them differ', byRanges);
}

function sideOf(database: Database): Side {
  return { parts: [{ database, rows: ROWS }] };
}

async function keysOf(compared: AsyncGenerator<Compared>): Promise<number> {
  let found = 0;
  for await (const { keys } of compared) found += keys.length;
  return found;
}

/** Every row of both, page by page, side by side. */
async function readBoth(databases: readonly Database[]): Promise<number> {
  await Promise.all(
    databases.map(async (database) => {
      for (let after: string | undefined = ''; after !== undefined;) {
        const text = `select key, customer, amount from rows where key > $1 order by key limit 5000`;
        after = (await database.run<{ key: string }>(text, [after])).at(-1)?.key;
      }
    }),
  );
  return 0;
}

async function measure(way: string, work: () => Promise<number>): Promise<Figures> {
  const mb = () => process.memoryUsage.rss() / 2 ** 20;
  const before = mb();
  let rssMb = before;
  const timer = setInterval(() => (rssMb = Math.max(rssMb, mb())), 20);
  const began = performance.now();
  const found = await work();
  const seconds = (performance.now() - began) / 1_000;
  clearInterval(timer);
  return { way, seconds, rssMb: Math.max(rssMb, mb()), moreMb: Math.max(rssMb, mb()) - before, found };
}

const asked = JSON.parse(process.argv[2] ?? '{}') as Asked;
const pools = [
  new pg.Pool({ connectionString: asked.urls[0] }),
  new pg.Pool({ connectionString: asked.urls[1] }),
] as const;
await measureAll([...pools], asked);
await Promise.all(pools.map((pool) => pool.end()));
process.disconnect();
