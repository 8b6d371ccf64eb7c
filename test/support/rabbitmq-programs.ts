import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../src/dev/cache.js';
import { obtain } from '../../src/dev/obtain.js';
import { findOnPath, firstLine } from '../../src/dev/temporal-program.js';

const run = promisify(execFile);

/** RabbitMQ's programs, and what they need to be found. */
export interface RabbitPrograms {
  /** The folder of `rabbitmq-server` and `rabbitmqctl`. */
  readonly sbin: string;
  readonly epmd: string;
  readonly path: string;
}

/** Where Debian's package has them: those on the PATH change the user. */
const INSTALLED = '/usr/lib/rabbitmq/bin';

/**
 * RabbitMQ's programs: those of this machine; else those of the distribution's packages, unpacked into the cache, where they change
 * nothing of the system.
 *
 * @returns undefined where they cannot be had, and tells why in one line
 */
export async function rabbitPrograms(onProgress: (line: string) => void): Promise<RabbitPrograms | undefined> {
  try {
    return installed() ?? (await unpacked(onProgress));
  } catch (error) {
    onProgress(`no RabbitMQ server could be had (${firstLine(error)}): its tests are skipped`);
    return undefined;
  }
}

function installed(): RabbitPrograms | undefined {
  const server = existsSync(join(INSTALLED, 'rabbitmq-server')) ? INSTALLED : undefined;
  const epmd = findOnPath('epmd');
  const path = process.env.PATH ?? '';
  if (server !== undefined && epmd !== undefined) return { sbin: server, epmd, path };
  const onPath = findOnPath('rabbitmq-server');
  // With Homebrew it is a link to a script that finds the rest by itself.
  if (onPath === undefined || epmd === undefined || onPath.startsWith('/usr/sbin')) return undefined;
  return { sbin: join(onPath, '..'), epmd, path };
}

function unpacked(onProgress: (line: string) => void): Promise<RabbitPrograms> {
  const root = join(cacheFolder(), 'rabbitmq');
  const found = () => (existsSync(join(root, 'complete')) ? root : undefined);
  const onWait = () => {
    onProgress('another program unpacks RabbitMQ: waiting for it');
  };
  const work = async (folder: string) => {
    if (findOnPath('apt-get') === undefined) throw new Error('there is no rabbitmq-server here, and no apt-get');
    onProgress(`unpacking the distribution's RabbitMQ, once, into ${root}`);
    await unpack(folder, join(folder, 'root'));
    writeFileSync(join(folder, 'root', 'complete'), '');
    rmSync(root, { recursive: true, force: true });
    renameSync(join(folder, 'root'), root);
    return root;
  };
  const given = found();
  const obtained =
    given === undefined ? obtain({ name: 'rabbitmq', find: found, onWait, work }) : Promise.resolve(given);
  return obtained.then(programsIn);
}

/** Downloads the package, and those that it needs and this machine has not, and unpacks them. */
async function unpack(folder: string, root: string): Promise<void> {
  const archives = join(folder, 'archives');
  mkdirSync(join(archives, 'partial'), { recursive: true });
  const options = [
    '-o',
    'Debug::NoLocking=1',
    '-o',
    `Dir::Cache::archives=${archives}/`,
    '-o',
    'APT::Sandbox::User=root',
  ];
  const download = () =>
    run('apt-get', [...options, '-y', '--download-only', '--no-install-recommends', 'install', 'rabbitmq-server'], {
      timeout: 600_000,
      maxBuffer: 10_000_000,
      env: { ...process.env, LC_ALL: 'C' },
    });
  try {
    await download();
  } catch {
    // The lists are old, or there are none.
    await run('apt-get', ['update'], { timeout: 600_000, maxBuffer: 10_000_000 });
    await download();
  }
  mkdirSync(root);
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(archives, file), root]);
  }
}

function programsIn(root: string): RabbitPrograms {
  const server = join(root, 'usr/lib/rabbitmq/lib');
  const [version] = readdirSync(server);
  const erlang = join(root, 'usr/lib/erlang');
  const erl = join(erlang, 'bin/erl');
  if (existsSync(erl)) {
    // It knows its own place by heart.
    const script = readFileSync(erl, 'utf8');
    const moved = script.replace(/^( *)ROOTDIR=.*$/gm, `$1ROOTDIR="${erlang}"`);
    if (moved !== script) writeFileSync(erl, moved);
  }
  const bin = existsSync(erl) ? join(erlang, 'bin') : '';
  const epmd = existsSync(join(bin, 'epmd')) ? join(bin, 'epmd') : findOnPath('epmd');
  if (version === undefined || epmd === undefined) throw new Error(`${root} is not complete: remove it`);
  return {
    sbin: join(server, version, 'sbin'),
    epmd,
    path: [bin, process.env.PATH].filter((part) => part !== '').join(delimiter),
  };
}
