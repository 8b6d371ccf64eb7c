import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../src/dev/cache.js';
import { obtain } from '../../src/dev/obtain.js';
import { findOnPath } from '../../src/dev/temporal-program.js';

const run = promisify(execFile);

/** A package of the distribution. */
export interface DebianPackage {
  /** Such as `rabbitmq-server`. */
  readonly name: string;
  /** What it is called in messages, such as `RabbitMQ`. */
  readonly called: string;
  /** Its folder in the cache. */
  readonly folder: string;
}

/**
 * A package of the distribution, and those that it needs and this machine has not, unpacked into the cache, once: they change nothing of
 * the system.
 *
 * @returns the folder that stands for `/`
 */
export async function unpackedPackage(
  { name, called, folder: cached }: DebianPackage,
  onProgress: (line: string) => void,
): Promise<string> {
  const root = join(cacheFolder(), cached);
  const find = () => (existsSync(join(root, 'complete')) ? root : undefined);
  const onWait = () => {
    onProgress(`another program unpacks ${called}: waiting for it`);
  };
  const work = async (folder: string) => {
    if (findOnPath('apt-get') === undefined) throw new Error(`there is no ${name} here, and no apt-get`);
    onProgress(`unpacking the distribution's ${called}, once, into ${root}`);
    await unpack(name, folder, join(folder, 'root'));
    writeFileSync(join(folder, 'root', 'complete'), '');
    rmSync(root, { recursive: true, force: true });
    renameSync(join(folder, 'root'), root);
    return root;
  };
  return find() ?? obtain({ name: cached, find, onWait, work });
}

/** Downloads the package, and those that it needs and this machine has not, and unpacks them. */
async function unpack(name: string, folder: string, root: string): Promise<void> {
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
    run('apt-get', [...options, '-y', '--download-only', '--no-install-recommends', 'install', name], {
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
