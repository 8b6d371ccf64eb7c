import { setTimeout } from 'node:timers/promises';
import { DefaultLogger, Runtime, type WorkerOptions } from '@temporalio/worker';
import { migrateShop } from '../src/activities/index.js';
import { transactionWorkerOptions } from '../src/kit/worker/index.js';
import { connectEngine } from './engine.js';
import { measureSlot, orderOf } from './measure.js';
import type { Figures } from './report.js';
import { startBenchServers } from './servers.js';
import { openShop } from './shop.js';
import { pairedRatio } from './statistics.js';
import { createSystems } from './systems/index.js';

/**
 * `npm run bench:settings`: the worker's settings one by one against those that are chosen, in both lanes, interleaved:
 * where the figures in docs/performance.md come from.
 */

/** Two rounds take six minutes; more make the figures steadier. */
const ROUNDS = Number(process.argv[2] ?? 2);
const SIZE = { warmup: 60, serial: 5, sagas: 250, clients: 50 };

const slots = (count: number): Partial<WorkerOptions> => ({
  maxConcurrentWorkflowTaskExecutions: count,
  maxConcurrentActivityTaskExecutions: count,
  maxConcurrentLocalActivityExecutions: count,
});
const pollers = (behaviour: WorkerOptions['workflowTaskPollerBehavior']): Partial<WorkerOptions> => ({
  workflowTaskPollerBehavior: behaviour,
  activityTaskPollerBehavior: behaviour,
});

const variants: Readonly<Record<string, Partial<WorkerOptions>>> = {
  chosen: {},
  'cache of 100 workflows': { maxCachedWorkflows: 100 },
  'cache of 20 workflows': { maxCachedWorkflows: 20 },
  '20 slots': slots(20),
  '400 slots': slots(400),
  '2 pollers': pollers({ type: 'simple-maximum', maximum: 2 }),
  '10 pollers': pollers({ type: 'simple-maximum', maximum: 10 }),
  '50 pollers': pollers({ type: 'simple-maximum', maximum: 50 }),
};

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const servers = await startBenchServers(20, console.error);
try {
  await migrateShop(servers.databases);
  await openShop(servers.databases);
  for (const lane of ['durable', 'lean'] as const) {
    const rounds = new Map<string, Figures[]>(Object.keys(variants).map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of orderOf(Object.keys(variants), round)) {
        const engine = await connectEngine(servers.temporal, { ...transactionWorkerOptions, ...variants[name] });
        const system = createSystems(engine, servers.databases, servers.plain)[lane];
        const id = Object.keys(variants).indexOf(name) + round * 100;
        rounds.get(name)?.push(await measureSlot(servers, lane, system, id, SIZE));
        await engine.close();
        await setTimeout(2_000);
      }
    }
    const chosen = rounds.get('chosen') ?? [];
    for (const [name, figures] of rounds) {
      const against = (figure: 'perSecond' | 'p50Ms') =>
        pairedRatio(
          figures.map((each) => each[figure]),
          chosen.map((each) => each[figure]),
        ).median.toFixed(2);
      console.log(`${lane}, ${name}: throughput ${against('perSecond')}, p50 ${against('p50Ms')}`);
    }
  }
} finally {
  await servers.stop();
}
