import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { serviceNames } from '../../src/activities/index.js';
import type { TemporalSettings } from '../../src/config.js';
import { freePort } from '../../src/dev/ports.js';
import type { Restartable } from '../../src/dev/restartable.js';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { StateFolder } from '../../src/dev/state.js';
import { retries } from '../../src/kit/client/index.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';
import { READY } from './caller-protocol.js';
import { Crew, type Job } from './crew.js';
import {
  callers,
  isProcess,
  links,
  workers,
  type Fault,
  type Link,
  type ProcessName,
  type ServerName,
} from './faults.js';
import { applyToProxy, isProxyFault } from './proxy-faults.js';
import { Proxy } from './proxy.js';
import { transpiled } from '../support/transpiled.js';

/**
 * All that a run needs, every piece of it real and in its own process: PostgreSQL and Temporal on a state that survives
 * them, two workers, two callers, and a proxy on each way between them.
 */
export interface Stage {
  /** Past the proxies: for what has to work while faults go on, and at the end. */
  readonly client: Client;
  /** Where the client is. */
  readonly temporal: TemporalSettings;
  readonly databaseUrl: (service: string) => string;
  readonly crew: Crew;
  /** The folder that keeps data and logs. */
  readonly state: string;
  /** Servers that ended though nobody had killed them. */
  readonly deaths: readonly Error[];
  /** Does a fault; resolves when it is over and what was taken down is up again. @throws if it cannot be brought up */
  apply(fault: Fault): Promise<void>;
  stop(): Promise<void>;
}

/** Sets it up, and waits until all workers and callers serve. @param state the folder, which is emptied */
export async function openStage(state: string, onProgress: (line: string) => void): Promise<Stage> {
  const deaths: Error[] = [];
  const servers = await startServers({
    state,
    fresh: true,
    // Below those that the system gives to outgoing connections: a port has to be free again when its server comes back.
    ports: { temporal: await lowPort(0), ui: await lowPort(1), postgres: await lowPort(2) },
    databases: serviceNames,
    searchAttributes: searchAttributeTypes,
    onProgress,
    onDeath: (report) => deaths.push(report),
  });
  const closing: (() => Promise<void>)[] = [() => servers.stop()];
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    for (const name of ['postgres', 'temporal'] as const) startedServer(servers, name);
    const proxies = await startProxies(servers);
    closing.push(async () => {
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
    });
    const connection = await Connection.connect({ address: servers.temporal.address, interceptors: retries });
    closing.push(() => connection.close());
    const client = new Client({ connection, namespace: servers.temporal.namespace });
    const logs = join(servers.state, 'processes');
    mkdirSync(logs, { recursive: true });
    const crew = new Crew(jobsOf(servers, proxies), logs);
    closing.push(() => crew.stop());
    // The workers make the schema.
    await Promise.all([...workers, ...callers].map((name) => crew.serving(name)));
    return {
      client,
      temporal: servers.temporal,
      databaseUrl: servers.databaseUrl,
      crew,
      state: servers.state,
      deaths,
      apply: (fault) => applyFault(fault, { servers, proxies, crew }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Removes what a run kept, wherever it had to be kept. */
export async function removeState(state: string): Promise<void> {
  (await StateFolder.open(state, true, () => undefined)).close(true);
  rmSync(state, { recursive: true, force: true });
}

type Proxies = Readonly<Record<Link, Proxy>>;

async function startProxies({ temporal, postgres = '' }: Servers): Promise<Proxies> {
  const temporalPort = portOf(`http://${temporal.address}`);
  return {
    'workers-postgres': await Proxy.start(portOf(postgres)),
    'workers-temporal': await Proxy.start(temporalPort),
    'callers-postgres': await Proxy.start(portOf(postgres)),
    'callers-temporal': await Proxy.start(temporalPort),
  };
}

function jobsOf({ temporal, postgres = '' }: Servers, proxies: Proxies): Record<ProcessName, Job> {
  const envOf = (staff: 'workers' | 'callers') => {
    const url = new URL(postgres);
    url.port = String(proxies[`${staff}-postgres`].port);
    return {
      TEMPORAL_ADDRESS: addressOf(proxies[`${staff}-temporal`]),
      BACKSTITCH_TASK_QUEUE: temporal.taskQueue,
      BACKSTITCH_POOL_SIZE: '10',
      DATABASE_URL: url.href,
    };
  };
  const worker = { file: transpiled('src/worker.ts'), env: envOf('workers'), serves: /serving task queue/ };
  const caller = {
    file: transpiled('test/chaos/caller-program.ts'),
    env: envOf('callers'),
    serves: new RegExp(READY),
    ipc: true,
  };
  return { 'worker-1': worker, 'worker-2': worker, 'caller-1': caller, 'caller-2': caller };
}

async function applyFault(
  { kind, target, ms }: Fault,
  { servers, proxies, crew }: { servers: Servers; proxies: Proxies; crew: Crew },
): Promise<void> {
  if (isProcess(target)) {
    return kind === 'kill' ? crew.kill(target) : crew.freeze(target, ms);
  }
  if (target === 'postgres' || target === 'temporal') {
    const server = startedServer(servers, target);
    await server.down(kind === 'kill' ? 'SIGKILL' : undefined);
    await delay(ms);
    return server.up();
  }
  if (!isProxyFault(kind)) throw new RangeError(`${kind} cannot be done to ${target}, one of ${links.join(', ')}`);
  return applyToProxy(proxies[target], kind, ms);
}

function startedServer(servers: Servers, name: ServerName): Restartable {
  const server = servers.started[name];
  if (server === undefined) throw new Error(`${name} was not started here: unset its variables in the environment`);
  return server;
}

function lowPort(index: number): Promise<number> {
  return freePort(20_000 + ((process.pid * 3 + index) % 10_000));
}

function addressOf(proxy: Proxy): string {
  return `127.0.0.1:${proxy.port}`;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
