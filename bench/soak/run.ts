import { differences, readAccounts, type BenchDatabases } from '../books.js';
import { runLoad } from '../load.js';
import { percentile } from '../statistics.js';
import type { RunningSystem } from '../systems/system.js';
import { effectsOf, ordersOf, type PlannedOrder } from '../workload.js';
import { countAnnounced, Peak, readMemory, readTables } from './readings.js';
import type { SoakReport, Tenth } from './report.js';

const TENTHS = 10;

/** What a soak runs, and how much of it. */
export interface SoakOptions {
  readonly running: Pick<RunningSystem, 'place'>;
  readonly databases: BenchDatabases;
  readonly sagas: number;
  readonly clients: number;
  readonly onTenth?: (tenth: Tenth) => void;
}

/**
 * Runs sagas, a tenth of them after the other, and looks after each.
 *
 * @throws if a saga ends otherwise than it must
 */
export async function soak({ running, databases, sagas, clients, onTenth }: SoakOptions): Promise<SoakReport> {
  const all = [databases.orders, databases.payments, databases.inventory];
  const place = async ({ order, undone }: PlannedOrder): Promise<void> => {
    const expected = undone ? 'undone' : 'done';
    const found = await running.place(order);
    if (found !== expected) throw new Error(`order ${order.orderId} ended ${found}, not ${expected}`);
  };
  const [before, tables] = [await readAccounts(databases), await readTables(all)];
  const effects = new Map<string, number>();
  const tenths: Tenth[] = [];
  const peak = new Peak(async () => (await readTables(all)).announcements);
  /** What it has planned and measured itself is gone when it looks at the memory. */
  const run = async (prefix: string, count: number) => {
    const planned = ordersOf(prefix, count);
    for (const [account, change] of effectsOf(planned)) effects.set(account, (effects.get(account) ?? 0) + change);
    const { seconds, latenciesMs } = await runLoad(planned, clients, place);
    return { perSecond: count / seconds, p50Ms: percentile(latenciesMs, 0.5) };
  };
  try {
    for (let index = 0, begun = 0; index < TENTHS; index++) {
      const until = Math.round((sagas * (index + 1)) / TENTHS);
      const load = await run(`soak-${index}`, until - begun);
      begun = until;
      const tenth = { sagas: until, ...load, memory: readMemory(), tables: await readTables(all) };
      const mostAnnouncements = Math.max(peak.take(), tenth.tables.announcements);
      tenths.push({ ...tenth, mostAnnouncements });
      onTenth?.({ ...tenth, mostAnnouncements });
    }
  } finally {
    await peak.stop();
  }
  return {
    tenths,
    guardPerSaga: ((await readTables(all)).guard - tables.guard) / sagas,
    announced: await countAnnounced(all),
    books: differences(before, await readAccounts(databases), effects),
  };
}
