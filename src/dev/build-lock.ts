import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive, type ProcessIdentity } from './processes.js';

/** How long one program waits for another that builds the same thing: longer than any build takes. */
const LIMIT_MS = 30 * 60_000;

/**
 * Runs `work` while no other program runs it under the same lock file; a lock of a dead program counts for nothing.
 *
 * @param onWait told once if another program has to be waited for
 */
export async function exclusively<T>(file: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const until = Date.now() + LIMIT_MS;
  for (let waited = false; ;) {
    try {
      writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (!isHeld(file)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!waited) onWait();
    waited = true;
    if (Date.now() > until)
      throw new Error(`waited 30 minutes for the program that holds ${file}: remove it if there is none`);
    await delay(500);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function isHeld(file: string): boolean {
  try {
    return isAlive(JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity);
  } catch {
    return false;
  }
}
