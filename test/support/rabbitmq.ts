import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import { Child } from '../../src/dev/child.js';
import { onPort } from '../../src/dev/ports.js';
import { Restartable } from '../../src/dev/restartable.js';
import { StateFolder } from '../../src/dev/state.js';
import { rabbitPrograms, type RabbitPrograms } from './rabbitmq-programs.js';

const run = promisify(execFile);

/** A RabbitMQ server of the tests' own, which listens on 127.0.0.1 only and keeps its data in a folder of its own. */
export interface Broker {
  readonly url: string;
  readonly port: number;
  /** Runs a command of `rabbitmqctl`. @returns what it printed */
  ctl(...args: string[]): Promise<string>;
  /** Ends it, as when power fails. */
  kill(): Promise<void>;
  /** Starts it again, with what it had. */
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a broker; undefined where there is none to be had. */
export async function startBroker(onProgress: (line: string) => void): Promise<Broker | undefined> {
  const programs = await rabbitPrograms(onProgress);
  if (programs === undefined) return undefined;
  // What a run that was killed has left running is ended by the next.
  const state = await StateFolder.temporary(onProgress);
  const folder = state.path;
  mkdirSync(join(folder, 'data'));
  for (const file of ['enabled_plugins', 'rabbitmq.conf', 'rabbitmq-env.conf']) {
    writeFileSync(join(folder, file), file === 'enabled_plugins' ? '[].' : '');
  }
  // Erlang's nodes find each other by a daemon, which would stay when its first node has gone: this one ends with the tests.
  const epmd = await onPort({ what: 'epmd' }, (port) => startEpmd(programs, state, port));
  const distribution = await onPort({ what: 'Erlang' }, (port) => Promise.resolve(port));
  const node = { state, programs, epmdPort: epmd.port, distribution };
  const server = await onPort({ what: 'RabbitMQ' }, async (port) => ({
    port,
    child: await startServer({ ...node, port }),
  }));
  const { port } = server;
  const broker = new Restartable(server.child, () => startServer({ ...node, port }));
  const env = environment({ ...node, port });
  return {
    url: urlOf(port),
    port,
    async ctl(...args) {
      const command = join(programs.sbin, 'rabbitmqctl');
      return (await run(command, ['--silent', ...args], { env, cwd: folder, timeout: 60_000 })).stdout;
    },
    kill: () => broker.down('SIGKILL'),
    up: () => broker.up(),
    async stop() {
      // Nobody reads what it would put in order.
      await broker.down('SIGKILL');
      await broker.stop();
      await epmd.child.stop();
      state.close(true);
    },
  };
}

interface Node {
  readonly state: StateFolder;
  readonly programs: RabbitPrograms;
  readonly epmdPort: number;
  readonly distribution: number;
  readonly port: number;
}

const urlOf = (port: number) => `amqp://guest:guest@127.0.0.1:${port}`;

function environment({ state: { path: folder }, programs, epmdPort, distribution, port }: Node): NodeJS.ProcessEnv {
  return {
    PATH: programs.path,
    LC_ALL: 'C.UTF-8',
    // Where Erlang keeps the secret that its nodes share.
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `backstitch-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_LOGS: '-',
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'rabbitmq-env.conf'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    // The script then becomes the server, instead of a parent that waits for it: a signal reaches the server.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-noinput -kernel inet_dist_use_interface {127,0,0,1}',
  };
}

async function startEpmd({ epmd, path }: RabbitPrograms, state: StateFolder, port: number) {
  const child = await Child.start(
    {
      name: 'epmd',
      ...{ command: epmd, args: ['-port', String(port), '-address', '127.0.0.1'] },
      ...{ env: { PATH: path }, cwd: state.path, logFile: state.file('epmd.log') },
      ...{ signal: 'SIGTERM', signalAtOnce: 'SIGKILL', readyMs: 30_000 },
      ready: async () => {
        await run(epmd, ['-port', String(port), '-names'], { timeout: 5_000 });
      },
    },
    (pid) => {
      state.record('epmd', pid, 'SIGTERM');
    },
  );
  return { child, port };
}

function startServer(node: Node): Promise<Child> {
  const { state, programs, port } = node;
  return Child.start(
    {
      name: 'RabbitMQ',
      ...{ command: join(programs.sbin, 'rabbitmq-server'), args: [] },
      ...{ env: environment(node), cwd: state.path, logFile: state.file('rabbitmq.log') },
      ...{ signal: 'SIGTERM', signalAtOnce: 'SIGKILL', readyMs: 90_000 },
      ready: async () => {
        const model = await connect(urlOf(port), { timeout: 5_000 });
        await model.close();
      },
    },
    (pid) => {
      state.record('RabbitMQ', pid, 'SIGKILL');
    },
  );
}
