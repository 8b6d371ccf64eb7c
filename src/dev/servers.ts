import type { TemporalSettings } from '../config.js';
import { createDatabases } from './databases.js';
import { databaseUrls, planServers } from './plan.js';
import { freePort, mustBeFree, onPort } from './ports.js';
import { dataFolder, startPostgres } from './postgres.js';
import { Restartable } from './restartable.js';
import { unlessAborted } from '../signals.js';
import { StateFolder } from './state.js';
import { belongTogether } from './state-id.js';
import { prepareNamespace, startTemporal, type SearchAttributes } from './temporal.js';
import { temporalProgram } from './temporal-program.js';

/** What {@link startServers} starts. */
export interface ServerOptions {
  /** Where everything is kept. Default: `BACKSTITCH_STATE`, or `.backstitch` in the working folder. */
  readonly state?: string;
  /** Empty the state first. */
  readonly fresh?: boolean;
  /** Keep everything in a temporary folder that is removed at the end, and do not wait for the disk. */
  readonly ephemeral?: boolean;
  /** Fixed ports; free ones where absent. */
  readonly ports?: { readonly temporal?: number; readonly ui?: number; readonly postgres?: number };
  /** Databases to create, one a service. None: no PostgreSQL is started. */
  readonly databases: readonly string[];
  /** Absent: no Temporal server is started. */
  readonly searchAttributes?: SearchAttributes;
  readonly onProgress?: (line: string) => void;
  /** Called if a server ends by itself; the report has its last lines. */
  readonly onDeath?: (report: Error) => void;
  /** Calls the start off: what was started is stopped, and the signal's reason thrown. */
  readonly abort?: AbortSignal;
}

/** Running servers: started here, or those that the environment names. */
export interface Servers {
  readonly temporal: TemporalSettings;
  /** The PostgreSQL server; undefined if every database has a variable of its own. */
  readonly postgres: string | undefined;
  /** The URL of a database that was asked for. */
  readonly databaseUrl: (name: string) => string;
  /** Those that were started here, to be taken down and brought up again by tests. */
  readonly started: { readonly temporal?: Restartable; readonly postgres?: Restartable };
  /** The folder that keeps everything. */
  readonly state: string;
  /** Remembers a further server that was started on it, as {@link StateFolder.record} does. */
  readonly record: StateFolder['record'];
  /** Stops what was started here, in order; safe to call twice. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts what is missing: a Temporal server with its Web UI unless `TEMPORAL_ADDRESS` names one, an embedded PostgreSQL
 * unless `DATABASE_URL` (or a `DATABASE_URL_…` for every database) names one.
 */
export async function startServers(options: ServerOptions): Promise<Servers> {
  const { onProgress = () => undefined, onDeath, abort, ephemeral = false, databases, searchAttributes } = options;
  const plan = planServers(options);
  // Where every Temporal client looks first, if it is free: then the command line needs no settings.
  const [preferred, preferredUi] = ephemeral ? [] : [7233, 8233];
  const ports = {
    temporal: { what: 'the Temporal server', fixed: options.ports?.temporal, preferred },
    ui: { what: 'the Web UI', fixed: options.ports?.ui },
    postgres: { what: 'PostgreSQL', fixed: options.ports?.postgres },
  };
  const root = options.state ?? process.env.BACKSTITCH_STATE ?? '.backstitch';
  const state = ephemeral
    ? await StateFolder.temporary(onProgress)
    : await StateFolder.open(root, options.fresh ?? false, onProgress);
  const running: { temporal?: Restartable; postgres?: Restartable } = {};
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      await Promise.all(Object.values(running).map((server) => server.stop()));
      state.close(ephemeral);
    })());

  const postgres = async (): Promise<{ url: string | undefined; stateId?: string }> => {
    if (!plan.startPostgres) return { url: plan.postgres };
    return onPort(ports.postgres, async (port) => {
      const start = () => startPostgres({ port, state, durable: !ephemeral, abort, onProgress, onDeath });
      const started = await start();
      running.postgres = new Restartable(started.child, async () => (await start()).child);
      return started;
    });
  };
  const withDatabases = async () => {
    const server = await postgres();
    if (server.url !== undefined) await unlessAborted(createDatabases(server.url, plan.shared), abort);
    return server;
  };

  const temporal = async (): Promise<TemporalSettings> => {
    const settings = plan.temporal;
    if (searchAttributes === undefined) return settings;
    if (!plan.startTemporal) {
      onProgress(`using the Temporal server at ${settings.address}`);
      await unlessAborted(prepareNamespace(settings.connection, settings.namespace, searchAttributes), abort);
      return settings;
    }
    const program = await temporalProgram(onProgress, { abort });
    return onPort(ports.temporal, async (port) => {
      const uiPort = ports.ui.fixed ?? (await freePort(port === preferred ? preferredUi : undefined));
      const start = () =>
        startTemporal({
          program,
          port,
          uiPort,
          namespace: settings.namespace,
          databaseFile: ephemeral ? undefined : state.file('temporal.db'),
          logFile: state.file('temporal.log'),
          searchAttributes,
          abort,
          onStarted: (pid) => {
            state.record('the Temporal server', pid, 'SIGINT');
          },
          onDeath,
        });
      running.temporal = new Restartable(await start(), start);
      const address = `127.0.0.1:${port}`;
      return { ...settings, address, connection: { address }, ui: `http://127.0.0.1:${uiPort}` };
    });
  };

  try {
    await mustBeFree(Object.values(ports));
    if (plan.startPostgres && !belongTogether(state.path, dataFolder(state))) {
      onProgress(
        `a part of what earlier runs left in ${state.path} and ${dataFolder(state)} is lost: starting from nothing`,
      );
      state.empty();
    }
    // Whichever fails, wait for both: a server that is still starting must be stopped too.
    const [temporalReady, postgresReady] = await Promise.allSettled([temporal(), withDatabases()]);
    if (temporalReady.status === 'rejected') throw temporalReady.reason;
    if (postgresReady.status === 'rejected') throw postgresReady.reason;
    const { url, stateId } = postgresReady.value;
    const urls = databaseUrls(databases, url);
    return {
      temporal: { ...temporalReady.value, taskQueue: plan.taskQueue(stateId) },
      postgres: url,
      databaseUrl: (name) => {
        const found = urls[name];
        if (found === undefined) throw new Error(`there is no database '${name}'`);
        return found;
      },
      started: running,
      state: state.path,
      record: state.record.bind(state),
      stop,
    };
  } catch (error) {
    await stop();
    abort?.throwIfAborted(); // Whatever failed, failed because of that.
    throw error;
  }
}
