import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Logger } from '@temporalio/worker';
import { dropLeft } from '../../../../src/kit/database/outbox/left.js';
import { relayActivities } from '../../../../src/kit/worker/index.js';
import { RELAY_ACTIVITY } from '../../../../src/kit/workflow/outbox.js';
import { until } from '../../../support/until.js';
import { outboxOf, OutboxStage, Recorder } from '../../database/outbox/stage.js';

describe('streams that nobody delivers any more', () => {
  const stage = new OutboxStage();
  const before = outboxOf({ subscribers: { post: '*', points: ['a'] }, partitions: 2 });
  /** Another name for `post`, and one partition. */
  const now = outboxOf({ subscribers: { mail: '*', points: ['a'] } });
  /** Of a name that begins alike. */
  const other = outboxOf({ name: 'shop-2' });
  const deliver = () => Promise.resolve();
  const given = () => ({
    outboxes: [{ outbox: now, database: stage.db, sinks: { mail: new Recorder(), points: { deliver } } }],
    who: 'test',
  });
  const desk = () => relayActivities(given()).activities;
  const order = { actor: 'ann', reason: 'nobody gets that any more' } as const;
  const show = async () => (await desk()['backstitch.showMessages']({})).streams;

  const addMany = async () => {
    const keys = Array.from({ length: 8 }, (_, n) => ({ topic: 'a', key: `k${n}`, payload: n }));
    await stage.db.transaction((sql) => before.addAll(sql, keys));
    await stage.add(before, { topic: 'b', payload: 'later', deliverAfter: Date.now() + 3_600_000 });
    await stage.add(other, { topic: 'a', payload: 'not theirs' });
  };

  it('are shown with what waits in them, and warned of once by a worker that delivers the others', async () => {
    await addMany();
    const shown = await show();
    assert.deepEqual(
      shown.map(({ stream, isLeft = false }) => [stream, isLeft]),
      [
        ...[['shop/mail/0', false] as const, ['shop/points/0', false] as const],
        ...['shop/points/1', 'shop/post/0', 'shop/post/1'].map((stream) => [stream, true] as const),
      ],
    );
    const post = shown.filter(({ stream }) => stream.startsWith('shop/post/'));
    assert.equal(
      post.reduce((sum, { waiting }) => sum + waiting, 0),
      8,
    );
    assert.equal(
      post.reduce((sum, { aside }) => sum + aside, 0),
      1,
    );

    const warnings: string[] = [];
    const logger = Object.fromEntries(
      ['log', 'trace', 'debug', 'info', 'warn', 'error'].map((level) => [
        level,
        (message: string) => {
          if (level === 'warn') warnings.push(message);
        },
      ]),
    );
    const relays = relayActivities(given());
    const rounds = ['shop/mail/0', 'shop/points/0'].map((stream) =>
      new MockActivityEnvironment({}, { logger: logger as unknown as Logger }).run(relays.activities[RELAY_ACTIVITY], {
        outbox: 'shop',
        stream,
      }),
    );
    await until(async () => (await show()).every(({ isLeft, waiting }) => isLeft === true || waiting === 0));
    await until(() => warnings.length > 0);
    relays.stop();
    await Promise.all(rounds);
    assert.deepEqual(warnings, [
      "messages of 'shop' wait in streams that nobody delivers any more (shop/points/1, shop/post/0, shop/post/1): see messages list",
    ]);
  });

  it('are dropped by so many bytes at a time, of their order and aside', async () => {
    const stream = 'shop/old/0';
    const old = outboxOf({ subscribers: { old: '*' } });
    const payload = 'x'.repeat(98);
    await stage.db.transaction((sql) =>
      old.addAll(
        sql,
        Array.from({ length: 6 }, () => ({ topic: 'a', key: 'k', payload })),
      ),
    );
    const store = stage.store(old, stream);
    await store.park((await store.poll(6)).slice(3).map(({ seq }) => seq));
    const drop = async (bytes: number) => (await dropLeft(stage.db, { ...order, stream }, { count: 10, bytes })).length;
    // A message in any case.
    assert.deepEqual([await drop(150), await drop(150), await drop(1)], [2, 1, 1]);
    assert.deepEqual([await drop(101), await drop(101), await stage.count('outbox_lanes')], [2, 0, 0]);
  });

  it('are dropped by a person, kept with who it was; others are not', async () => {
    await addMany();
    await stage.fillDead('shop/post/1', 600);
    const decide = desk()['backstitch.decideLetters'];
    let count = 0;
    for (const left of ['shop/post/0', 'shop/post/1']) {
      let part = await decide({ ...order, action: 'discard', left });
      for (let parts = 1; ; parts++) {
        count += part.count;
        assert.deepEqual(part.unread, []);
        if (part.next === undefined) break;
        assert.ok(parts < 10);
        part = await decide({ ...order, action: 'discard', left, after: part.next });
      }
    }
    assert.equal(count, 8 + 1 + 600);
    assert.deepEqual(
      (await show()).filter(({ isLeft }) => isLeft).map(({ stream }) => stream),
      ['shop/points/1'],
    );
    assert.deepEqual([await stage.count('outbox_lanes'), await stage.count('outbox_parked')], [0, 0]);
    const { rows } = await stage.pool.query<{ n: number; one: unknown }>(
      `select count(*)::integer as n, count(message)::integer as kept, min(actor) as actor, count(error)::integer as failed
       from backstitch.outbox_decisions where action = 'discarded'`,
    );
    assert.deepEqual(rows, [{ n: 609, kept: 609, actor: 'ann', failed: 600 }]);
    for (const left of ['shop/points/0', 'shop-2/all/0', 'nowhere/x/0']) {
      const refused = await decide({ ...order, action: 'discard', left });
      assert.deepEqual([refused.count, refused.unread.length], [0, 1], left);
    }
    const sent = await decide({ ...order, action: 'resend', left: 'shop/points/1' });
    assert.match(sent.unread[0]?.message ?? '', /can only be discarded/);
  });
});
