import { rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from './lock-file.js';

/** A port on 127.0.0.1 that nobody listens on at this moment: the preferred one if it is free. */
export async function freePort(preferred?: number): Promise<number> {
  const found = await listenOnce(preferred ?? 0);
  if (typeof found === 'number') return found;
  if (preferred === undefined) throw found;
  return freePort();
}

/** @throws unless every port that the user chose can be listened on, and is one server's */
export async function mustBeFree(chosen: readonly PortChoice[]): Promise<void> {
  const servers = new Map<number, string>();
  for (const { what, fixed: port } of chosen) {
    if (port === undefined) continue;
    const other = servers.get(port);
    if (other !== undefined) throw new Error(`port ${port} is given to both ${other} and ${what}: choose two`);
    servers.set(port, what);
    const found = await listenOnce(port);
    if (typeof found === 'number') continue;
    const why = found.code === 'EADDRINUSE' ? 'taken' : found.code === 'EACCES' ? 'not permitted' : found.message;
    throw new Error(`port ${port} for ${what} is ${why}: choose another, or none to have a free one`);
  }
}

/** Where a server may listen. */
export interface PortChoice {
  /** For messages. */
  readonly what: string;
  /** The user's choice. */
  readonly fixed?: number;
  /** Taken if it is free. */
  readonly preferred?: number;
}

/**
 * Starts something on a port: the fixed one, the preferred one, or a free one; tried again with another if somebody else
 * took it between choosing and listening.
 */
export async function onPort<T>(choice: PortChoice, start: (port: number) => Promise<T>): Promise<T> {
  const { fixed, preferred } = choice;
  if (fixed !== undefined) return start(fixed); // Found free before anything was started.
  // Of two programs that start at once, both would find the preferred port free, and the loser the other's server on it.
  const lock = preferred === undefined ? undefined : claim(preferred);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start(await freePort(attempt === 1 && lock !== undefined ? preferred : undefined));
      } catch (error) {
        const taken = error instanceof Error && /address already in use|could not bind|EADDRINUSE/i.test(error.message);
        if (!taken || attempt === 3) throw error;
      }
    }
  } finally {
    if (lock !== undefined) rmSync(lock, { force: true });
  }
}

/** Until its server listens, a preferred port is one program's; undefined if it is another's. */
function claim(port: number): string | undefined {
  const file = join(tmpdir(), `backstitch-port-${port}.lock`);
  try {
    return takeLock(file) ? file : undefined;
  } catch {
    return undefined; // Another user's.
  }
}

/** The port if it could be listened on, or why it could not. */
function listenOnce(port: number): Promise<number | NodeJS.ErrnoException> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        resolve((address as AddressInfo).port);
      });
    });
  });
}
