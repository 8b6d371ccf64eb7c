import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { identify, isAlive, type ProcessIdentity } from './processes.js';

/** For those who take over a dead process's lock: how long one may be at it before another gives up, in milliseconds. */
const LIMIT_MS = 10_000;

/**
 * Takes a lock file for this process, which holds it until it removes the file; a lock of a process that is dead (or
 * whose number another process has got) is taken over.
 *
 * @returns false while a living process holds it
 */
export function takeLock(file: string): boolean {
  for (const until = Date.now() + LIMIT_MS; Date.now() < until;) {
    if (publish(file)) return true;
    const holder = holderOf(file);
    if (holder !== undefined) {
      if (isAlive(holder)) return false;
      removeStale(file, holder);
    }
    pause();
  }
  return false;
}

/** Gives others the time to do what they are at. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

/** Takes a lock that a dead process has left; false if there is none. */
export function takeStaleLock(file: string): boolean {
  const holder = holderOf(file);
  return holder !== undefined && !isAlive(holder) && takeLock(file);
}

/** Writes the file with its content in one step, so that nobody reads half of it; false if there is one. */
function publish(file: string): boolean {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, JSON.stringify(identify(process.pid)), { flag: 'wx' });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/**
 * Removes a dead process's lock. Several may find it stale, and the slowest must not remove the lock that the fastest
 * has taken since: so one at a time, and each looks again.
 */
function removeStale(file: string, dead: ProcessIdentity): void {
  const claim = `${file}.claim`;
  if (publish(claim)) {
    try {
      const holder = holderOf(file);
      if (holder?.pid === dead.pid && holder.started === dead.started) rmSync(file, { force: true });
    } finally {
      rmSync(claim, { force: true });
    }
  } else {
    const claimant = holderOf(claim);
    if (claimant !== undefined && !isAlive(claimant)) rmSync(claim, { force: true });
  }
}

function holderOf(file: string): ProcessIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    return { pid: 0, started: 'never' }; // Not written by this program, or lost with the power: nobody's.
  }
}
