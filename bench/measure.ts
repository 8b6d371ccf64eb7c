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

/** What was measured of a system at one time. */
export interface Slot {
  readonly sagas: number;
  /** Of all of them, with all clients. */
  readonly seconds: number;
  readonly latenciesMs: readonly number[];
  /** With one client. */
  readonly aloneMs: readonly number[];
  readonly cpuSeconds: number | null;
  readonly histories: readonly { readonly events: number; readonly bytes: number }[];
  readonly engine: boolean;
}

/**
 * One system at one time: a warm-up, one client, then all clients; then the books.
 *
 * @param slot names it: no other slot of the system has that name
 * @throws if a saga ends otherwise than it must, or if an account did not change as it must
 */
export async function measureSlot(
  { databases, pids }: Bench,
  name: SystemName,
  system: System,
  slot: string,
  options: Pick<BenchOptions, 'warmup' | 'serial' | 'sagas' | 'clients'>,
): Promise<Slot> {
  const id = `${name.replace('+', '-')}-${slot}`;
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
    const histories = history ? await Promise.all(loaded.slice(0, 100).map(({ order }) => history(order.orderId))) : [];
    return {
      sagas: loaded.length,
      seconds: load.seconds,
      latenciesMs: load.latenciesMs,
      aloneMs: alone.latenciesMs,
      cpuSeconds: cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore,
      histories,
      engine: system.engine,
    };
  } finally {
    await running.stop();
  }
}

/** The figures of a system in all these slots together. */
export function figuresOf(slots: readonly Slot[]): Figures {
  const sum = (of: (slot: Slot) => number) => slots.reduce((total, slot) => total + of(slot), 0);
  const sagas = sum((slot) => slot.sagas);
  const latenciesMs = slots.flatMap((slot) => slot.latenciesMs);
  const histories = slots.flatMap((slot) => slot.histories);
  const perSaga = (figure: 'events' | 'bytes') => {
    if (histories.length > 0) return mean(histories.map((each) => each[figure]));
    return slots.some(({ engine }) => engine) ? null : 0;
  };
  return {
    perSecond: sagas / sum(({ seconds }) => seconds),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    serialP50Ms: percentile(
      slots.flatMap(({ aloneMs }) => aloneMs),
      0.5,
    ),
    cpuSecondsPer1000: slots.some(({ cpuSeconds }) => cpuSeconds === null)
      ? null
      : (sum(({ cpuSeconds }) => cpuSeconds ?? 0) / sagas) * 1000,
    eventsPerSaga: perSaga('events'),
    bytesPerSaga: perSaga('bytes'),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The turns of a round: every system in an order, and then in the opposite one, so that each comes before and after each
 * other. A system leaves work behind (timers, rows to be removed, a log to be written to disk), and who comes after it pays.
 */
export function turnsOf<T>(systems: readonly T[], round: number): T[] {
  const order = orderOf(systems, round);
  return [...order, ...order.toReversed()];
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
