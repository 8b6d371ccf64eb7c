import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { migrateShop } from '../src/activities/index.js';
import { readRun } from '../src/kit/client/log/runs.js';
import { logActivities, preloadModules } from '../src/kit/worker/index.js';
import type { collectLog } from '../src/kit/workflow/index.js';
import { cpuSeconds } from './cpu.js';
import { connectEngine } from './engine.js';
import { runLoad } from './load.js';
import { startBenchServers } from './servers.js';
import { openShop } from './shop.js';
import { percentile } from './statistics.js';
import { createSystems } from './systems/index.js';
import { ordersOf, type PlannedOrder } from './workload.js';

/**
 * `npm run bench:log`: what the compensation log costs, in CPU seconds of everything per 1,000 sagas, beside what the
 * sagas themselves cost. A collection is measured by itself, on servers that have come to rest, less what they use at rest.
 */

const ROUNDS = Number(process.argv[2] ?? 3);
const SAGAS = 1_000;
/** Long enough for the timers of the last sagas' activities. */
const REST_MS = 15_000;
const IDLE_MS = 5_000;
const EMPTY = 10;

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const servers = await startBenchServers(20, console.error);
const { databases, operations } = servers;
try {
  await migrateShop(databases);
  await openShop(databases);
  const engine = await connectEngine(servers.temporal);
  const { client } = engine;
  const running = await createSystems(engine, databases, databases).durable.start();
  const taskQueue = 'bench-log';
  const bundle = await engine.bundle('./log/workflows', preloadModules);
  const stop = await engine.work(taskQueue, bundle, logActivities({ client, databases, operations }));
  const cpu = () => cpuSeconds(servers.pids) ?? 0;
  const collect = () =>
    client.workflow.execute<typeof collectLog>('collectLog', { taskQueue, workflowId: `collect-${randomUUID()}` });
  /** CPU seconds of the work, less what is used at rest in as long. */
  const cost = async <T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> => {
    const atRest = cpu();
    await setTimeout(IDLE_MS);
    const perMs = (cpu() - atRest) / IDLE_MS;
    const [before, from] = [cpu(), performance.now()];
    const result = await work();
    // What the server does about a workflow's end comes after its answer.
    await setTimeout(1_000);
    return { result, seconds: cpu() - before - perMs * (performance.now() - from) };
  };

  const place = async ({ order }: PlannedOrder): Promise<void> => {
    await running.place(order);
  };
  const figures: Record<'sagas' | 'log' | 'empty' | 'spared', number[]> = { sagas: [], log: [], empty: [], spared: [] };
  await runLoad(ordersOf('warm', 100), 50, place);
  await collect();
  for (let round = 0; round < ROUNDS; round++) {
    const before = cpu();
    const orders = ordersOf(`log-${round}`, SAGAS);
    await runLoad(orders, 50, place);
    figures.sagas.push(cpu() - before);
    await setTimeout(REST_MS);
    const { seconds, result } = await cost(collect);
    figures.log.push(seconds);
    const empty = await cost(async () => {
      for (let n = 0; n < EMPTY; n++) await collect();
    });
    figures.empty.push(empty.seconds / EMPTY);
    const spared = await cost(() =>
      runLoad(
        orders.filter(({ undone }) => !undone),
        8,
        async ({ order: { orderId: gid } }) => {
          await readRun(client, { gid, workflowId: gid, runId: '', state: 'committed', closedAt: '', seen: '' });
        },
      ),
    );
    figures.spared.push(spared.seconds);
    console.error(`round ${round}: ${JSON.stringify(result)}, ${seconds.toFixed(2)} s`);
  }
  const [sagas = 0, log = 0, empty = 0, spared = 0] = [figures.sagas, figures.log, figures.empty, figures.spared].map(
    (of) => percentile(of, 0.5),
  );
  console.log(`${SAGAS} sagas: ${sagas.toFixed(1)} CPU s; their log: ${log.toFixed(2)} (${percent(log / sagas)})`);
  console.log(`a collection that finds nothing: ${(empty * 1000).toFixed(0)} CPU ms`);
  console.log(`to read the histories of those that committed too would be ${spared.toFixed(2)} CPU s more`);
  await stop();
  await running.stop();
  await engine.close();
} finally {
  await servers.stop();
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
