import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { NoAnswer, within } from '../within.js';
import { askMs, Keeper } from './keeper.js';
import {
  LockUnavailable,
  type Held,
  type HoldOptions,
  type Lease,
  type LeaseLock,
  type LeaseOptions,
  type LeaseStore,
} from './lease.js';

/** The first pause between two times that a resource is asked for, and the longest, in milliseconds. */
const PAUSES = { first: 10, longest: 250 } as const;

/** Who asks for a resource. */
interface Asker {
  readonly resource: string;
  readonly owner: string;
  /** What it has asked of the store, and has not come to its end: also what it does not wait for any more. */
  readonly asking: Set<Promise<unknown>>;
}

/** A lock upon a store of leases. @throws a RangeError for wrong options */
export function leaseLockIn(store: LeaseStore, options: LeaseOptions = {}): LeaseLock {
  const rules = rulesOf(options);
  const { leaseMs, graceMs, onWarning } = rules;
  const limitMs = askMs(leaseMs);

  /** Asks until it has the resource, or has waited long enough. @param asking those that have not come to their end */
  async function take({ resource, owner, asking }: Asker, waitMs: number, signal: AbortSignal | undefined) {
    const until = performance.now() + waitMs;
    let isUnclear = false;
    for (let pause: number = PAUSES.first; ; pause = Math.min(pause * 2, PAUSES.longest)) {
      let failure: unknown;
      let heldForMs = Infinity;
      const asked = performance.now();
      try {
        const one = store.take(resource, owner, leaseMs, limitMs);
        asking.add(one);
        const settled = () => asking.delete(one);
        one.then(settled, settled);
        const taken = await within(limitMs, one, 'the store of its lock');
        if ('token' in taken) return { token: taken.token, asked };
        ({ heldForMs } = taken);
      } catch (error) {
        failure = error;
        isUnclear = true;
      }
      const leftMs = until - performance.now();
      if (leftMs <= 0 || signal?.aborted === true) {
        // It may be ours without our knowing it.
        if (isUnclear) await release({ resource, owner, asking });
        signal?.throwIfAborted();
        if (failure !== undefined) throw new LockUnavailable(resource, failure);
        return undefined;
      }
      const pauseMs = Math.min(leftMs, Math.max(heldForMs, 1), pause * (0.5 + Math.random() / 2));
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** What is not given back is over by itself. */
  async function release({ resource, owner, asking }: Asker): Promise<void> {
    // What was given up may come after this, and would have the resource for nobody.
    const again = () => release({ resource, owner, asking: new Set() });
    for (const late of asking) late.then(again, again);
    try {
      await within(limitMs, store.release(resource, owner, limitMs), 'the store of its lock');
    } catch (error) {
      onWarning(
        `the lease of '${resource}' could not be given back, and is over in ${leaseMs} ms at most: ${String(error)}`,
      );
    }
  }

  return {
    async hold<Result>(
      resource: string,
      work: (lease: Lease) => Promise<Result>,
      { stillNeeded, signal, waitMs = rules.waitMs }: HoldOptions = {},
    ): Promise<Held<Result>> {
      if (resource.length < 1 || resource.length > 200) {
        throw new RangeError(`a resource's name must have 1 to 200 characters: '${resource}'`);
      }
      check('waitMs', waitMs, 0);
      signal?.throwIfAborted();
      const owner = randomUUID();
      const asker: Asker = { resource, owner, asking: new Set() };
      const taken = await take(asker, waitMs, signal);
      if (taken === undefined) {
        onWarning(`the lock of '${resource}' was not got within ${waitMs} ms: what it is for is skipped`);
        return { outcome: 'skipped', why: 'not-got' };
      }
      const { token } = taken;
      const keeper = new Keeper({ store, resource, owner, ...taken, ...{ leaseMs, longestMs: rules.longestMs } });
      const given = signal === undefined ? keeper.signal : AbortSignal.any([keeper.signal, signal]);
      const lease: Lease = { resource, token, signal: given };
      const working = (async (): Promise<Held<Result>> => {
        if (stillNeeded !== undefined && !(await stillNeeded(lease))) return { outcome: 'skipped', why: 'not-needed' };
        given.throwIfAborted();
        return { outcome: 'done', result: await work(lease), token };
      })();
      try {
        return await whileKept(working, keeper, graceMs);
      } finally {
        await keeper.end();
        await release(asker);
      }
    },
  };
}

/** Waits for the work; for a while only, once the lease is lost. @throws {@link LeaseLost}, or what the work throws */
async function whileKept<T>(working: Promise<T>, keeper: Keeper, graceMs: number): Promise<T> {
  const end: { how?: 'well' | { readonly error: unknown } } = {};
  const settled = working.then(
    () => {
      end.how = 'well';
    },
    (error: unknown) => {
      end.how = { error };
    },
  );
  const isLost = new Promise<void>((resolve) => {
    keeper.signal.addEventListener('abort', () => {
      resolve();
    });
  });
  await Promise.race([settled, isLost]);
  const { lost } = keeper;
  if (lost === undefined) return working;
  await within(graceMs, settled).catch((error: unknown) => {
    if (!(error instanceof NoAnswer)) throw error;
  });
  const { how } = end;
  if (how === undefined) lost.message += `; its work goes on, ${graceMs} ms after it was told`;
  else if (how !== 'well' && how.error !== lost) lost.cause ??= how.error;
  throw lost;
}

function rulesOf(options: LeaseOptions) {
  const rules = {
    waitMs: options.waitMs ?? 5_000,
    leaseMs: options.leaseMs ?? 300_000,
    longestMs: options.longestMs ?? 3_600_000,
    graceMs: options.graceMs ?? 30_000,
  };
  for (const [name, value] of Object.entries(rules)) check(name, value, name === 'waitMs' ? 0 : 1);
  const warn = (line: string) => {
    process.emitWarning(line, 'LockWarning');
  };
  return { ...rules, onWarning: options.onWarning ?? warn };
}

function check(name: string, value: number, least: number): void {
  // A timer takes no more.
  if (!(Number.isSafeInteger(value) && value >= least && value < 2 ** 31)) {
    throw new RangeError(`${name} of a lock is ${value}: it must be a whole number of milliseconds, ${least} at least`);
  }
}
