import { EventEmitter, once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { Transfer } from '../../src/contracts/transfer.js';
import { runLoad } from '../load.js';
import { percentile } from '../statistics.js';
import { proveBanks, readBanks } from './books.js';
import { callerOf, type End } from './caller.js';
import { urlsOf, type TransferBench } from './cell.js';
import { startCoordinatorChild } from './child.js';
import { startCoordinator } from './coordinator.js';
import { longestLocked, watchAccounts } from './locks.js';
import type { TransferOptions } from './options.js';
import { ACCOUNTS, transfersOf, type Contention } from './plan.js';
import type { SchemeName } from './schemes.js';
import { centsUnderWay } from './under-way.js';

/** What is measured while the coordinator of a scheme is stopped in the middle of its work. */
export interface StopFigures {
  /** Transfers that had begun and not ended when it was stopped. */
  readonly caught: number;
  /** Accounts that stayed locked for 2 s or more. */
  readonly lockedAccounts: number;
  /** The longest of that, in seconds. */
  readonly lockedSeconds: number;
  /** Of the transfers that were caught, when the coordinator was to go on: money that nobody could spend, and not prepared, in cents. */
  readonly centsUnderWay: number;
  /** Transfers of others meanwhile, by another coordinator, from and to accounts all over the banks. */
  readonly others: {
    readonly begun: number;
    /** Took longer than 2 s. */
    readonly waited: number;
    readonly undone: number;
    readonly p50Ms: number;
    readonly longestSeconds: number;
  };
  /** What became of those that were caught, once the coordinator went on. */
  readonly done: number;
  readonly undone: number;
  /** From when the coordinator went on until the last of those had ended, in seconds. */
  readonly endedSeconds: number;
  /** They wait for a person. */
  readonly left: number;
}

/**
 * Others begin a transfer each so many milliseconds, whatever became of those before: a closed loop would wait with what waits. All
 * schemes can do as many: nobody waits for the machine.
 */
const OTHERS_EVERY_MS = 1_000;
/** Each so many milliseconds it is tried to lock every account. */
const LOOK_MS = 1_000;
/** What takes longer than that did not just have its turn. */
const WAITED_MS = 2_000;
/** What has not ended so many seconds after the coordinator went on waits for a person. */
const PATIENCE_SECONDS = 60;

/**
 * Stops the coordinator of a scheme, which is a process of its own, in the middle of a load, for some time; then the books.
 *
 * @throws if a transfer fails, or if an account did not change as it must
 */
export async function measureStop(
  bench: TransferBench,
  scheme: SchemeName,
  contention: Contention,
  id: string,
  { stop: seconds, clients, warmup }: Pick<TransferOptions, 'stop' | 'clients' | 'warmup'>,
): Promise<StopFigures> {
  const { engine, databases } = bench;
  const queues = { stopped: `bench-stopped-${id}`, others: `bench-others-${id}` };
  const wait = `${seconds + PATIENCE_SECONDS} seconds` as const;
  const call = callerOf(engine.client, scheme, { taskQueue: queues.stopped }, { wait });
  const callOther = callerOf(engine.client, scheme, { taskQueue: queues.others, eagerStart: true }, { wait });
  const ends: Record<End, Transfer[]> = { done: [], undone: [], left: [] };
  const endedAt = new Map<Transfer, number>();
  const place = async (transfer: Transfer, by = call): Promise<End> => {
    const end = await by(transfer);
    ends[end].push(transfer);
    if (end !== 'left') endedAt.set(transfer, performance.now());
    return end;
  };

  const before = await readBanks(databases);
  const stopOthers = await startCoordinator(engine, databases, queues.others);
  try {
    const child = await startCoordinatorChild(bench, queues.stopped, queues.others);
    try {
      await runLoad(transfersOf(`${id}-w`, warmup, contention), clients, (transfer) => place(transfer));
      await runLoad(transfersOf(`${id}-v`, warmup, contention), clients, (transfer) => place(transfer, callOther));

      const load = new Load(transfersOf(`${id}-l`, 100_000, contention), place);
      const loading = load.run(clients);
      loading.catch(() => undefined); // It is waited for below.
      await Promise.race([load.settled(2 * clients), loading]);
      const caught = load.close();
      child.freeze();

      const over = new AbortController();
      const watching = watchAccounts(urlsOf(bench), LOOK_MS, over.signal);
      watching.catch(() => undefined);
      const count = (seconds * 1000) / OTHERS_EVERY_MS;
      const transfers = transfersOf(`${id}-o`, count, contention, Math.max(ACCOUNTS / count, 1));
      const unrelated = paced(transfers, OTHERS_EVERY_MS, (transfer) => place(transfer, callOther));
      unrelated.catch(() => undefined);
      await setTimeout(seconds * 1000);
      over.abort();
      const moments = await watching;
      const cents = await centsUnderWay(databases, caught);

      child.thaw();
      const thawed = performance.now();
      await loading;
      const { ends: otherEnds, latenciesMs } = await unrelated;

      const wrong = await proveBanks(databases, before, ends.done, ends.left);
      if (wrong.length > 0) {
        throw new Error(`${id}: the books do not balance: ${wrong.length} lines: ${wrong.slice(0, 5).join('; ')}`);
      }
      const stayed = [...longestLocked(moments).values()].filter((ms) => ms >= WAITED_MS);
      const endsOf = (end: End) => caught.filter((transfer) => ends[end].includes(transfer)).length;
      return {
        caught: caught.length,
        lockedAccounts: stayed.length,
        lockedSeconds: Math.max(0, ...stayed) / 1000,
        centsUnderWay: cents,
        others: {
          begun: transfers.length,
          waited: latenciesMs.filter((ms) => ms > WAITED_MS).length,
          undone: otherEnds.filter((end) => end === 'undone').length,
          p50Ms: percentile(latenciesMs, 0.5),
          longestSeconds: Math.max(...latenciesMs) / 1000,
        },
        ...{ done: endsOf('done'), undone: endsOf('undone'), left: endsOf('left') },
        endedSeconds: Math.max(0, ...caught.map((transfer) => (endedAt.get(transfer) ?? thawed) - thawed)) / 1000,
      };
    } finally {
      await child.end();
    }
  } finally {
    await stopOthers();
  }
}

/** Transfers with all clients, until no more are to begin. */
class Load {
  readonly #transfers: readonly Transfer[];
  readonly #place: (transfer: Transfer) => Promise<unknown>;
  readonly #begun = new Set<Transfer>();
  readonly #watch = new EventEmitter();
  #ended = 0;
  #closed = false;

  constructor(transfers: readonly Transfer[], place: (transfer: Transfer) => Promise<unknown>) {
    this.#transfers = transfers;
    this.#place = place;
  }

  /** Resolves when all that have begun have ended. */
  async run(clients: number): Promise<void> {
    await runLoad(this.#open(), clients, async (transfer) => {
      this.#begun.add(transfer);
      await this.#place(transfer);
      this.#begun.delete(transfer);
      this.#ended++;
      this.#watch.emit('ended');
    });
  }

  /** Resolves when so many have ended: the clients are no longer all at the same point. */
  async settled(count: number): Promise<void> {
    while (this.#ended < count) await once(this.#watch, 'ended');
  }

  /** No more begin. @returns those that have begun and not ended */
  close(): Transfer[] {
    this.#closed = true;
    return [...this.#begun];
  }

  *#open(): Generator<Transfer> {
    for (const transfer of this.#transfers) {
      if (this.#closed) return;
      yield transfer;
    }
  }
}

/** Calls for each item when its time has come, and waits for all. */
async function paced<T, Result>(items: readonly T[], everyMs: number, call: (item: T) => Promise<Result>) {
  const from = performance.now();
  const latenciesMs: number[] = [];
  const ends = await Promise.all(
    items.map(async (item, index) => {
      await setTimeout(from + index * everyMs - performance.now());
      const began = performance.now();
      const end = await call(item);
      latenciesMs.push(performance.now() - began);
      return end;
    }),
  );
  return { ends, latenciesMs };
}
