import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Faults } from '../../src/activities/faults.js';
import { serviceNames, type ServiceName } from '../../src/activities/index.js';
import { ORDERS_HEADER } from '../../src/client/orders-file.js';
import { runProgram } from '../../src/client/program.js';
import type { PlaceOrderInput } from '../../src/contracts/place-order.js';
import { createShopWorker } from '../../src/worker.js';
import { compiledClient, plainClient } from '../support/compiled.js';
import { temporalAddress, testDatabase } from '../support/servers.js';

/** What a run of the program left behind. */
export interface ProgramRun {
  readonly code: number | null;
  readonly stdout: string;
  /** Its lines. */
  readonly stderr: readonly string[];
  /** The one JSON document on stdout. */
  readonly json: <T = Record<string, unknown>>() => T;
}

/** A run of the program that may still go on. */
export interface RunningProgram {
  readonly child: ChildProcess;
  readonly ended: Promise<ProgramRun>;
}

/** Starts the program as a child process. */
export function startProgram(args: readonly string[], env: Record<string, string>): RunningProgram {
  // Who asks what is loaded wants to see it file by file.
  const program = env.NODE_V8_COVERAGE === undefined ? compiledClient() : plainClient();
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return { child, ended: once(child, 'close').then(([code]) => ended(code as number | null, stdout, stderr)) };
}

/**
 * Whether a command needs a process of its own: it listens to signals, or drives transactions itself, with databases that the
 * environment of its process names.
 */
function isOfProcess(args: readonly string[]): boolean {
  return ['--file', '--yes', 'direct', 'message', 'state-table', 'sale'].some((word) => args.includes(word));
}

/**
 * Runs the program as a function, to its end: what it prints, asks and returns is the same as in a process of its own, whose start
 * takes more of the processor than all that most commands do.
 */
export async function runWithin(args: readonly string[], env: Record<string, string>): Promise<ProgramRun> {
  const { stream: stdout, text: printed } = collector();
  const { stream: stderr, text: said } = collector();
  const code = await runProgram(args, { env: { ...process.env, ...env }, stdout, stderr });
  return ended(code, printed(), said());
}

function collector() {
  let text = '';
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _, done) => {
      text += chunk;
      done();
    },
  });
  return { stream, text: () => text };
}

function ended(code: number | null, stdout: string, stderr: string): ProgramRun {
  return {
    ...{ code, stdout },
    stderr: stderr.split('\n').filter((line) => line !== ''),
    json: <T>() => JSON.parse(stdout) as T,
  };
}

/** The shop with a worker of its own on real servers, and the program pointed at it. */
export interface ClientWorld {
  readonly address: string;
  /** What is injected into its worker. */
  readonly faults: Faults;
  /** The environment that points the program at the shop. */
  readonly env: Record<string, string>;
  /** What the program needs besides, to drive transactions itself. */
  readonly databaseEnv: Record<string, string>;
  /** Starts what delivers the services' messages. */
  readonly deliver: (names?: readonly string[]) => Promise<void>;
  /** Runs the program to its end: most commands within this process. */
  run(...args: string[]): Promise<ProgramRun>;
  /** Starts it in a process of its own. */
  start(...args: string[]): RunningProgram;
  /** Writes a file of orders; `…` of a line is taken as it is. */
  ordersFile(lines: readonly (Partial<PlaceOrderInput> | string)[]): Promise<string>;
  close(): Promise<void>;
}

/** @param via the URL by which the worker reaches a service's database. Default: its own */
export async function openClientWorld(
  faults?: string,
  operationsUrl?: string,
  via: (service: ServiceName, url: string) => string | Promise<string> = (_, url) => url,
): Promise<ClientWorld> {
  compiledClient();
  const address = await temporalAddress();
  const taskQueue = `shop-${randomUUID()}`;
  const ui = 'http://127.0.0.1:8233';
  const databases = await Promise.all(
    serviceNames.map(async (service) => ({ service, database: await testDatabase(service) })),
  );
  const urls = await Promise.all(
    databases.map(async ({ service, database }) => [service, await via(service, database.url)] as const),
  );
  const shop = await createShopWorker(
    { address, namespace: 'default', connection: { address }, taskQueue, ui },
    {
      databaseUrls: Object.fromEntries(urls),
      operationsUrl,
      poolSize: 10,
      faults,
    },
  );
  const running = shop.run();
  const folder = await mkdtemp(join(tmpdir(), 'client-'));
  const databaseEnv = Object.fromEntries(
    databases.map(({ service, database }) => [`DATABASE_URL_${service.toUpperCase()}`, database.url]),
  );
  const env = { TEMPORAL_ADDRESS: address, BACKSTITCH_TASK_QUEUE: taskQueue, TEMPORAL_UI_ADDRESS: ui };
  return {
    address,
    faults: shop.faults,
    deliver: shop.deliver,
    env,
    databaseEnv,
    run: (...args) => (isOfProcess(args) ? startProgram(args, env).ended : runWithin(args, env)),
    start: (...args) => startProgram(args, env),
    async ordersFile(lines) {
      const path = join(folder, `${randomUUID()}.csv`);
      const rows = lines.map((line) => (typeof line === 'string' ? line : orderLine(line)));
      await writeFile(path, `${[ORDERS_HEADER, ...rows].join('\n')}\n`);
      return path;
    },
    async close() {
      await shop.stop();
      await running;
      await Promise.all(databases.map(({ database }) => database.drop()));
      await rm(folder, { recursive: true });
    },
  };
}

function orderLine({ orderId = randomUUID(), customerId = 'c1', units = 1, amount = 100 }: Partial<PlaceOrderInput>) {
  return `${orderId},${customerId},1997-01-01,${units},${amount}`;
}
