import { join } from 'node:path';
import pg from 'pg';
import { inventoryMigrations } from '../../src/activities/inventory/migrations.js';
import { ordersMigrations } from '../../src/activities/orders/migrations.js';
import { startServers } from '../../src/dev/servers.js';
import { migrate, occupancyMigrations, pgDatabase } from '../../src/kit/database/index.js';
import { cpuSeconds } from '../cpu.js';
import { figure, markdownTable } from '../markdown.js';
import { pidsOf } from '../messages/stage.js';
import { say } from '../program.js';
import { percentile, significant, spread } from '../statistics.js';
import { startCrew, type Crew } from './crew.js';
import type { SaleOptions, SaleWay } from './options.js';
import { BENCH_TABLES, waysOf } from './ways.js';

/** `npm run bench -- sale`: see docs/flash-sale.md. Progress goes to stderr, the result to stdout. */

/** What one way did in one phase. */
interface PhaseFigures {
  /** Purchases decided a second: deducted and submitted, or told that there is nothing left. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU seconds of everything for 1,000 of them. */
  readonly cpuPer1000: number | null;
}

/** With units for all, and with few. */
const phases = ['plenty', 'scarce'] as const;
type Phase = (typeof phases)[number];
interface Cell {
  readonly way: SaleWay;
  readonly processes: number;
  readonly phase: Phase;
  readonly rounds: PhaseFigures[];
}

export async function compareSales(options: SaleOptions): Promise<boolean> {
  const servers = await startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'bench'),
    fresh: true,
    databases: ['inventory', 'orders'],
    onDeath: (report) => {
      say(report.message);
      process.exit(1);
    },
  });
  const urls = { inventory: servers.databaseUrl('inventory'), orders: servers.databaseUrl('orders') };
  const pools = Object.values(urls).map((connectionString) => new pg.Pool({ connectionString, max: 4 }));
  try {
    const [inventory, orders] = pools.map((pool) => pgDatabase(pool));
    if (inventory === undefined || orders === undefined) throw new Error('there are two databases');
    await migrate(inventory, 'inventory', inventoryMigrations);
    await migrate(inventory, 'occupancy', occupancyMigrations);
    await migrate(orders, 'orders', ordersMigrations);
    await inventory.run(BENCH_TABLES);
    const pids = pidsOf(servers);
    const ways = waysOf(inventory, orders, options.stripes);
    const cells = options.processes.flatMap((processes) =>
      options.ways.flatMap((way) => phases.map((phase): Cell => ({ way, processes, phase, rounds: [] }))),
    );
    for (let round = 0; round < options.rounds; round++) {
      for (const processes of options.processes) {
        const crew = await startCrew(processes, urls, Math.floor(options.connections / processes), options.stripes);
        try {
          const turns = cells.filter((cell) => cell.processes === processes);
          for (const [turn, cell] of (round % 2 ? turns.toReversed() : turns).entries()) {
            const sale = `${processes}-${round}-${turn}`;
            const units = cell.phase === 'plenty' ? options.purchases : options.scarce;
            await ways[cell.way].open(sale, units);
            await ways[cell.way].open(`${sale}-warm`, options.clients * 5);
            await buyAll(crew, cell, { ...options, sale: `${sale}-warm`, purchases: options.clients * 5 });
            const { bought, seconds, cpu } = await timed(crew, pids, () => buyAll(crew, cell, { ...options, sale }));
            const sold = bought.reduce((sum, each) => sum + each.sold, 0);
            await prove(pools, sale, units, Math.min(units, options.purchases), sold);
            const latencies = bought.flatMap(({ latenciesMs }) => latenciesMs);
            const figures: PhaseFigures = {
              perSecond: latencies.length / seconds,
              ...{ p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) },
              cpuPer1000: cpu === null ? null : (cpu / latencies.length) * 1_000,
            };
            cell.rounds.push(figures);
            const told = Object.entries(figures).map(([what, value]) => `${what} ${figure(value as number | null)}`);
            say(`round ${round + 1}/${options.rounds}: ${processes} × ${cell.way}, ${cell.phase}: ${told.join(' · ')}`);
          }
        } finally {
          await crew.end();
        }
      }
    }
    print(cells, options);
    return true;
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    await servers.stop();
  }
}

function buyAll(
  crew: Crew,
  { way, processes }: Cell,
  { sale, purchases, clients }: Pick<SaleOptions, 'purchases' | 'clients'> & { readonly sale: string },
) {
  const share = Math.ceil(purchases / processes);
  return crew.buy(
    Array.from({ length: processes }, (_, n) => ({
      ...{ way, sale, from: n * share, count: Math.min(share, purchases - n * share) },
      clients: Math.max(1, Math.floor(clients / processes)),
    })),
  );
}

async function timed<T>(crew: Crew, pids: readonly number[] | undefined, work: () => Promise<T>) {
  const all = pids && [...pids, ...crew.pids];
  const before = cpuSeconds(all);
  const began = performance.now();
  const bought = await work();
  const seconds = (performance.now() - began) / 1_000;
  const after = cpuSeconds(all);
  return { bought, seconds, cpu: before === null || after === null ? null : after - before };
}

/** A benchmark that sells what is not there measures nothing. */
async function prove(
  [inventory, orders]: readonly pg.Pool[],
  sale: string,
  units: number,
  due: number,
  sold: number,
): Promise<void> {
  const count = async (pool: pg.Pool | undefined, text: string) =>
    (await pool?.query<{ n: number }>(text, [sale]))?.rows[0]?.n;
  const occupied = await count(
    inventory,
    `select count(*)::int as n from backstitch.occupancy where pool = $1 or pool like $1 || '/%'`,
  );
  const submitted = await count(orders, 'select count(*)::int as n from sale_orders where sale = $1');
  if (occupied === due && submitted === due && sold === due) return;
  throw new Error(
    `${sale}: of ${units} units ${occupied} were occupied, ${submitted} submitted, ${sold} sold; not ${due}`,
  );
}

function print(cells: readonly Cell[], { json, purchases, scarce }: SaleOptions): void {
  if (json) {
    console.log(JSON.stringify(cells, null, 2));
    return;
  }
  const columns = {
    perSecond: 'purchases/s',
    p50Ms: 'p50 ms',
    p99Ms: 'p99 ms',
    cpuPer1000: 'CPU s per 1,000',
  } as const;
  const names = Object.keys(columns) as (keyof typeof columns)[];
  const median = (rounds: readonly PhaseFigures[], what: keyof PhaseFigures) => {
    const values = rounds.map((figures) => figures[what]).filter((value) => typeof value === 'number');
    return values.length === 0 ? null : significant(spread(values).median);
  };
  for (const processes of new Set(cells.map((cell) => cell.processes))) {
    for (const phase of phases) {
      const of = cells.filter((cell) => cell.processes === processes && cell.phase === phase);
      const rows = of.map(({ way, rounds }) => [way, ...names.map((what) => figure(median(rounds, what)))]);
      const units = phase === 'plenty' ? purchases : scarce;
      console.log(
        `\n${processes} ${processes === 1 ? 'process' : 'processes'}, ${purchases} purchases, ${units} units\n`,
      );
      for (const line of markdownTable(['', ...names.map((what) => columns[what])], rows)) console.log(line);
    }
  }
}
