import { createConnection } from 'node:net';
import { Child } from '../../src/dev/child.js';
import { onPort } from '../../src/dev/ports.js';
import { Restartable } from '../../src/dev/restartable.js';
import { StateFolder } from '../../src/dev/state.js';
import { debianProgram, type FoundProgram } from './debian-program.js';

const redis = {
  ...{ name: 'redis-server', called: 'Redis', folder: 'redis' },
  ...{ installed: ['redis-server', 'valkey-server'], path: 'usr/bin/redis-server' },
} as const;

/** A Redis server of the tests' own, which listens on 127.0.0.1 only and keeps nothing on disk. */
export interface RedisServer {
  readonly url: string;
  /** Ends it, with all that it had, as it writes nothing down. */
  kill(): Promise<void>;
  /** Starts it again, empty. */
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** The program of a Redis server; undefined where it cannot be had. */
export const redisProgram = (onProgress: (line: string) => void) => debianProgram(redis, onProgress);

/** Starts a server; undefined where there is none to be had. */
export async function startRedis(onProgress: (line: string) => void): Promise<RedisServer | undefined> {
  const program = await redisProgram(onProgress);
  if (program === undefined) return undefined;
  // What a run that was killed has left running is ended by the next.
  const state = await StateFolder.temporary(onProgress);
  const { port, child } = await onPort({ what: 'Redis' }, async (port) => ({
    port,
    child: await startServer(program, state, port),
  }));
  const server = new Restartable(child, () => startServer(program, state, port));
  return {
    url: `redis://127.0.0.1:${port}`,
    kill: () => server.down('SIGKILL'),
    up: () => server.up(),
    async stop() {
      await server.stop();
      state.close(true);
    },
  };
}

function startServer({ command, env }: FoundProgram, state: StateFolder, port: number): Promise<Child> {
  return Child.start(
    {
      name: 'Redis',
      command,
      args: ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no', '--dir', state.path],
      ...{ env: { PATH: process.env.PATH, ...env }, cwd: state.path, logFile: state.file('redis.log') },
      ...{ signal: 'SIGTERM', signalAtOnce: 'SIGKILL', readyMs: 30_000 },
      ready: () => ping(port),
    },
    (pid) => {
      state.record('Redis', pid, 'SIGKILL');
    },
  );
}

/** Asks in Redis's own protocol, so that no client has to be made for it. */
function ping(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write('PING\r\n'));
    socket.setTimeout(5_000, () => socket.destroy(new Error('Redis does not answer')));
    socket.once('data', (data) => {
      socket.destroy();
      if (String(data).startsWith('+PONG')) resolve();
      else reject(new Error(String(data)));
    });
    socket.once('error', reject);
    socket.once('close', () => {
      reject(new Error('Redis has closed the connection'));
    });
  });
}
