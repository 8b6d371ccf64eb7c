import { readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findOnPath, firstLine } from '../../src/dev/temporal-program.js';
import { unpackedPackage } from './debian-package.js';

/** The program of a Redis server, and where it finds its libraries. */
export interface RedisProgram {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

const redis = { name: 'redis-server', called: 'Redis', folder: 'redis' } as const;

/**
 * The program of a Redis server: that of this machine; else that of the distribution's package, unpacked into the cache.
 *
 * @returns undefined where it cannot be had, and tells why in one line
 */
export async function redisProgram(onProgress: (line: string) => void): Promise<RedisProgram | undefined> {
  try {
    const installed = findOnPath('redis-server') ?? findOnPath('valkey-server');
    if (installed !== undefined) return { command: installed, env: {} };
    return programIn(await unpackedPackage(redis, onProgress));
  } catch (error) {
    onProgress(`no Redis server could be had (${firstLine(error)}): its tests are skipped`);
    return undefined;
  }
}

function programIn(root: string): RedisProgram {
  const libraries = join(root, 'usr/lib');
  const folders = readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'));
  return {
    command: join(root, 'usr/bin/redis-server'),
    env: { LD_LIBRARY_PATH: folders.map((name) => join(libraries, name)).join(delimiter) },
  };
}
