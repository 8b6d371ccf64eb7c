import { createServer } from 'node:net';

/** A port on 127.0.0.1 that nobody listens on at this moment: the preferred one if it is free. */
export async function freePort(preferred?: number): Promise<number> {
  const server = createServer();
  return new Promise<number>((resolve, reject) => {
    server.once('error', (error) => {
      if (preferred === undefined) reject(error);
      else resolve(freePort());
    });
    server.listen(preferred ?? 0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port could be had'));
      });
    });
  });
}

/**
 * Starts something on a port: the fixed one, or a free one (the preferred one if it is), tried again with another if somebody else took it between
 * choosing and listening.
 */
export async function onPort<T>(
  fixed: number | undefined,
  start: (port: number) => Promise<T>,
  preferred?: number,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(fixed ?? (await freePort(attempt === 1 ? preferred : undefined)));
    } catch (error) {
      const taken = error instanceof Error && /address already in use|could not bind|EADDRINUSE/i.test(error.message);
      if (!taken) throw error;
      if (fixed !== undefined)
        throw new Error(`port ${fixed} is taken: choose another, or none to have a free one`, { cause: error });
      if (attempt === 3) throw error;
    }
  }
}
