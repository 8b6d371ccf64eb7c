import { cpuSeconds } from '../cpu.js';
import { runLoad } from '../load.js';
import { percentile } from '../statistics.js';
import type { System } from '../systems/system.js';
import { beginBooks, proveBooks, type GrowthDatabases } from './books.js';
import { keyOf, ordersOf, sagasOf, type Point } from './plan.js';
import type { GrowthOrder } from './saga.js';

/** What is measured of a lane at a point. */
export interface CellFigures {
  /** Sagas a second. */
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50Ms: number;
  /** CPU seconds of engine, worker and PostgreSQL together; null where the platform does not tell. */
  readonly cpuSecondsPer1000: number | null;
}

/** Where cells are measured. */
export interface CellBench {
  readonly databases: GrowthDatabases;
  /** Processes whose CPU time counts, besides this one: the Temporal server and PostgreSQL. */
  readonly pids: readonly number[] | undefined;
}

/** Of the sagas of a cell, so many run before it and do not count. */
const WARM_UP = 0.1;

/**
 * One lane at one point: a warm-up, then the load; then the books.
 *
 * @param id tells the cell's gids from those of others
 * @param sagas those of the durable lane at the usual point
 * @throws if a saga ends otherwise than it must, or if an account did not change as it must
 */
export async function measureCell(
  { databases, pids }: CellBench,
  system: System<GrowthOrder>,
  point: Point,
  { id, sagas }: { id: string; sagas: number },
): Promise<CellFigures> {
  const count = sagasOf(point, sagas * system.factor);
  const name = `${id}-${keyOf(point)}`;
  const warmUp = ordersOf(`${name}-w`, point, Math.ceil(count * WARM_UP));
  const loaded = ordersOf(`${name}-l`, point, count);
  const before = await beginBooks(databases);
  const running = await system.start();
  try {
    const place = async (order: GrowthOrder): Promise<void> => {
      const expected = order.undone ? 'undone' : 'done';
      const found = await running.place(order);
      if (found !== expected) throw new Error(`saga ${order.saga} ended ${found}, not ${expected}`);
    };
    await runLoad(warmUp, point.clients, place);
    const cpuBefore = cpuSeconds(pids);
    const load = await runLoad(loaded, point.clients, place);
    const cpuAfter = cpuSeconds(pids);
    const wrong = await proveBooks(databases, before, [...warmUp, ...loaded]);
    if (wrong.length > 0) {
      throw new Error(`${name}: the books do not balance: ${wrong.length} lines: ${wrong.slice(0, 5).join('; ')}`);
    }
    return {
      perSecond: count / load.seconds,
      p50Ms: percentile(load.latenciesMs, 0.5),
      cpuSecondsPer1000: cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) / count) * 1000,
    };
  } finally {
    await running.stop();
  }
}
