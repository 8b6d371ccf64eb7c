import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { serviceNames, type ServiceName, type ShopDatabases } from '../src/activities/index.js';
import { OPERATIONS, type TemporalSettings } from '../src/config.js';
import { planServers } from '../src/dev/plan.js';
import { isAlive, type ProcessIdentity } from '../src/dev/processes.js';
import { startServers, type Servers } from '../src/dev/servers.js';
import { pgDatabase, type Database } from '../src/kit/database/index.js';
import { searchAttributeTypes } from '../src/kit/workflow/index.js';
import type { ServerKind } from './options.js';
import { productionPrograms } from './production/programs.js';
import { productionDatabases, startProductionServer } from './production/server.js';
import { plainPg } from './plain-pg.js';
import { RoundTrips } from './round-trips.js';

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
  /** Of {@link databases}. */
  readonly roundTrips: RoundTrips;
  readonly databaseUrl: (service: ServiceName) => string;
  readonly stop: () => Promise<void>;
}

/**
 * Starts servers that wait for the disk, on an empty state of their own.
 *
 * @param connectionTimeoutMs how long a client waits for a connection of the pool, in milliseconds
 * @throws one line if the production server is asked for and the environment names servers
 */
export async function startBenchServers(
  poolSize: number,
  say: (line: string) => void,
  kind: ServerKind = 'development',
  connectionTimeoutMs = 10_000,
): Promise<BenchServers> {
  const servers = await (kind === 'production' ? startWithProduction(say) : start(say));
  const pools: pg.Pool[] = [];
  const poolOf = (name: string): pg.Pool => {
    const pool = new pg.Pool({
      connectionString: servers.databaseUrl(name),
      max: poolSize,
      connectionTimeoutMillis: connectionTimeoutMs,
    });
    pools.push(pool);
    return pool;
  };
  const databases = {} as Record<ServiceName, Database>;
  const plain = {} as Record<ServiceName, Database>;
  const roundTrips = new RoundTrips();
  for (const service of serviceNames) {
    databases[service] = pgDatabase(roundTrips.watch(poolOf(service)));
    plain[service] = plainPg(poolOf(service));
  }
  const recorded = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as ProcessIdentity[];
  const started = recorded.filter(isAlive);
  return {
    temporal: servers.temporal,
    databases,
    plain,
    operations: pgDatabase(poolOf(OPERATIONS)),
    pids: started.length === 2 ? started.map(({ pid }) => pid) : undefined,
    roundTrips,
    databaseUrl: servers.databaseUrl,
    async stop() {
      await Promise.all(pools.map((pool) => pool.end()));
      await servers.stop();
    },
  };
}

/** Starts the servers that the environment does not name. */
function start(
  say: (line: string) => void,
  { temporal = true, more = [] as readonly string[] } = {},
): Promise<Servers> {
  return startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'bench'),
    fresh: true,
    databases: [...serviceNames, OPERATIONS, ...more],
    searchAttributes: temporal ? searchAttributeTypes : undefined,
    onProgress: say,
    onDeath: onDeath(say),
  });
}

/** Starts PostgreSQL, and on it, besides the services' databases, Temporal's production server. */
async function startWithProduction(say: (line: string) => void): Promise<Servers> {
  const { startTemporal, startPostgres } = planServers({
    databases: [...serviceNames, OPERATIONS, ...productionDatabases],
    searchAttributes: searchAttributeTypes,
  });
  if (!startTemporal || !startPostgres) {
    const named = startTemporal ? 'DATABASE_URL' : 'TEMPORAL_ADDRESS';
    throw new Error(
      `--server production starts servers of its own, but ${named} names one: leave out the one or the other`,
    );
  }
  const programs = await productionPrograms(say);
  const servers = await start(say, { temporal: false, more: productionDatabases });
  try {
    const { address, stop } = await startProductionServer({
      programs,
      servers,
      searchAttributes: searchAttributeTypes,
      onDeath: onDeath(say),
    });
    return {
      ...servers,
      temporal: { ...servers.temporal, address, connection: { address } },
      async stop() {
        await stop();
        await servers.stop();
      },
    };
  } catch (error) {
    await servers.stop();
    throw error;
  }
}

/** A server that ends by itself ends the benchmark. */
function onDeath(say: (line: string) => void): (report: Error) => void {
  return (report) => {
    say(report.message);
    process.exit(1);
  };
}
