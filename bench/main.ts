import { setTimeout } from 'node:timers/promises';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { migrateShop } from '../src/activities/index.js';
import { openShop } from './shop.js';
import { connectEngine } from './engine.js';
import { figuresOf, measureSlot, turnsOf, type Slot } from './measure.js';
import { parseOptions, type BenchOptions } from './options.js';
import { barLine, judgeBars, reportOf, tableOf, type Figures, type SystemName } from './report.js';
import { runProgram, say } from './program.js';
import { startBenchServers } from './servers.js';
import { createSystems } from './systems/index.js';
import { parseLockOptions } from './locks/options.js';
import { compareLocks } from './locks/run.js';
import { parseMessageOptions } from './messages/options.js';
import { compareMessages } from './messages/run.js';
import { parseSaleOptions } from './sale/options.js';
import { compareSales } from './sale/run.js';
import { parseReconcileOptions } from './reconcile/options.js';
import { benchReconcile } from './reconcile/run.js';
import { parseTransferOptions } from './transfer/options.js';
import { compareTransfers } from './transfer/run.js';
import { parseSchemesOptions } from './schemes/options.js';
import { benchSchemes } from './schemes/run.js';

/** `npm run bench`: see docs/performance.md; with `transfer` or `schemes`, docs/choosing.md; with `messages`, docs/outbox.md; with `locks`, docs/idempotency.md; with `sale`, docs/flash-sale.md; with `reconcile`, docs/reconciliation.md. Progress goes to stderr, the result to stdout. */

async function main(options: BenchOptions): Promise<boolean> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const servers = await startBenchServers(options.poolSize, say, options.server);
  try {
    await migrateShop(servers.databases);
    await openShop(servers.databases);
    const engine = await connectEngine(servers.temporal);
    try {
      const systems = createSystems(engine, servers.databases, servers.plain, servers.operations);
      const rounds = new Map<SystemName, Figures[]>();
      // Each system has two turns in a round.
      const half = { ...options, sagas: Math.ceil(options.sagas / 2), serial: Math.ceil(options.serial / 2) };
      for (const name of options.systems) rounds.set(name, []);
      for (let round = 0; round < options.rounds; round++) {
        const slots = new Map<SystemName, Slot[]>();
        for (const [turn, name] of turnsOf(options.systems, round).entries()) {
          const slot = await measureSlot(servers, name, systems[name], `${round}-${turn}`, half);
          slots.set(name, [...(slots.get(name) ?? []), slot]);
          say(`round ${round + 1}/${options.rounds}: ${describe(name, figuresOf([slot]))}`);
          // Each activity leaves a timer of up to 10 s with the server, which is not the next system's work.
          if (systems[name].engine) await setTimeout(options.pause * 1000);
        }
        for (const [name, ofRound] of slots) rounds.get(name)?.push(figuresOf(ofRound));
      }
      return print(rounds, options);
    } finally {
      await engine.close();
    }
  } finally {
    await servers.stop();
  }
}

function describe(name: SystemName, { perSecond, p50Ms, serialP50Ms, cpuSecondsPer1000 }: Figures): string {
  const cpu = cpuSecondsPer1000 === null ? 'n/a' : cpuSecondsPer1000.toFixed(1);
  return `${name}: ${perSecond.toFixed(1)} sagas/s, p50 ${p50Ms.toFixed(1)} ms, serial ${serialP50Ms.toFixed(1)} ms, CPU ${cpu} s/1000`;
}

/** Prints the result; false if a bar is missed. */
function print(rounds: ReadonlyMap<SystemName, readonly Figures[]>, { json, server }: BenchOptions): boolean {
  const report = reportOf(rounds, server);
  const bars = judgeBars(report);
  if (json) console.log(JSON.stringify(report, null, 2));
  else for (const line of tableOf(rounds, server)) console.log(line);
  for (const bar of bars) (json ? console.error : console.log)(barLine(bar));
  return bars.every(({ met }) => met !== false);
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'transfer') {
  const options = parseTransferOptions(rest);
  runProgram(() => compareTransfers(options));
} else if (first === 'messages') {
  const options = parseMessageOptions(rest);
  runProgram(() => compareMessages(options));
} else if (first === 'locks') {
  const options = parseLockOptions(rest);
  runProgram(() => compareLocks(options));
} else if (first === 'sale') {
  const options = parseSaleOptions(rest);
  runProgram(() => compareSales(options));
} else if (first === 'reconcile') {
  const options = parseReconcileOptions(rest);
  runProgram(() => benchReconcile(options));
} else if (first === 'schemes') {
  const options = parseSchemesOptions(rest);
  runProgram(() => benchSchemes(options));
} else {
  const options = parseOptions(process.argv.slice(2));
  runProgram(async () => (await main(options)) || !options.bars);
}
