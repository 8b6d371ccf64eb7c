import { OPERATIONS, temporalSettings, workerSettings, type TemporalSettings } from '../config.js';
import type { ServerOptions } from './servers.js';

/** Which servers the environment names. Those that it does not name are started. */
export interface ServerPlan {
  readonly temporal: TemporalSettings;
  readonly startTemporal: boolean;
  /** The PostgreSQL server for the databases that have no variable of their own, if it is named. */
  readonly postgres: string | undefined;
  readonly startPostgres: boolean;
  /** The databases that are to be found on that server, or on the one that is started. */
  readonly shared: readonly string[];
  /**
   * The task queue of workers on a state with this id: its own where others serve the same Temporal server, whose workers
   * would do an order's steps on other databases.
   */
  readonly taskQueue: (stateId: string | undefined) => string;
}

/**
 * Reads the environment, before anything is started.
 *
 * @throws one line for a platform that is not served, or a variable that makes no sense
 */
export function planServers(
  { databases, searchAttributes }: Pick<ServerOptions, 'databases' | 'searchAttributes'>,
  env: NodeJS.ProcessEnv = process.env,
): ServerPlan {
  if (!['linux', 'darwin'].includes(process.platform))
    throw new Error(`the embedded servers run on Linux and macOS, not on ${process.platform}`);
  const temporal = temporalSettings(env);
  const postgres = named(env, 'DATABASE_URL');
  databaseUrls(databases, postgres ?? 'postgres://localhost', env);
  const shared = sharedOf(databases, env);
  const startTemporal = searchAttributes !== undefined && temporal.connection.address === undefined;
  const chosen = startTemporal || named(env, 'BACKSTITCH_TASK_QUEUE') !== undefined;
  return {
    temporal,
    startTemporal,
    postgres,
    startPostgres: postgres === undefined && shared.length > 0,
    shared,
    taskQueue: (stateId) => (chosen || stateId === undefined ? temporal.taskQueue : `${temporal.taskQueue}-${stateId}`),
  };
}

/**
 * Refuses options for servers that are not started here: ports that nobody would listen on, and `fresh`, which would
 * empty one half of the state only.
 *
 * @throws one line that names both
 */
export function refuseContradictions(
  { temporal, startTemporal, startPostgres }: ServerPlan,
  { fresh, ports = {} }: Pick<ServerOptions, 'fresh' | 'ports'>,
): void {
  const given = (options: Record<string, unknown>) =>
    Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const refuse = (options: string[], named: string) => {
    if (options.length === 0) return;
    throw new Error(
      `${options.join(' and ')}: only for servers that are started here, but ${named}: leave out the one or the other`,
    );
  };
  const always = { '--fresh': fresh === true ? fresh : undefined };
  if (!startTemporal) {
    const options = given({ ...always, '--temporal-port': ports.temporal, '--ui-port': ports.ui });
    refuse(options, `TEMPORAL_ADDRESS names the one at ${temporal.address}`);
  }
  if (!startPostgres) {
    refuse(given({ ...always, '--postgres-port': ports.postgres }), 'DATABASE_URL names another one');
  }
}

/**
 * The services' databases, and the operations database if there is a place for it: its own URL, or the server that holds
 * services'. It is optional: no server is started for it alone.
 */
export function withOperations(services: readonly string[], env: NodeJS.ProcessEnv = process.env): string[] {
  const hasOwn = sharedOf([OPERATIONS], env).length === 0;
  const hasPlace = hasOwn || named(env, 'DATABASE_URL') !== undefined || sharedOf(services, env).length > 0;
  return hasPlace ? [...services, OPERATIONS] : [...services];
}

/** The URL of every database, the shared ones on this server. @throws one line that names a variable that is wrong */
export function databaseUrls(
  databases: readonly string[],
  server: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, string>> {
  return workerSettings(databases, { ...env, DATABASE_URL: server }).databaseUrls;
}

/** The databases that have no variable of their own. */
function sharedOf(databases: readonly string[], env: NodeJS.ProcessEnv): string[] {
  return databases.filter((name) => named(env, `DATABASE_URL_${name.toUpperCase()}`) === undefined);
}

/** A variable that is set to something. */
function named(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name];
}
