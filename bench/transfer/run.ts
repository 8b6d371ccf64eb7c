import { setTimeout } from 'node:timers/promises';
import { migrateShop } from '../../src/activities/index.js';
import { connectEngine } from '../engine.js';
import { figure } from '../markdown.js';
import { say } from '../program.js';
import { startBenchServers, type BenchServers } from '../servers.js';
import { openBanks } from './books.js';
import { measureCell, type TransferBench } from './cell.js';
import { installRuntime } from './coordinator.js';
import type { TransferOptions } from './options.js';
import { passesOf } from './plan.js';
import { transferReport, transferTables, type Cell, type Stop } from './report.js';
import { measureStop } from './stop.js';

/** `npm run bench -- transfer`: the schemes compared; see docs/choosing.md. Progress goes to stderr, the result to stdout. */
export async function compareTransfers(options: TransferOptions): Promise<boolean> {
  installRuntime();
  const servers = await startBenchServers(options.poolSize, say, options.server);
  let measured: { cells: Cell[]; stops: Stop[] };
  try {
    measured = await measureAll(servers, options);
  } finally {
    await servers.stop();
  }
  const report = transferReport(measured.cells, measured.stops, options);
  for (const line of options.json ? [JSON.stringify(report, null, 2)] : transferTables(report)) console.log(line);
  return true;
}

/** Every scheme under each contention, scheme after scheme, so that what slows the machine for a while slows all of them. */
async function measureAll(servers: BenchServers, options: TransferOptions) {
  const { schemes, contentions, rounds, stop, pause, poolSize } = options;
  await migrateShop(servers.databases);
  await openBanks(servers.databases);
  const engine = await connectEngine(servers.temporal);
  const bench: TransferBench = { ...servers, engine, poolSize };
  // Each activity leaves a timer of up to 10 s with the server, which is not the next scheme's work.
  const rest = () => setTimeout(pause * 1000);
  try {
    const cells: Cell[] = [];
    for (const contention of contentions) {
      for (const [pass, scheme] of passesOf(schemes, rounds).entries()) {
        const figures = await measureCell(bench, scheme, contention, `${scheme}-${contention}-${pass}`, options);
        cells.push({ scheme, contention, figures });
        tell(scheme, `${contention} % contention`, figures);
        await rest();
      }
    }
    const stops: Stop[] = [];
    for (const contention of stop === 0 ? [] : contentions) {
      for (const scheme of schemes) {
        const figures = await measureStop(bench, scheme, contention, `${scheme}-${contention}-stop`, options);
        stops.push({ scheme, contention, figures });
        tell(scheme, `${contention} % contention, stopped`, figures);
        tell(scheme, 'others meanwhile', figures.others);
        await rest();
      }
    }
    return { cells, stops };
  } finally {
    await engine.close();
  }
}

function tell(scheme: string, what: string, figures: object): void {
  const told = Object.entries(figures).flatMap(([name, value]) =>
    typeof value === 'number' ? [`${name} ${figure(value)}`] : [],
  );
  say(`${scheme}, ${what}: ${told.join(' · ')}`);
}
