import pg from 'pg';
import { plainPg } from '../../../bench/plain-pg.js';
import { RoundTrips } from '../../../bench/round-trips.js';
import { pgDatabase, type Database } from '../../../src/kit/database/index.js';
import { testDatabase } from '../../support/servers.js';

/** Databases of a test's own, as the benchmark's servers give them. */
export interface BenchTestDatabases<Name extends string> {
  readonly databases: Readonly<Record<Name, Database>>;
  /** The same, without anything of the kit. */
  readonly plain: Readonly<Record<Name, Database>>;
  /** Of the first. */
  readonly roundTrips: RoundTrips;
  readonly url: (name: Name) => string;
  readonly drop: () => Promise<void>;
}

/** Creates them, empty. */
export async function benchDatabases<Name extends string>(names: readonly Name[]): Promise<BenchTestDatabases<Name>> {
  const made = await Promise.all(
    names.map(async (name) => {
      const database = await testDatabase(`bench_${name}`);
      const poolOf = () => new pg.Pool({ connectionString: database.url, max: 5, connectionTimeoutMillis: 10_000 });
      return { name, database, pool: poolOf(), plainPool: poolOf() };
    }),
  );
  const roundTrips = new RoundTrips();
  const record = (of: (each: (typeof made)[number]) => Database) =>
    Object.fromEntries(made.map((each) => [each.name, of(each)])) as Record<Name, Database>;
  return {
    databases: record(({ pool }) => pgDatabase(roundTrips.watch(pool))),
    plain: record(({ plainPool }) => plainPg(plainPool)),
    roundTrips,
    url: (name) => made.find((each) => each.name === name)?.database.url ?? '',
    async drop() {
      for (const { database, pool, plainPool } of made) {
        await Promise.all([pool.end(), plainPool.end()]);
        await database.drop();
      }
    },
  };
}
