import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { serviceNames, type ServiceName, type ShopDatabases } from '../src/activities/index.js';
import { OPERATIONS, type TemporalSettings } from '../src/config.js';
import { startServers } from '../src/dev/servers.js';
import { pgDatabase, type Database } from '../src/kit/database/index.js';
import { searchAttributeTypes } from '../src/kit/workflow/index.js';
import { plainPg } from './plain-pg.js';

/** The servers that every system of a run shares, with one pool a database. */
export interface BenchServers {
  readonly temporal: TemporalSettings;
  readonly databases: ShopDatabases;
  /** The same, by pools of their own and without anything of the kit. */
  readonly plain: ShopDatabases;
  /** Empty, for the log. */
  readonly operations: Database;
  /** The servers' processes, or undefined if the environment named a server: its CPU time is not ours to see. */
  readonly pids: readonly number[] | undefined;
  readonly stop: () => Promise<void>;
}

/** Starts servers that wait for the disk, on an empty state of their own. */
export async function startBenchServers(poolSize: number, say: (line: string) => void): Promise<BenchServers> {
  const servers = await startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'bench'),
    fresh: true,
    databases: [...serviceNames, OPERATIONS],
    searchAttributes: searchAttributeTypes,
    onProgress: say,
    onDeath: (report) => {
      say(report.message);
      process.exit(1);
    },
  });
  const pools: pg.Pool[] = [];
  const poolOf = (name: string): pg.Pool => {
    const pool = new pg.Pool({
      connectionString: servers.databaseUrl(name),
      max: poolSize,
      connectionTimeoutMillis: 10_000,
    });
    pools.push(pool);
    return pool;
  };
  const databases = {} as Record<ServiceName, Database>;
  const plain = {} as Record<ServiceName, Database>;
  for (const service of serviceNames) {
    databases[service] = pgDatabase(poolOf(service));
    plain[service] = plainPg(poolOf(service));
  }
  const started = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as { pid: number }[];
  return {
    temporal: servers.temporal,
    databases,
    plain,
    operations: pgDatabase(poolOf(OPERATIONS)),
    pids: started.length === 2 ? started.map(({ pid }) => pid) : undefined,
    async stop() {
      await Promise.all(pools.map((pool) => pool.end()));
      await servers.stop();
    },
  };
}
