import type { Transfer } from '../../src/contracts/transfer.js';
import { cpuSeconds } from '../cpu.js';
import type { Engine } from '../engine.js';
import { runLoad } from '../load.js';
import type { BenchServers } from '../servers.js';
import { percentile } from '../statistics.js';
import { proveBanks, readBanks } from './books.js';
import { callerOf } from './caller.js';
import { startCoordinator } from './coordinator.js';
import { LockWatch, type BankUrls } from './locks.js';
import type { TransferOptions } from './options.js';
import { transfersOf, type Contention } from './plan.js';
import { workflowsOf, type SchemeName } from './schemes.js';
import { timesUnderWay } from './under-way.js';

/** What is measured of a scheme under a load. */
export interface CellFigures {
  /** Transfers a second that were committed: one that is undone has moved nothing, however soon it was. */
  readonly committedPerSecond: number;
  /** Milliseconds, here and below; of all transfers, however they ended. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of one alone. */
  readonly aloneP50Ms: number;
  /** CPU seconds of engine, worker and PostgreSQL together; null where the platform does not tell. */
  readonly cpuSecondsPer1000: number | null;
  /** Of all histories of a transfer. */
  readonly events: number;
  /** SQL statements that were sent and waited for, for a transfer. */
  readonly roundTrips: number;
  /** For how long a transfer's SQL transactions had accounts locked, all together. */
  readonly lockedMs: number;
  /** For how long its money was neither here nor there. */
  readonly underWayMs: number;
  /** Transfers that were undone, in per cent: they did not get what they asked for in time. */
  readonly undone: number;
}

/** Where schemes are compared. */
export interface TransferBench extends Pick<
  BenchServers,
  'databases' | 'databaseUrl' | 'temporal' | 'pids' | 'roundTrips'
> {
  readonly engine: Engine;
  readonly poolSize: number;
}

/** How many of the transfers of a load were committed, a second, and how many were not, in per cent of all. */
export function endsOf(
  asked: number,
  committed: number,
  seconds: number,
): Pick<CellFigures, 'committedPerSecond' | 'undone'> {
  return { committedPerSecond: committed / seconds, undone: ((asked - committed) / asked) * 100 };
}

/** Transfers whose histories are counted. */
const COUNTED = 50;

/**
 * One scheme under one contention: a warm-up, one client, then all clients; then the books.
 *
 * @param id tells its transfers from those of others
 * @throws if a transfer ends neither done nor undone, or if an account did not change as it must
 */
export async function measureCell(
  bench: TransferBench,
  scheme: SchemeName,
  contention: Contention,
  id: string,
  options: Pick<TransferOptions, 'transfers' | 'alone' | 'warmup' | 'clients'>,
): Promise<CellFigures> {
  const { engine, databases, pids, roundTrips } = bench;
  const plan = (phase: string, count: number) => transfersOf(`${id}-${phase}`, count, contention);
  const warmUp = plan('w', options.warmup);
  const alone = plan('a', options.alone);
  const loaded = plan('l', options.transfers);
  const taskQueue = `bench-transfer-${id}`;
  const call = callerOf(engine.client, scheme, { taskQueue, eagerStart: true });
  const done: Transfer[] = [];
  const place = async (transfer: Transfer): Promise<void> => {
    const end = await call(transfer);
    if (end === 'left') throw new Error(`transfer ${transfer.id} by ${scheme} waits for a person`);
    if (end === 'done') done.push(transfer);
  };

  const before = await readBanks(databases);
  const stop = await startCoordinator(engine, databases, taskQueue);
  try {
    await runLoad(warmUp, options.clients, place);
    const { latenciesMs: aloneMs } = await runLoad(alone, 1, place);
    const others = done.length;
    const locks = await LockWatch.start(urlsOf(bench));
    const [cpuBefore, sentBefore] = [cpuSeconds(pids), roundTrips.count];
    const load = await runLoad(loaded, options.clients, place);
    const [cpuAfter, sentAfter] = [cpuSeconds(pids), roundTrips.count];
    const locked = await locks.stop();
    const wrong = await proveBanks(databases, before, done);
    if (wrong.length > 0) {
      throw new Error(`${id}: the books do not balance: ${wrong.length} lines: ${wrong.slice(0, 5).join('; ')}`);
    }
    const count = loaded.length;
    const doneOfLoad = done.slice(others);
    return {
      ...endsOf(count, doneOfLoad.length, load.seconds),
      p50Ms: percentile(load.latenciesMs, 0.5),
      p99Ms: percentile(load.latenciesMs, 0.99),
      aloneP50Ms: percentile(aloneMs, 0.5),
      cpuSecondsPer1000: cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) / count) * 1000,
      events: await eventsOf(engine, scheme, doneOfLoad.slice(0, COUNTED)),
      roundTrips: (sentAfter - sentBefore) / count,
      // Little's law: how many there are at a time is how many come in a second times how long each stays.
      lockedMs: (locked * load.seconds * 1000) / count,
      underWayMs: percentile(await timesUnderWay(databases, doneOfLoad), 0.5),
    };
  } finally {
    await stop();
  }
}

/** The URLs of the banks' databases. */
export function urlsOf({ databaseUrl }: Pick<TransferBench, 'databaseUrl'>): BankUrls {
  return { bank_a: databaseUrl('bank_a'), bank_b: databaseUrl('bank_b'), bank_c: databaseUrl('bank_c') };
}

/** How many events a transfer's histories have, on average. */
async function eventsOf({ history }: Engine, scheme: SchemeName, transfers: readonly Transfer[]): Promise<number> {
  const workflows = transfers.flatMap((transfer) => workflowsOf(scheme, transfer));
  const found = await Promise.all(workflows.map(history));
  return found.reduce((sum, { events }) => sum + events, 0) / transfers.length;
}
