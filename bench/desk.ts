import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout } from 'node:timers/promises';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { StoredRejection, Suspended } from '../src/kit/database/rejection.js';
import { countDesk, listDesk } from '../src/kit/client/index.js';
import { alarmActivities, participantActivities, preloadModules } from '../src/kit/worker/index.js';
import { cpuSeconds } from './cpu.js';
import { connectEngine } from './engine.js';
import { runLoad } from './load.js';
import { startBenchServers } from './servers.js';
import { percentile } from './statistics.js';

/**
 * `npm run bench:desk`: a desk with 10,000 cases. How long it takes to list them, what they cost while they wait, and
 * what a retry of all of them takes, in time and in memory of the command line.
 */

const CASES = Number(process.argv[2] ?? 10_000);
const CHUNK = 200;
const REST_MS = 20_000;
/** What the server does about the last events, and the timers of their activities, comes after them. */
const SETTLE_MS = 90_000;
const SAMPLE_MS = 250;
const taskQueue = 'bench-desk';

let isSick = true;
const sick = {
  take: {
    action: () => Promise.resolve('taken'),
    compensation: () => (isSick ? Promise.reject(new Suspended('the service is sick')) : Promise.resolve(undefined)),
  },
  refuse: {
    action: () => Promise.reject(new StoredRejection('Refused', 'no')),
    compensation: () => Promise.resolve(undefined),
  },
};

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const servers = await startBenchServers(1, console.error);
try {
  const engine = await connectEngine(servers.temporal);
  const { client } = engine;
  const bundle = await engine.bundle('./desk-cases/workflows', preloadModules);
  const stop = await engine.work(taskQueue, bundle, {
    ...participantActivities({ sick }, { who: 'bench' }),
    ...alarmActivities({ sink: { name: 'nowhere', deliver: () => Promise.resolve() } }),
  });
  const stuck = (): Promise<number> => countDesk(client);
  const begun = performance.now();
  const gids = Array.from({ length: CASES }, (_, index) => `case-${index}`);
  // Not all at once: a backlog of thousands of tasks is another thing to measure.
  for (let from = 0; from < CASES; from += CHUNK) {
    await runLoad(gids.slice(from, from + CHUNK), 20, async (gid) => {
      await client.workflow.start('stuckOrder', { workflowId: gid, taskQueue, args: [gid] });
    });
    const begun = Math.min(from + CHUNK, CASES);
    // The last ones go on while the next begin, but for those of the end.
    for (let found = await stuck(); found < begun - (begun < CASES ? CHUNK : 0); found = await stuck()) {
      await setTimeout(500);
    }
    if (begun % 1_000 === 0) console.error(`${begun} of ${CASES} have begun`);
  }
  console.log(`${CASES} sagas were begun, undone and stuck in ${seconds(performance.now() - begun)}`);

  await setTimeout(SETTLE_MS);
  const atRest = cpuSeconds(servers.pids) ?? 0;
  await setTimeout(REST_MS);
  const used = ((cpuSeconds(servers.pids) ?? 0) - atRest) / (REST_MS / 1000);
  console.log(`while they wait: ${(used * 100).toFixed(1)} % of a CPU for servers, worker and all`);

  const pages: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < 5; round++) {
    const from = performance.now();
    const listed = new Set<string>();
    for await (const { gid } of listDesk(client)) {
      listed.add(gid);
      if (listed.size === 50) pages.push(performance.now() - from);
    }
    if (listed.size !== CASES) throw new Error(`${listed.size} of ${CASES} were listed`);
    whole.push(performance.now() - from);
  }
  console.log(
    `list: the first 50 in ${ms(percentile(pages, 0.5))}, all ${CASES} in ${ms(percentile(whole, 0.5))} (medians of 5)`,
  );
  for (const limit of [50, CASES]) {
    const { ms: took, peakMb } = await command(['desk', 'list', '--limit', String(limit)]);
    console.log(`backstitch desk list --limit ${limit}: ${ms(took)}, its start included, ${peakMb} MB`);
  }

  isSick = false;
  const all = ['desk', 'retry', '--where', "WorkflowType = 'stuckOrder'"];
  const retry = await command([...all, '--actor', 'bench', '--reason', 'a benchmark', '--yes']);
  const { samples } = retry;
  const quarters = [0.25, 0.5, 0.75, 1].map((part) => samples[Math.ceil(part * samples.length) - 1] ?? 0);
  console.log(`backstitch desk retry of all: ${seconds(retry.ms)}, ${(CASES / (retry.ms / 1000)).toFixed(0)} a second`);
  console.log(`  its memory after each quarter of the time: ${quarters.join(', ')} MB; at most ${retry.peakMb} MB`);
  console.log(`  ${retry.output.trim().replaceAll('\n', '\n  ')}`);
  for (let left = await stuck(); left > 0; left = await stuck()) await setTimeout(500);
  await stop();
  await engine.close();
} finally {
  await servers.stop();
}

interface Command {
  readonly ms: number;
  readonly output: string;
  /** The memory that it held, in MB, each 250 ms. */
  readonly samples: readonly number[];
  readonly peakMb: number;
}

/** Runs the command line as a process of its own. */
async function command(args: readonly string[]): Promise<Command> {
  const { address, namespace } = servers.temporal;
  const begun = performance.now();
  const child = spawn(process.execPath, [fileURLToPath(new URL('../src/client.js', import.meta.url)), ...args], {
    env: {
      ...process.env,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      BACKSTITCH_TASK_QUEUE: taskQueue,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const samples: number[] = [];
  const sampling = setInterval(() => {
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
    if (rss !== undefined) samples.push(Math.round(Number(rss) / 1024));
  }, SAMPLE_MS);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(sampling);
  if (code !== 0) throw new Error(`backstitch ${args.join(' ')}: exit code ${String(code)}: ${output}`);
  return { ms: performance.now() - begun, output, samples, peakMb: Math.max(0, ...samples) };
}

function ms(time: number): string {
  return `${time.toFixed(0)} ms`;
}

function seconds(time: number): string {
  return `${(time / 1000).toFixed(1)} s`;
}
