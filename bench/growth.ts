import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { ShopDatabases } from '../src/activities/index.js';
import { connectEngine } from './engine.js';
import { prepareDatabases, type GrowthDatabases } from './growth/books.js';
import { measureCell } from './growth/cell.js';
import { createLanes } from './growth/lanes.js';
import { parseGrowthOptions, type GrowthOptions } from './growth/options.js';
import { describePoint, distinctPoints, usual } from './growth/plan.js';
import { growthCharts, growthReport, growthTables, type Cell } from './growth/report.js';
import { figure } from './markdown.js';
import { orderOf } from './measure.js';
import { runProgram, say } from './program.js';
import { startBenchServers, type BenchServers } from './servers.js';

/**
 * `npm run bench:growth`: what a saga costs as work grows; see docs/performance.md. Progress goes to stderr, the result to
 * stdout.
 */

/** With 500 clients most wait for a connection. Milliseconds. */
const CONNECTION_TIMEOUT_MS = 60_000;

/** Every lane at every point: lane after lane at each, so that what slows the machine for a while slows all of them. */
async function measureAll(servers: BenchServers, { lanes: names, axes, rounds, sagas, pause }: GrowthOptions) {
  const { pids, operations, temporal } = servers;
  const databases = onlyThree(servers.databases);
  await prepareDatabases(databases);
  const engine = await connectEngine(temporal);
  try {
    const lanes = createLanes({ engine, databases, plain: onlyThree(servers.plain), operations }, names);
    const cells: Cell[] = [];
    const points = distinctPoints(axes);
    for (let turn = 0; turn < rounds * points.length; turn++) {
      const point = points[turn % points.length] ?? usual;
      for (const [lane, system] of orderOf(lanes, turn)) {
        const figures = await measureCell({ databases, pids }, system, point, {
          id: `${lane.replace('+', '-')}-${turn}`,
          sagas,
        });
        cells.push({ lane, point, figures });
        say(`${lane}, ${describePoint(point)}: ${Object.values(figures).map(figure).join(' · ')}`);
        // Each activity leaves a timer of up to 10 s with the server, which is not the next lane's work.
        if (system.engine) await setTimeout(pause * 1000);
      }
    }
    return cells;
  } finally {
    await engine.close();
  }
}

/** Those of the services that the sagas use. */
function onlyThree({ orders, payments, inventory }: ShopDatabases): GrowthDatabases {
  return { orders, payments, inventory };
}

runProgram(async () => {
  const options = parseGrowthOptions(process.argv.slice(2));
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const servers = await startBenchServers(options.poolSize, say, options.server, CONNECTION_TIMEOUT_MS);
  let cells: readonly Cell[];
  try {
    cells = await measureAll(servers, options);
  } finally {
    await servers.stop();
  }
  const report = growthReport(cells, options.axes, options.server);
  for (const line of options.json ? [JSON.stringify(report, null, 2)] : growthTables(report)) console.log(line);
  if (options.svg !== undefined) {
    mkdirSync(options.svg, { recursive: true });
    for (const [name, chart] of growthCharts(report)) writeFileSync(join(options.svg, name), chart);
  }
  return true;
});
