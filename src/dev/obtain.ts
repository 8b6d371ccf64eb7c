import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cacheFolder } from './cache.js';
import { takeLock } from './lock-file.js';
import { unlessAborted } from '../signals.js';

/** How long one program waits for another that obtains the same thing: longer than any build takes. */
const LIMIT_MS = 30 * 60_000;

/** Something that is obtained once, into the cache. */
export interface Obtainable {
  /** For file names, such as `temporal`. */
  readonly name: string;
  /** Where it is, if it is there. */
  readonly find: () => string | undefined;
  /** Told once if another program is at it. */
  readonly onWait: () => void;
  /** Obtains it by way of a folder on the cache's disk, from which it is moved to its place in one step. */
  readonly work: (folder: string) => Promise<string>;
  /** Calls it off. */
  readonly abort?: AbortSignal;
}

/** Obtains something while no other program obtains it; what another did meanwhile is taken. */
export async function obtain({ name, find, onWait, work, abort }: Obtainable): Promise<string> {
  const cache = cacheFolder();
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, `${name}.lock`);
  const until = Date.now() + LIMIT_MS;
  for (let waited = false; !takeLock(lock); waited = true) {
    if (!waited) onWait();
    if (Date.now() > until) throw new Error(`another program has held ${lock} for 30 minutes: end it`);
    await unlessAborted(delay(200), abort);
  }
  const prefix = `obtaining-${name}-`;
  try {
    abort?.throwIfAborted();
    const found = find();
    if (found !== undefined) return found;
    // Left by programs that were killed at it.
    for (const left of readdirSync(cache).filter((each) => each.startsWith(prefix))) remove(join(cache, left));
    const folder = mkdtempSync(join(cache, prefix));
    try {
      return await work(folder);
    } finally {
      remove(folder);
    }
  } finally {
    remove(lock);
  }
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
