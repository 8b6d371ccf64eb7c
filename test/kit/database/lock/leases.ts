import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { LeaseLost, LockUnavailable, type LeaseLock, type LeaseOptions } from '../../../../src/kit/database/index.js';
import { until } from '../../../support/until.js';
import { Gate } from '../inbox/support.js';
import { fresh } from '../idempotency/stage.js';

/** Where leases are kept, for tests that are the same everywhere. */
export interface LeaseHome {
  /** @param around is given each question to the store, and may lose it or its answer */
  lock(options?: LeaseOptions, around?: <T>(ask: () => Promise<T>) => Promise<T>): LeaseLock;
  /** Until when a resource is held, by the store's clock, in milliseconds. */
  heldUntil(resource: string): Promise<number>;
  /** Lets the lease be over at once. */
  expire(resource: string): Promise<unknown>;
}

export function leaseTests(home: LeaseHome): void {
  const never = () => Promise.reject(new Error('must not run'));
  const nothing = () => Promise.resolve();

  /** Adds one to what is there, by reading it and writing it later. */
  const counting = () => {
    let value = 0;
    return {
      add: async () => {
        const read = value;
        await delay(1);
        value = read + 1;
      },
      value: () => value,
    };
  };

  it('lets one at a time work on a resource, each with a higher token', async () => {
    const careless = counting();
    await Promise.all(Array.from({ length: 20 }, careless.add));
    assert.ok(careless.value() < 20, 'without a lock updates are lost');

    const resource = fresh('counter');
    const careful = counting();
    const tokens: number[] = [];
    const work = async () => {
      // A process of its own each would have a lock of its own.
      const held = await home.lock({ waitMs: 60_000 }).hold(resource, async ({ token }) => {
        tokens.push(token);
        await careful.add();
      });
      assert.equal(held.outcome, 'done');
    };
    await Promise.all(Array.from({ length: 20 }, work));
    assert.equal(careful.value(), 20);
    assert.deepEqual(
      tokens,
      tokens.toSorted((one, other) => one - other),
    );
    assert.equal(new Set(tokens).size, 20);
    assert.ok(tokens.every((token) => Number.isSafeInteger(token)));
  });

  it('skips with a warning what it has not got in time, and looks again whether it is needed when it has', async () => {
    const resource = fresh('order');
    const warnings: string[] = [];
    const gate = new Gate();
    const first = home.lock().hold(resource, () => gate.pass());
    await gate.reached;
    const lock = home.lock({ waitMs: 50, onWarning: (line) => warnings.push(line) });
    assert.deepEqual(await lock.hold(resource, never), { outcome: 'skipped', why: 'not-got' });
    assert.deepEqual(warnings, [`the lock of '${resource}' was not got within 50 ms: what it is for is skipped`]);
    const stop = AbortSignal.abort(new Error('the caller leaves'));
    await assert.rejects(home.lock().hold(resource, never, { signal: stop }), /the caller leaves/);
    let isDone = false;
    const waiting = home.lock({ waitMs: 60_000 }).hold(resource, never, {
      stillNeeded: () => Promise.resolve(!isDone),
    });
    isDone = true;
    gate.open();
    assert.equal((await first).outcome, 'done');
    assert.deepEqual(await waiting, { outcome: 'skipped', why: 'not-needed' });
    // It was given back: nobody has to wait.
    assert.equal((await home.lock({ waitMs: 0 }).hold(resource, nothing)).outcome, 'done');
  });

  it('renews a lease for as long as the work takes', async () => {
    const resource = fresh('long');
    const seen = new Set<number>();
    const held = await home.lock({ leaseMs: 600 }).hold(resource, async ({ signal }) => {
      await until(async () => seen.add(await home.heldUntil(resource)).size >= 4);
      assert.equal(
        (await home.lock({ waitMs: 0, onWarning: () => undefined }).hold(resource, never)).outcome,
        'skipped',
      );
      signal.throwIfAborted();
    });
    assert.equal(held.outcome, 'done');
  });

  it('is over when its holder does not renew it any more, and another has it', async () => {
    const resource = fresh('dead');
    const gate = new Gate();
    // It dies: nothing of it reaches the store any more.
    let isDead = false;
    const dead = home.lock({ leaseMs: 400, onWarning: () => undefined }, (ask) =>
      isDead ? new Promise(() => undefined) : ask(),
    );
    const lost = dead.hold(resource, () => gate.pass());
    lost.catch(() => undefined);
    await gate.reached;
    isDead = true;
    assert.equal((await home.lock({ waitMs: 60_000 }).hold(resource, nothing)).outcome, 'done');
    gate.open();
    await assert.rejects(lost, LeaseLost);
  });

  it('tells its holder that it is lost: another has it', async () => {
    const resource = fresh('stolen');
    let later = 0;
    const lost = home.lock({ leaseMs: 600 }).hold(resource, async ({ signal, token }) => {
      await home.expire(resource);
      const other = await home.lock({ waitMs: 60_000 }).hold(resource, () => until(() => signal.aborted));
      assert.ok(other.outcome === 'done');
      later = other.token - token;
      assert.ok(signal.reason instanceof LeaseLost);
    });
    await assert.rejects(lost, (error: Error) => {
      assert.ok(error instanceof LeaseLost);
      assert.match(error.message, /it was over, or was taken away/);
      return true;
    });
    assert.ok(later > 0);
  });

  it('tells its holder that it is lost: its event loop stood still, whatever its work says', async () => {
    const still = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    const lost = home.lock({ leaseMs: 300 }).hold(fresh('still'), () => {
      still(400);
      return Promise.resolve('well');
    });
    await assert.rejects(lost, LeaseLost);
  });

  it('tells its holder that it is lost: the store cannot be asked; and says so to who would have it', async () => {
    const resource = fresh('away');
    let isAway = false;
    const lock = home.lock({ leaseMs: 300, waitMs: 20, onWarning: () => undefined }, (ask) =>
      isAway ? Promise.reject(new Error('no connection')) : ask(),
    );
    const lost = lock.hold(resource, async ({ signal }) => {
      isAway = true;
      await until(() => signal.aborted);
      throw new Error('it has stopped');
    });
    await assert.rejects(lost, (error: Error) => {
      assert.ok(error instanceof LeaseLost);
      assert.match(error.message, /could not be renewed: no connection/);
      return true;
    });
    await assert.rejects(lock.hold(resource, never), LockUnavailable);
    isAway = false;
  });

  it('has what it asked for, though the answer was lost', async () => {
    const resource = fresh('unheard');
    let asked = 0;
    const lock = home.lock({}, async (ask) => {
      const answer = await ask();
      if (++asked === 1) throw new Error('the answer was lost');
      return answer;
    });
    assert.equal((await lock.hold(resource, nothing)).outcome, 'done');
    assert.equal((await home.lock({ waitMs: 0 }).hold(resource, nothing)).outcome, 'done');
  });

  it('gives back what it is given after it has given it up', async () => {
    const resource = fresh('after-all');
    const gate = new Gate();
    let [asked, ended] = [0, 0];
    const lock = home.lock({ leaseMs: 600, waitMs: 0, onWarning: () => undefined }, async (ask) => {
      // The first question is on its way until the second, which gives back, has its answer.
      if (++asked === 1) await gate.pass();
      const answer = await ask();
      ended += 1;
      return answer;
    });
    await assert.rejects(lock.hold(resource, never), LockUnavailable);
    assert.deepEqual([asked, ended], [2, 1]);
    gate.open();
    await until(() => ended === 3);
    assert.equal((await home.lock({ waitMs: 0 }).hold(resource, nothing)).outcome, 'done');
  });

  it('is not renewed for ever for work that is stuck, which is not waited for', async () => {
    const resource = fresh('stuck');
    const stuck = home.lock({ leaseMs: 300, longestMs: 400, graceMs: 10 });
    await assert.rejects(
      stuck.hold(resource, () => new Promise(() => undefined)),
      /held for 400 ms, as long as any may be; its work goes on, 10 ms after it was told/,
    );
    assert.equal((await home.lock({ waitMs: 60_000 }).hold(resource, nothing)).outcome, 'done');
    assert.throws(() => home.lock({ leaseMs: 0 }), RangeError);
  });
}
