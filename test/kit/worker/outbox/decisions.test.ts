import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import { NotYet, Poison } from '../../../../src/kit/database/index.js';
import { decideLetter, listLetters } from '../../../../src/kit/database/outbox/letters.js';
import type { Database } from '../../../../src/kit/database/sql.js';
import type { RelayedOutbox } from '../../../../src/kit/worker/outbox/activities.js';
import { messagesActivities } from '../../../../src/kit/worker/outbox/desk.js';
import type { LettersPart, LettersPartOrder } from '../../../../src/kit/workflow/outbox.js';
import { until } from '../../../support/until.js';
import { outboxOf, Recorder } from '../../database/outbox/stage.js';
import { keyed, RelayStage } from './support.js';

describe('a person, of what could not be delivered,', () => {
  const stage = new RelayStage();
  const poisoned = async (sink: Recorder, ...behind: unknown[]) => {
    let isBad = true;
    sink.onMessage = ({ payload }) =>
      payload === 'bad' && isBad ? Promise.reject(new Poison('bad')) : Promise.resolve();
    await stage.send(...keyed('k', 'bad', ...behind));
    const run = stage.start(sink);
    await until(async () => (await stage.dead()).letters[0]?.behind === behind.length);
    const [letter] = (await stage.dead()).letters;
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
    await until(() => relay.stats.dead >= 2);
    assert.deepEqual([sink.payloads, (await stage.dead()).total], [[], 1]);
  });

  it('discards one: what waits behind it goes on, and the message is kept with who it was and why', async () => {
    const sink = new Recorder();
    const { letter } = await poisoned(sink, 1, 2);
    await decideLetter(stage.db, { ...order, ...letter, action: 'discard' });
    await sink.taken(2);
    assert.deepEqual([sink.payloads, (await stage.dead()).total], [[1, 2], 0]);
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
      [sink.payloads, (await stage.dead()).letters.map(({ payload, behind }) => [payload, behind])],
      [[1], [['bad', 0]]],
    );
    mend();
    await decideLetter(stage.db, { ...order, ...letter, action: 'resend' });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, [1, 'bad']);
    await stage.empty('outbox_lanes', 'outbox_parked');
  });

  it('discards the only message of a key while the next one comes: that is delivered', async () => {
    const sink = new Recorder();
    for (let n = 0; n < 20; n++) {
      const { letter, stop } = await poisoned(sink);
      await Promise.all([
        decideLetter(stage.db, { ...order, ...letter, action: 'discard' }),
        stage.send(...keyed('k', n)),
      ]);
      await sink.taken(n + 1);
      await stop();
    }
  });

  it('counts no more of them than it shows, if it shows all: another one may come in between', async () => {
    await stage.fillDead('shop/all/0', 1);
    const more: Pick<Database, 'run'> = {
      async run(...asked) {
        const rows = await stage.db.run(...asked);
        await stage.fillDead('shop/all/0', 1);
        return rows as never;
      },
    };
    const { letters, total } = await listLetters(more as Database);
    assert.deepEqual([letters.length, total], [1, 1]);
  });

  describe('that is tried on', () => {
    /** A message that fails, with one behind it, and when its next attempt is far away. */
    const failing = async (sink: Recorder) => {
      let isThere = false;
      sink.onMessage = ({ payload }) =>
        payload === 'bad' && !isThere ? Promise.reject(new NotYet('out of stock')) : Promise.resolve();
      await stage.send(...keyed('k', 'bad', 1));
      stage.start(sink, { backoffMs: 3_600_000, mostBackoffMs: 3_600_000 });
      const all = () => listLetters(stage.db, { all: true });
      await until(async () => (await all()).letters[0]?.behind === 1);
      const [letter] = (await all()).letters;
      assert.ok(letter);
      return { letter, all, mend: () => (isThere = true) };
    };

    it('sees it, and decides nothing about it where dead letters are meant', async () => {
      const { letter } = await failing(new Recorder());
      const { deadAt, dueAt = 0, failedAt, error, attempts, payload } = letter;
      assert.deepEqual([deadAt, error, attempts, payload], [undefined, 'out of stock', 1, 'bad']);
      assert.ok(dueAt > failedAt);
      assert.equal((await stage.dead()).total, 0);
      assert.equal(await decideLetter(stage.db, { ...order, ...letter, action: 'discard' }), false);
    });

    it('discards it: what waits behind it goes on', async () => {
      const sink = new Recorder();
      const { letter } = await failing(sink);
      assert.equal(await decideLetter(stage.db, { ...order, ...letter, action: 'discard', all: true }), true);
      await sink.taken(1);
      assert.deepEqual(sink.payloads, [1]);
      await stage.empty('outbox_lanes', 'outbox_parked');
    });

    it('skips it: what waits behind it goes on, and it is tried on; has it tried at once', async () => {
      const sink = new Recorder();
      const { letter, all, mend } = await failing(sink);
      await decideLetter(stage.db, { ...order, ...letter, action: 'skip', all: true });
      await sink.taken(1);
      const { letters } = await all();
      assert.deepEqual(
        letters.map(({ payload, behind, dueAt, deadAt }) => [payload, behind, dueAt, deadAt]),
        [['bad', 0, letter.dueAt, undefined]],
      );
      mend();
      await decideLetter(stage.db, { ...order, ...letter, action: 'resend', all: true });
      await sink.taken(2);
      assert.deepEqual(sink.payloads, [1, 'bad']);
      await stage.empty('outbox_lanes', 'outbox_parked');
    });
  });

  describe('by one order about many', () => {
    const both = outboxOf({ subscribers: { all: '*', mail: ['m'] } });
    const nothing = { deliver: () => Promise.resolve() };
    const desk = (...others: RelayedOutbox[]) =>
      messagesActivities([{ outbox: both, database: stage.db, sinks: { all: nothing, mail: nothing } }, ...others]);
    /** What the order's workflow does. */
    const decideAll = async (given: { action: 'resend' | 'discard'; to?: string }, ...others: RelayedOutbox[]) => {
      const parts: LettersPart[] = [];
      let next: LettersPart['next'];
      do {
        const part = await desk(...others)['backstitch.decideLetters']({ ...order, ...given, after: next });
        parts.push(part);
        next = part.next;
      } while (next !== undefined && parts.length < 20);
      return { parts, count: parts.reduce((sum, { count }) => sum + count, 0) };
    };

    it('decides part by part, each once, though what is sent again dies again meanwhile, and an answer is lost', async () => {
      const sink = new Recorder();
      let tries = 0;
      sink.onMessage = () => {
        tries++;
        return Promise.reject(new Poison('bad'));
      };
      await stage.fillDead('shop/all/0', 600);
      stage.start(sink);
      const decide = async (after?: LettersPart['next']) =>
        desk()['backstitch.decideLetters']({ ...order, action: 'resend', after });
      const { next, count } = await decide();
      assert.equal(count, 0);
      assert.equal((await decide(next)).count, 500);
      await until(async () => tries === 500 && (await stage.dead()).total === 600);
      // Asked again as it was before: another attempt, as the answer was lost, tells what the one before has done, too.
      const again = new MockActivityEnvironment({ attempt: 2 });
      const activity = desk()['backstitch.decideLetters'];
      const retried = await again.run<[LettersPartOrder], LettersPart, typeof activity>(activity, {
        ...{ ...order, action: 'resend', after: next },
      });
      assert.deepEqual([retried.count, retried.decided.length, retried.next], [600, 100, undefined]);
      await until(async () => tries === 600 && (await stage.dead()).total === 600);
    });

    it('asks no outbox again that is done, or silent', async () => {
      let asked = 0;
      const run = () => {
        asked++;
        return Promise.reject(new Error('away'));
      };
      const silent = {
        outbox: outboxOf({ name: 'other' }),
        database: { run, transaction: run },
        sinks: { all: nothing },
      };
      await stage.fillDead('shop/all/0', 3);
      const { parts, count } = await decideAll({ action: 'discard' }, silent);
      assert.deepEqual([count, parts.length, asked], [3, 2, 1]);
      assert.deepEqual(
        parts.flatMap(({ unread }) => unread),
        [{ outbox: 'other', message: 'away' }],
      );
    });

    it('decides about those to one subscriber', async () => {
      await stage.fillDead('shop/all/0', 3);
      await stage.fillDead('shop/mail/0', 2);
      assert.equal((await decideAll({ action: 'discard', to: 'mail' })).count, 2);
      const { letters } = await stage.dead();
      assert.deepEqual([...new Set(letters.map(({ stream }) => stream))], ['shop/all/0']);
      const { parts } = await decideAll({ action: 'discard', to: 'nobody' });
      const says = "there is no subscriber 'nobody': see messages list";
      assert.deepEqual(parts, [{ decided: [], count: 0, unread: [{ outbox: '', message: says }] }]);
    });
  });
});
