import { temporalSettings, type TemporalSettings } from '../config.js';
import type { Child } from './child.js';
import { createDatabases } from './databases.js';
import { freePort, mustBeFree, onPort } from './ports.js';
import { startPostgres } from './postgres.js';
import { StateFolder } from './state.js';
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
}

/** Running servers: started here, or those that the environment names. */
export interface Servers {
  readonly temporal: TemporalSettings;
  /** The URL of a database that was asked for. */
  readonly databaseUrl: (name: string) => string;
  /** The folder that keeps everything. */
  readonly state: string;
  /** Stops what was started here, in order; safe to call twice. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts what is missing: a Temporal server with its Web UI unless `TEMPORAL_ADDRESS` names one, an embedded PostgreSQL
 * unless `DATABASE_URL` (or a `DATABASE_URL_…` for every database) names one.
 */
export async function startServers(options: ServerOptions): Promise<Servers> {
  const { onProgress = () => undefined, ephemeral = false, databases } = options;
  const root = options.state ?? process.env.BACKSTITCH_STATE ?? '.backstitch';
  const state = ephemeral
    ? await StateFolder.temporary(onProgress)
    : await StateFolder.open(root, options.fresh ?? false, onProgress);
  const children: Child[] = [];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      await Promise.all(children.map((child) => child.stop()));
      state.close(ephemeral);
    })());

  const postgres = async (): Promise<(name: string) => string> => {
    const own = (name: string) => process.env[`DATABASE_URL_${name.toUpperCase()}`];
    let server = process.env.DATABASE_URL;
    const wanted = databases.filter((name) => own(name) === undefined);
    if (server === undefined && wanted.length > 0) {
      const started = await onPort({ what: 'PostgreSQL', fixed: options.ports?.postgres }, (port) =>
        startPostgres({ port, state, durable: !ephemeral, onProgress, onDeath: options.onDeath }),
      );
      children.push(started.child);
      server = started.url;
    }
    if (server !== undefined) await createDatabases(server, wanted);
    return (name) => own(name) ?? withDatabase(server ?? '', name);
  };

  const temporal = async (): Promise<TemporalSettings> => {
    const settings = temporalSettings();
    const { searchAttributes } = options;
    if (searchAttributes === undefined) return settings;
    if (settings.connection.address !== undefined) {
      onProgress(`using the Temporal server at ${settings.address}`);
      await prepareNamespace(settings.connection, settings.namespace, searchAttributes);
      return settings;
    }
    // Where every Temporal client looks first, if it is free: then the command line needs no settings.
    const [preferred, preferredUi] = ephemeral ? [] : [7233, 8233];
    const { temporal: fixed, ui: fixedUi } = options.ports ?? {};
    await mustBeFree(fixedUi, 'the Web UI');
    const program = await temporalProgram(onProgress);
    const start = async (port: number) => {
      const uiPort = fixedUi ?? (await freePort(port === preferred ? preferredUi : undefined));
      const child = await startTemporal({
        program,
        port,
        uiPort,
        namespace: settings.namespace,
        databaseFile: ephemeral ? undefined : state.file('temporal.db'),
        logFile: state.file('temporal.log'),
        searchAttributes,
        onStarted: (pid) => {
          state.record('the Temporal server', pid, 'SIGINT');
        },
        onDeath: options.onDeath,
      });
      children.push(child);
      const address = `127.0.0.1:${port}`;
      return { ...settings, address, connection: { address }, ui: `http://127.0.0.1:${uiPort}` };
    };
    return onPort({ what: 'the Temporal server', fixed, preferred }, start);
  };

  try {
    // Whichever fails, wait for both: a server that is still starting must be stopped too.
    const [temporalReady, postgresReady] = await Promise.allSettled([temporal(), postgres()]);
    if (temporalReady.status === 'rejected') throw temporalReady.reason;
    if (postgresReady.status === 'rejected') throw postgresReady.reason;
    return { temporal: temporalReady.value, databaseUrl: postgresReady.value, state: state.path, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Waits for Ctrl-C, SIGTERM, or the end of the terminal; a second one ends the program at once.
 *
 * @returns a promise that resolves with the signal's name when the first one came
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (asked) process.exit(130); // The exit handlers of the children kill them.
      asked = true;
      resolve(signal);
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  });
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
