import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Message } from '../../../../src/kit/database/index.js';
import { HeldUp, NotYet, Poison, SinkUnavailable } from '../../../../src/kit/database/index.js';
import { decideLetter, listDead } from '../../../../src/kit/database/outbox/letters.js';
import { streamStore } from '../../../../src/kit/database/outbox/stream.js';
import { Listeners } from '../../../../src/kit/worker/outbox/listener.js';
import type { RelayTrouble } from '../../../../src/kit/worker/outbox/outcomes.js';
import { StreamRelay, type RelayEnd } from '../../../../src/kit/worker/outbox/relay.js';
import { defaultRelayRules, type RelayRules } from '../../../../src/kit/worker/outbox/rules.js';
import { Wake } from '../../../../src/kit/worker/outbox/wake.js';
import { outboxOf, OutboxStage, Recorder } from '../../database/outbox/stage.js';

/** A relay that runs; ended when the test is over. */
interface Running {
  readonly relay: StreamRelay;
  readonly ended: Promise<RelayEnd>;
  readonly stop: () => Promise<RelayEnd>;
  readonly troubles: RelayTrouble[];
}

describe('a relay', () => {
  const stage = new OutboxStage();
  const outbox = outboxOf();
  let running: Running[] = [];
  afterEach(async () => {
    await Promise.all(running.map(({ stop }) => stop().catch(() => undefined)));
    running = [];
  });

  /** Pauses are short, and nothing but what rings wakes it sooner than the tests' limit, unless one says so. */
  const start = (sink: Recorder, rules: Partial<RelayRules> = {}, database: Database = stage.db): Running => {
    const over = new AbortController();
    const wake = new Wake();
    const leave = new Listeners().join(database, 'shop/all/0', wake);
    const troubles: RelayTrouble[] = [];
    const relay = new StreamRelay({
      store: streamStore(
        database,
        outbox,
        { name: 'shop/all/0' },
        { isLinked: (sink as { isQueue?: boolean }).isQueue },
      ),
      ...{ sink, wake, owner: 'test', signal: over.signal, forMs: 3_600_000 },
      rules: { ...defaultRelayRules, backoffMs: 10, mostBackoffMs: 50, ...rules },
      onTrouble: (trouble) => troubles.push(trouble),
    });
    const ended = relay.run();
    const stop = async () => {
      over.abort();
      try {
        return await ended;
      } finally {
        leave();
      }
    };
    ended.catch(() => undefined);
    const one = { relay, ended, stop, troubles };
    running.push(one);
    return one;
  };
  /** Waits until nothing is left in a table. */
  const empty = async (...tables: Parameters<OutboxStage['count']>[0][]) => {
    for (const table of tables) while ((await stage.count(table)) > 0) await sleep(5);
  };
  const keyed = (key: string, ...payloads: unknown[]) => payloads.map((payload) => ({ topic: 'a', key, payload }));

  it('delivers what waits and what comes, removes it, and keeps it among the delivered', async () => {
    const sink = new Recorder();
    await stage.add(outbox, { topic: 'a', payload: 1 });
    start(sink);
    await sink.taken(1);
    await stage.add(outbox, { topic: 'a', payload: 2 });
    await sink.taken(2);
    await empty('outbox');
    assert.deepEqual(sink.payloads, [1, 2]);
    assert.equal(await stage.count('outbox_delivered'), 2);
  });

  it('is woken by what is added: it needs no look of its own', async () => {
    const sink = new Recorder();
    start(sink, { pollMs: 3_600_000 });
    await sleep(0);
    for (let n = 0; n < 20; n++) {
      await stage.add(outbox, { topic: 'a', payload: n });
      await sink.taken(n + 1);
    }
  });

  it('finds what was added without a wake-up by its own looks, and works with a client that cannot listen', async () => {
    const sink = new Recorder();
    const { run } = stage.db;
    const transaction: Database['transaction'] = (work, ms) => stage.db.transaction(work, ms);
    start(sink, { pollMs: 20 }, { run, transaction });
    await stage.add(outbox, { topic: 'a', payload: 1 });
    await sink.taken(1);
  });

  for (const many of [false, true]) {
    const sinkOf = () => (many ? new BatchRecorder() : new Recorder());
    const how = many ? 'a sink that takes many' : 'a sink that takes one by one';

    it(`delivers 3,000 messages of 40 keys in the order of each key, by ${how}`, async () => {
      const sink = sinkOf();
      sink.onMessage = async ({ seq }) => {
        if (seq % 7 === 0) await sleep(1);
      };
      start(sink, { batch: 50 });
      for (let n = 0; n < 3_000; n += 100) {
        await stage.db.transaction((sql) =>
          outbox.addAll(
            sql,
            Array.from({ length: 100 }, (_, k) => ({ topic: 'a', key: `k${(n + k) % 40}`, payload: n + k })),
          ),
        );
      }
      await sink.taken(3_000);
      assertOrdered(sink.got);
      assert.equal(new Set(sink.payloads).size, 3_000);
    });

    it(`holds up only the key of what cannot be delivered, and goes on with it in order when it can, by ${how}`, async () => {
      const sink = sinkOf();
      let isBroken = true;
      sink.onMessage = ({ payload }) =>
        payload === 'bad' && isBroken ? Promise.reject(new Error('not now')) : Promise.resolve();
      await stage.add(outbox, ...keyed('k', 'k1', 'bad', 'k2', 'k3'), ...keyed('other', 'o1', 'o2'), {
        topic: 'a',
        payload: 'none',
      });
      const { relay } = start(sink);
      await sink.taken(4);
      await stage.add(outbox, ...keyed('k', 'k4'), ...keyed('other', 'o3'));
      await sink.taken(5);
      assert.deepEqual(
        sink.payloads.filter((each) => String(each).startsWith('k')),
        ['k1'],
      );
      isBroken = false;
      await sink.taken(9);
      assert.deepEqual(
        sink.payloads.filter((each) => !String(each).startsWith('o') && each !== 'none'),
        ['k1', 'bad', 'k2', 'k3', 'k4'],
      );
      await empty('outbox', 'outbox_parked', 'outbox_lanes');
      assert.ok(relay.stats.failed >= 1);
      assert.equal(await stage.count('outbox_delivered'), 9);
    });
  }

  it('tells a message which attempt it is, and gives a failing one pauses that grow', async () => {
    const sink = new Recorder();
    const attempts: number[] = [];
    sink.onMessage = ({ attempt }) => {
      attempts.push(attempt);
      return attempt < 4 ? Promise.reject(new Error('no')) : Promise.resolve();
    };
    await stage.add(outbox, { topic: 'a', payload: 1 });
    start(sink);
    await sink.taken(1);
    assert.deepEqual(attempts, [1, 2, 3, 4]);
  });

  it('makes a dead letter of what was tried for its window: its key waits for a person, others go on', async () => {
    const sink = new Recorder();
    sink.onMessage = ({ payload }) => (payload === 'bad' ? Promise.reject(new Error('never')) : Promise.resolve());
    await stage.add(outbox, ...keyed('k', 'bad', 'k2'), ...keyed('other', 'o1'));
    const { troubles } = start(sink, { windowMs: 40 });
    while ((await dead()).letters[0]?.behind !== 1) await sleep(5);
    const { letters, total } = await dead();
    assert.equal(total, 1);
    const [letter] = letters;
    assert.ok(letter);
    assert.deepEqual([letter.payload, letter.key, letter.error, letter.behind], ['bad', 'k', 'never', 1]);
    assert.deepEqual(
      troubles.map(({ kind, message }) => [kind, message?.payload]),
      [['dead-letter', 'bad']],
    );
    await stage.add(outbox, ...keyed('other', 'o2'));
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['o1', 'o2']);
  });

  it('makes a dead letter of poison at once', async () => {
    const sink = new Recorder();
    sink.onMessage = ({ payload }) =>
      payload === 'bad' ? Promise.reject(new Poison('nobody understands it')) : Promise.resolve();
    await stage.add(outbox, { topic: 'a', payload: 'bad' }, { topic: 'a', payload: 'good' });
    const { relay } = start(sink);
    await sink.taken(1);
    while (relay.stats.dead === 0) await sleep(5);
    assert.equal((await dead()).letters[0]?.error, 'nobody understands it');
  });

  it('tries for ever what says that it can be delivered later, and tells of it once when the window is over', async () => {
    const sink = new Recorder();
    let tries = 0;
    let isThere = false;
    sink.onMessage = () => {
      tries++;
      return isThere ? Promise.resolve() : Promise.reject(new NotYet('out of stock'));
    };
    await stage.add(outbox, ...keyed('k', 1));
    const { troubles, relay } = start(sink, { windowMs: 30 });
    while (tries < 8) await sleep(5);
    assert.deepEqual([relay.stats.dead, (await dead()).total], [0, 0]);
    assert.deepEqual(
      troubles.map(({ kind }) => kind),
      ['late'],
    );
    isThere = true;
    await sink.taken(1);
  });

  it('leaves alone a sink that takes nothing: no message is to blame, however long it takes', async () => {
    const sink = new Recorder();
    let isThere = false;
    let tries = 0;
    sink.onMessage = () => {
      tries++;
      return isThere ? Promise.resolve() : Promise.reject(new SinkUnavailable('no broker answers'));
    };
    await stage.add(outbox, ...Array.from({ length: 30 }, (_, n) => ({ topic: 'a', key: `k${n % 3}`, payload: n })));
    const { relay, troubles } = start(sink, { windowMs: 30 });
    while (tries < 60) await sleep(5);
    assert.deepEqual([relay.stats.failed, relay.stats.dead, await stage.count('outbox_parked')], [0, 0, 0]);
    assert.equal(relay.stats.unavailable?.error, 'no broker answers');
    assert.deepEqual(
      troubles.map(({ kind }) => kind),
      ['unavailable'],
    );
    isThere = true;
    await sink.taken(30);
    assertOrdered(sink.got);
    assert.equal(relay.stats.unavailable, undefined);
  });

  it('is held up for one pause by a sink that takes nothing for a moment, however many were on their way', async () => {
    const sink = new Recorder();
    let isThere = false;
    sink.onMessage = () => (isThere ? Promise.resolve() : Promise.reject(new SinkUnavailable('away')));
    await stage.db.transaction((sql) =>
      outbox.addAll(
        sql,
        Array.from({ length: 50 }, (_, n) => ({ topic: 'a', payload: n })),
      ),
    );
    const { relay } = start(sink, { backoffMs: 20, mostBackoffMs: 3_600_000 });
    while (relay.stats.unavailable === undefined) await sleep(1);
    isThere = true;
    await sink.taken(50);
  });

  it('is not starved by keys whose deliveries hang: others have their places', async () => {
    const sink = new Recorder();
    sink.onMessage = ({ key }) =>
      key?.startsWith('hangs') === true ? new Promise(() => undefined) : Promise.resolve();
    await stage.add(outbox, ...Array.from({ length: 12 }, (_, n) => ({ topic: 'a', key: `hangs-${n}`, payload: n })));
    const { relay } = start(sink, { single: 4, deliverMs: 50 });
    while (relay.stats.failed < 12) await sleep(5);
    for (let n = 0; n < 20; n++) {
      await stage.add(outbox, { topic: 'a', key: 'well', payload: n });
      await sink.taken(n + 1);
    }
  });

  it('gives up a delivery that takes too long, and tries it again', async () => {
    const sink = new Recorder();
    let tries = 0;
    sink.onMessage = () => (++tries === 1 ? new Promise(() => undefined) : Promise.resolve());
    await stage.add(outbox, ...keyed('k', 1, 2));
    start(sink, { deliverMs: 30 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, [1, 2]);
  });

  it('is not held up by a slow key: it looks behind what waits for that', async () => {
    const sink = new Recorder();
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    sink.onMessage = ({ key }) => (key === 'slow' ? slow : Promise.resolve());
    await stage.db.transaction((sql) => outbox.addAll(sql, keyed('slow', ...Array.from({ length: 200 }, (_, n) => n))));
    await stage.add(outbox, ...keyed('quick', 'q1', 'q2'));
    start(sink, { batch: 10, deliverMs: 3_600_000 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['q1', 'q2']);
    release();
    await sink.taken(202);
    assertOrdered(sink.got);
    assert.equal(new Set(sink.payloads).size, 202);
    await empty('outbox', 'outbox_parked', 'outbox_lanes');
  });

  it('delivers what is due later when it is due, though it was stopped meanwhile, outside the order of its key', async () => {
    const sink = new Recorder();
    await stage.add(
      outbox,
      { topic: 'a', key: 'k', payload: 'later', deliverAfter: Date.now() + 150 },
      ...keyed('k', 'now'),
    );
    const first = start(sink);
    await sink.taken(1);
    await first.stop();
    start(sink, { pollMs: 20 });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, ['now', 'later']);
  });

  it('ends when another takes its place', async () => {
    const [one, two] = [new Recorder(), new Recorder()];
    const first = start(one, { pollMs: 10 });
    await stage.add(outbox, { topic: 'a', payload: 1 });
    await one.taken(1);
    await empty('outbox');
    start(two, { pollMs: 10 });
    assert.equal((await first.ended).end, 'replaced');
    await stage.add(outbox, { topic: 'a', payload: 2 });
    await two.taken(1);
    assert.deepEqual([one.payloads, two.payloads], [[1], [2]]);
  });

  it('delivers again, first, what was delivered by one that died before it had noted that', async () => {
    const sink = new Recorder();
    const { run } = stage.db;
    const transaction: Database['transaction'] = (work, ms) => stage.db.transaction(work, ms);
    // Its process ends between the delivery and the removal.
    const dying: Database = {
      run: (text, values, ms) =>
        text.includes('delete from backstitch.outbox where') ? new Promise(() => undefined) : run(text, values, ms),
      transaction,
    };
    await stage.add(outbox, ...keyed('k', 1, 2));
    start(sink, {}, dying);
    running = []; // It never ends.
    await sink.taken(2);
    await stage.add(outbox, ...keyed('k', 3));
    const next = new Recorder();
    start(next);
    await next.taken(3);
    assert.deepEqual(next.payloads, [1, 2, 3]);
    const ids = (got: Message[]) => got.map(({ id }) => id);
    assert.deepEqual(ids(next.got).slice(0, 2), ids(sink.got).slice(0, 2));
  });

  it('goes on when its database was gone for a while', async () => {
    const sink = new Recorder();
    const { run } = stage.db;
    const transaction: Database['transaction'] = (work, ms) => stage.db.transaction(work, ms);
    let isGone = false;
    const flaky: Database = {
      run: (...args) => (isGone ? Promise.reject(new Error('connection refused')) : run(...args)),
      transaction: (...args) => (isGone ? Promise.reject(new Error('connection refused')) : transaction(...args)),
    };
    sink.onMessage = ({ payload }) => {
      if (payload === 1) isGone = true;
      return Promise.resolve();
    };
    await stage.add(outbox, ...keyed('k', 0, 1, 2));
    start(sink, { pollMs: 10 }, flaky);
    await sink.until(() => isGone);
    await sleep(50);
    sink.onMessage = () => Promise.resolve();
    isGone = false;
    await sink.until(() => sink.payloads.includes(2));
    await empty('outbox', 'outbox_parked', 'outbox_lanes');
  });

  it('tells each message what was delivered before it, if the sink is a queue', async () => {
    const sink = new QueueRecorder();
    await stage.add(outbox, ...keyed('k', 1, 2), { topic: 'a', payload: 'none' });
    const first = start(sink);
    await sink.taken(3);
    await empty('outbox');
    await first.stop();
    await stage.add(outbox, ...keyed('k', 3));
    start(sink);
    await sink.taken(4);
    const [one, two, three] = sink.got.filter(({ key }) => key === 'k');
    assert.deepEqual([one?.after, two?.after, three?.after], [undefined, one?.seq, two?.seq]);
    assert.equal(sink.got.find(({ payload }) => payload === 'none')?.after, undefined);
  });

  describe('a person', () => {
    const poisoned = async (sink: Recorder, ...behind: unknown[]) => {
      let isBad = true;
      sink.onMessage = ({ payload }) =>
        payload === 'bad' && isBad ? Promise.reject(new Poison('bad')) : Promise.resolve();
      await stage.add(outbox, ...keyed('k', 'bad', ...behind));
      const run = start(sink);
      while ((await dead()).letters[0]?.behind !== behind.length) await sleep(5);
      const [letter] = (await dead()).letters;
      assert.ok(letter);
      return { ...run, letter, mend: () => (isBad = false) };
    };
    const order = { actor: 'ann', reason: 'looked at it' };

    it('sends a dead letter again: it goes first, then what waits behind it', async () => {
      const sink = new Recorder();
      const { letter, mend } = await poisoned(sink, 1, 2);
      mend();
      assert.equal(await decideLetter(stage.db, { ...order, ...letter, action: 'resend' }), true);
      await sink.taken(3);
      assert.deepEqual(sink.payloads, ['bad', 1, 2]);
      assert.equal(await decideLetter(stage.db, { ...order, ...letter, action: 'resend' }), false);
    });

    it('sends one again that is still bad: it is a dead letter again, and nothing has passed it', async () => {
      const sink = new Recorder();
      const { letter, relay } = await poisoned(sink, 1);
      await decideLetter(stage.db, { ...order, ...letter, action: 'resend' });
      while (relay.stats.dead < 2) await sleep(5);
      assert.deepEqual([sink.payloads, (await dead()).total], [[], 1]);
    });

    it('discards one: what waits behind it goes on, and the message is kept with who it was and why', async () => {
      const sink = new Recorder();
      const { letter } = await poisoned(sink, 1, 2);
      await decideLetter(stage.db, { ...order, ...letter, action: 'discard' });
      await sink.taken(2);
      assert.deepEqual([sink.payloads, (await dead()).total], [[1, 2], 0]);
      const { rows } = await stage.pool.query(
        'select action, actor, reason, error, message from backstitch.outbox_decisions',
      );
      assert.equal(rows.length, 1);
      const [{ message, ...kept }] = rows as [{ message: { payload: unknown } }];
      assert.deepEqual(kept, { action: 'discarded', actor: 'ann', reason: 'looked at it', error: 'bad' });
      assert.equal(message.payload, 'bad');
    });

    it('skips one: what waits behind it goes on, it stays a dead letter and can be sent later', async () => {
      const sink = new Recorder();
      const { letter, mend } = await poisoned(sink, 1);
      await decideLetter(stage.db, { ...order, ...letter, action: 'skip' });
      await sink.taken(1);
      assert.deepEqual(
        [sink.payloads, (await dead()).letters.map(({ payload, behind }) => [payload, behind])],
        [[1], [['bad', 0]]],
      );
      mend();
      await decideLetter(stage.db, { ...order, ...letter, action: 'resend' });
      await sink.taken(2);
      assert.deepEqual(sink.payloads, [1, 'bad']);
      await empty('outbox_lanes', 'outbox_parked');
    });

    it('discards the only message of a key while the next one comes: that is delivered', async () => {
      const sink = new Recorder();
      for (let n = 0; n < 20; n++) {
        const { letter, stop } = await poisoned(sink);
        await Promise.all([
          decideLetter(stage.db, { ...order, ...letter, action: 'discard' }),
          stage.add(outbox, ...keyed('k', n)),
        ]);
        await sink.taken(n + 1);
        await stop();
      }
    });
  });

  async function dead() {
    return listDead(stage.db);
  }
});

/** Takes many at once; after one that fails the later ones of its key are held up. */
class BatchRecorder extends Recorder {
  async deliverAll(messages: readonly Message[], signal: AbortSignal): Promise<(Error | undefined)[]> {
    const failed = new Set<string>();
    const became: (Error | undefined)[] = [];
    for (const message of messages) {
      try {
        if (message.key !== undefined && failed.has(message.key)) throw new HeldUp();
        await this.deliver(message, signal);
        became.push(undefined);
      } catch (error) {
        if (message.key !== undefined) failed.add(message.key);
        became.push(error as Error);
      }
    }
    return became;
  }
}

class QueueRecorder extends Recorder {
  readonly isQueue = true;
}

/** Of each key the numbers rise, but for what comes again. */
function assertOrdered(got: readonly Message[]): void {
  const last = new Map<string, number>();
  for (const { key = '', seq } of got) {
    assert.ok(seq > (last.get(key) ?? 0), `key ${key}: ${seq} after ${last.get(key)}`);
    last.set(key, seq);
  }
}
