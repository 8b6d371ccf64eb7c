import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { preloadModules } from '../src/kit/worker/index.js';
import { orderOf } from './measure.js';
import { pairedRatio, spread } from './statistics.js';

/**
 * `npm run bench:replay [ROUNDS [HISTORY]]`: what the workflow thread costs, without any server: CPU time of this process
 * for one replay of a recorded order, by setting, each in a process of its own, interleaved. It is steadier than a
 * benchmark with servers, and leaves out what these do.
 */

const REPLAYS = 200;

/** Settings of the worker, and what is taken away from its workflow thread besides (thread.ts). */
const variants: Readonly<Record<string, { options?: Partial<ReplayWorkerOptions>; thread?: string }>> = {
  chosen: {},
  '2 workflow threads': { options: { workflowThreadPoolSize: 2 } },
  'a context for each workflow': { options: { reuseV8Context: false } },
  'no watchdog': { thread: 'no-watchdog' },
  'no promise hook': { thread: 'no-promise-hook' },
  neither: { thread: 'neither' },
  'no stack traces': { thread: 'no-stacks' },
};

/** Replays in this process. @returns milliseconds of CPU time for one */
async function replays(name: string, history: string): Promise<number> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const workflowBundle = await bundleWorkflowCode({
    preloadModules,
    workflowsPath: fileURLToPath(new URL(`../src/workflows/index${extname(import.meta.url)}`, import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  const recorded = JSON.parse(readFileSync(`test/replay/histories/${history}.json`, 'utf8')) as object;
  const run = async (count: number) => {
    const copies = Array.from({ length: count }, () => ({ workflowId: `order-${history}`, history: recorded }));
    for await (const { error } of Worker.runReplayHistories({ ...variants[name]?.options, workflowBundle }, copies)) {
      if (error) throw error;
    }
  };
  await run(REPLAYS / 4);
  const before = process.cpuUsage();
  await run(REPLAYS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / REPLAYS;
}

function inProcess(name: string, history: string): number {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), 'one', name, history],
    { encoding: 'utf8', env: { ...process.env, BENCH_THREAD: variants[name]?.thread ?? '' } },
  );
  const ms = Number(stdout);
  if (!(ms > 0)) throw new Error(`${name}: ${stdout}${stderr}`);
  return ms;
}

const [first = '3', second, third] = process.argv.slice(2);
if (first === 'one') {
  console.log(await replays(second ?? '', third ?? ''));
} else {
  const names = Object.keys(variants);
  const history = second ?? 'lean-placed';
  const measured = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < Number(first); round++) {
    for (const name of orderOf(names, round)) {
      const ms = inProcess(name, history);
      measured.get(name)?.push(ms);
      console.error(`${name}: ${ms.toFixed(1)} ms`);
    }
  }
  for (const [name, ms] of measured) {
    const { median, min, max } = pairedRatio(ms, measured.get('chosen') ?? []);
    const ratio = `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
    console.log(`${name}: ${spread(ms).median.toFixed(1)} ms of CPU a replay, ${ratio} of the chosen`);
  }
}
