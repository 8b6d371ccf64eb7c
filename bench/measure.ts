import { differences, readAccounts, type BenchDatabases } from './books.js';
import { cpuSeconds } from './cpu.js';
import { runLoad } from './load.js';
import type { BenchOptions } from './options.js';
import type { Figures, SystemName } from './report.js';
import { percentile } from './statistics.js';
import type { System } from './systems/system.js';
import { effectsOf, ordersOf, type PlannedOrder } from './workload.js';

/** Where a slot is measured. */
export interface Bench {
  readonly databases: BenchDatabases;
  /** Processes whose CPU time counts, besides this one: the Temporal server and PostgreSQL. */
  readonly pids: readonly number[] | undefined;
}

/**
 * One system in one round: a warm-up, one client, then all clients; then the books.
 *
 * @throws if a saga ends otherwise than it must, or if an account did not change as it must
 */
export async function measureSlot(
  { databases, pids }: Bench,
  name: SystemName,
  system: System,
  round: number,
  options: Pick<BenchOptions, 'warmup' | 'serial' | 'sagas' | 'clients'>,
): Promise<Figures> {
  const id = `${name.replace('+', '-')}-${round}`;
  const warmUp = ordersOf(`${id}-w`, options.warmup);
  const serial = ordersOf(`${id}-s`, options.serial);
  const loaded = ordersOf(`${id}-l`, options.sagas * system.factor);

  const before = await readAccounts(databases);
  const running = await system.start();
  const place = async ({ order, undone }: PlannedOrder): Promise<void> => {
    const expected = undone ? 'undone' : 'done';
    const found = await running.place(order);
    if (found !== expected) throw new Error(`${name}: order ${order.orderId} ended ${found}, not ${expected}`);
  };
  try {
    await runLoad(warmUp, options.clients, place);
    const alone = await runLoad(serial, 1, place);
    const cpuBefore = cpuSeconds(pids);
    const load = await runLoad(loaded, options.clients, place);
    const cpuAfter = cpuSeconds(pids);

    const wrong = differences(before, await readAccounts(databases), effectsOf([...warmUp, ...serial, ...loaded]));
    if (wrong.length > 0) {
      throw new Error(`${name}: the books do not balance: ${wrong.length} accounts: ${wrong.slice(0, 5).join('; ')}`);
    }
    const { history } = running;
    const some = history && (await Promise.all(loaded.slice(0, 100).map(({ order }) => history(order.orderId))));
    const perSaga = (figure: 'events' | 'bytes') =>
      some === undefined ? (system.engine ? null : 0) : mean(some.map((each) => each[figure]));
    return {
      perSecond: loaded.length / load.seconds,
      p50Ms: percentile(load.latenciesMs, 0.5),
      p99Ms: percentile(load.latenciesMs, 0.99),
      serialP50Ms: percentile(alone.latenciesMs, 0.5),
      cpuSecondsPer1000:
        cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) / loaded.length) * 1000,
      eventsPerSaga: perSaga('events'),
      bytesPerSaga: perSaga('bytes'),
    };
  } finally {
    await running.stop();
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The order of the systems in a round: it begins with another one each time, and runs backwards every second time, so
 * that no system always follows the same one.
 */
export function orderOf<T>(systems: readonly T[], round: number): T[] {
  const from = round % systems.length;
  const rotated = [...systems.slice(from), ...systems.slice(0, from)];
  return round % 2 === 0 ? rotated : rotated.reverse();
}
