import { setTimeout } from 'node:timers/promises';
import { DefaultLogger, Runtime, type WorkerOptions } from '@temporalio/worker';
import { migrateShop } from '../src/activities/index.js';
import { transactionWorkerOptions } from '../src/kit/worker/index.js';
import { connectEngine } from './engine.js';
import { figuresOf, measureSlot, orderOf } from './measure.js';
import type { Figures } from './report.js';
import { startBenchServers } from './servers.js';
import { openShop } from './shop.js';
import { pairedRatio } from './statistics.js';
import { createSystems } from './systems/index.js';

/**
 * `npm run bench:settings [ROUNDS [LANES [SETTINGS]]]`: the worker's settings one by one against those that are chosen,
 * interleaved: where the figures in docs/performance.md come from. LANES: `durable,lean`; SETTINGS: an expression that
 * their names match.
 */
const [given = '2', lanes = 'durable,lean', only = ''] = process.argv.slice(2);
/** Two rounds of all take ten minutes; more make the figures steadier. */
const ROUNDS = Number(given);
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

/** Settings of the worker, and what is taken away from its workflow thread besides (thread.ts). */
type Variant = Partial<WorkerOptions> & { readonly thread?: string };

const variants: Readonly<Record<string, Variant>> = {
  'cache of 100 workflows': { maxCachedWorkflows: 100 },
  'cache of 20 workflows': { maxCachedWorkflows: 20 },
  '20 slots': slots(20),
  '400 slots': slots(400),
  '2 pollers': pollers({ type: 'simple-maximum', maximum: 2 }),
  '10 pollers': pollers({ type: 'simple-maximum', maximum: 10 }),
  '50 pollers': pollers({ type: 'simple-maximum', maximum: 50 }),
  'half of the pollers not sticky': { nonStickyToStickyPollRatio: 0.5 },
  '2 workflow threads': { workflowThreadPoolSize: 2 },
  'a context for each workflow': { reuseV8Context: false },
  'debug mode': { debugMode: true },
  'no watchdog': { thread: 'no-watchdog' },
  'no promise hook': { thread: 'no-promise-hook' },
};
const matches = new RegExp(only);
const names = ['chosen', ...Object.keys(variants).filter((name) => matches.test(name))];

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const servers = await startBenchServers(20, console.error);
try {
  await migrateShop(servers.databases);
  await openShop(servers.databases);
  for (const lane of (['durable', 'lean'] as const).filter((each) => lanes.split(',').includes(each))) {
    const measured = new Map<string, Figures[]>(names.map((name) => [name, []]));
    let slot = 0;
    const measure = async (name: string) => {
      const { thread = '', ...options } = variants[name] ?? {};
      // A thread has the environment that is there when it starts.
      process.env.BENCH_THREAD = thread;
      const engine = await connectEngine(servers.temporal, { ...transactionWorkerOptions, ...options });
      const system = createSystems(engine, servers.databases, servers.plain)[lane];
      const figures = figuresOf([await measureSlot(servers, lane, system, String(slot++), SIZE)]);
      const { perSecond, cpuSecondsPer1000 } = figures;
      console.error(`${lane}, ${name}: ${perSecond.toFixed(1)}/s, CPU ${cpuSecondsPer1000?.toFixed(1)} s/1000`);
      await engine.close();
      await setTimeout(2_000);
      return figures;
    };
    // The first of all has a cold process.
    await measure('chosen');
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of orderOf(names, round)) measured.get(name)?.push(await measure(name));
    }
    const chosen = measured.get('chosen') ?? [];
    for (const [name, figures] of measured) {
      const against = (figure: 'perSecond' | 'p50Ms' | 'cpuSecondsPer1000') => {
        const { median, min, max } = pairedRatio(
          figures.map((each) => each[figure] ?? Number.NaN),
          chosen.map((each) => each[figure] ?? Number.NaN),
        );
        return `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
      };
      console.log(
        `${lane}, ${name}: throughput ${against('perSecond')}, p50 ${against('p50Ms')}, CPU ${against('cpuSecondsPer1000')}`,
      );
    }
  }
} finally {
  await servers.stop();
}
