import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findOnPath, firstLine } from '../../src/dev/temporal-program.js';
import { unpackedPackage } from './debian-package.js';

/** RabbitMQ's programs, and what they need to be found. */
export interface RabbitPrograms {
  /** The folder of `rabbitmq-server` and `rabbitmqctl`. */
  readonly sbin: string;
  readonly epmd: string;
  readonly path: string;
}

/** Where Debian's package has them: those on the PATH change the user. */
const INSTALLED = '/usr/lib/rabbitmq/bin';
const rabbitmq = { name: 'rabbitmq-server', called: 'RabbitMQ', folder: 'rabbitmq' } as const;

/**
 * RabbitMQ's programs: those of this machine; else those of the distribution's packages, unpacked into the cache, where they change
 * nothing of the system.
 *
 * @returns undefined where they cannot be had, and tells why in one line
 */
export async function rabbitPrograms(onProgress: (line: string) => void): Promise<RabbitPrograms | undefined> {
  try {
    return installed() ?? programsIn(await unpackedPackage(rabbitmq, onProgress));
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
