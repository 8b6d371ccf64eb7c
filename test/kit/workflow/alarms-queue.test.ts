import assert from 'node:assert/strict';
import type { Alarm } from '../../../src/kit/workflow/alarms.js';
import { alarm, Delivery, HOUR, MINUTE, sum, told, type Answer } from './support/delivery.js';

describe('the queue of alarms', () => {
  it('tries the first alarms at once, four at a time', () => {
    const delivery = new Delivery();
    for (let n = 1; n <= 6; n++) delivery.raise(`a${n}`);
    assert.equal(delivery.under.length, 4);
    delivery.answer('ok');
    assert.equal(delivery.under.length, 4);
    delivery.run(delivery.now, () => 'ok');
    assert.equal(delivery.ids().length, 6);
  });

  it('delivers an alarm once that is raised twice: before, during and after its delivery', () => {
    const delivery = new Delivery();
    delivery.raise('a');
    delivery.raise('a');
    delivery.answer('fail');
    delivery.raise('a');
    delivery.run(delivery.now + HOUR, () => 'ok');
    delivery.raise('a');
    delivery.carryOver();
    delivery.raise('a');
    delivery.run(delivery.now + HOUR, () => 'ok');
    assert.deepEqual(delivery.ids(), ['a']);
    assert.equal(delivery.queue.view().counts.repeated, 4);
  });

  it('remembers the newest 3,000 ids; what is raised again and again stays known', () => {
    const delivery = new Delivery({ rate: { most: 10_000, windowMs: MINUTE } });
    delivery.raise('kept');
    delivery.raise('forgotten');
    for (let n = 0; n < 3_500; n++) {
      delivery.raise(`a${n}`);
      if (n % 1_000 === 0) delivery.raise('kept');
      delivery.run(delivery.now, () => 'ok');
    }
    delivery.raise('kept');
    delivery.raise('forgotten');
    delivery.run(delivery.now, () => 'ok');
    assert.equal(delivery.ids().filter((id) => id === 'kept').length, 1);
    assert.equal(delivery.ids().filter((id) => id === 'forgotten').length, 2);
  });

  it('knows what still waits, however many others came since', () => {
    const delivery = new Delivery({ rate: { most: 10_000, windowMs: MINUTE } });
    delivery.raise('waits');
    delivery.answer('fail');
    for (let n = 0; n < 3_500; n++) {
      delivery.raise(`a${n}`);
      delivery.run(delivery.now, ({ id }) => (id === 'waits' ? 'fail' : 'ok'));
    }
    delivery.carryOver();
    delivery.raise('waits');
    delivery.run(delivery.now + HOUR, () => 'ok');
    assert.equal(delivery.ids().filter((id) => id === 'waits').length, 1);
  });

  it('an alarm that fails for ever holds up no other, and is given up and told after its time', () => {
    const delivery = new Delivery();
    const digests = ({ id }: Alarm): Answer => (id.startsWith('poison') ? 'fail' : 'ok');
    for (let n = 1; n <= 20; n++) delivery.raise(`poison${n}`, `k${n}`);
    delivery.run(delivery.now + HOUR, digests);
    const raised = delivery.now;
    for (let n = 1; n <= 25; n++) delivery.raise(`good${n}`);
    delivery.run(raised, digests);
    assert.equal(delivery.ids().length, 25);
    assert.ok(
      delivery.delivered.every(({ at }) => at === raised),
      'none of them waited',
    );

    // Each is tried once more when its time is over, one every five minutes.
    delivery.run(raised + 26 * HOUR, digests);
    assert.equal(delivery.givenUp.length, 20);
    assert.equal(delivery.queue.waiting, 0);
    delivery.raise('another');
    delivery.run(delivery.now, digests);
    assert.deepEqual(
      delivery
        .summaries('given-up')
        .map(({ of }) => of)
        .sort().length,
      20,
    );
  });

  it('gives up none untried, however long there was no worker: each gets at least one more attempt', () => {
    const delivery = new Delivery();
    for (const id of ['failed-1', 'failed-2']) {
      delivery.raise(id);
      delivery.answer('fail');
    }
    for (let n = 1; n <= 6; n++) delivery.raise(`untried-${n}`);
    // Four of them are scheduled, and no worker takes them for days.
    delivery.now += 72 * HOUR;
    delivery.pump();
    delivery.answer('ok');
    delivery.run(delivery.now + HOUR, () => 'ok');
    assert.equal(new Set(delivery.ids()).size, 8);
    assert.deepEqual(delivery.givenUp, []);
  });

  it('tries for all its time what fails for the first time, though it had waited for a worker for longer', () => {
    const delivery = new Delivery();
    delivery.raise('a');
    delivery.now += 72 * HOUR;
    delivery.pump();
    delivery.run(delivery.now + 23 * HOUR, () => 'fail');
    assert.equal(delivery.queue.waiting, 1);
    delivery.run(delivery.now + 2 * HOUR, () => 'fail');
    assert.deepEqual(
      delivery.givenUp.map(({ id }) => id),
      ['a'],
    );
  });

  it('gives up what fails once more when its time is over, and goes on with the others', () => {
    const delivery = new Delivery();
    for (const id of ['poison', 'good']) {
      delivery.raise(id);
      delivery.answer('fail');
    }
    delivery.now += 72 * HOUR;
    delivery.pump();
    delivery.run(delivery.now + HOUR, ({ id }) => (id === 'poison' ? 'fail' : 'ok'));
    assert.deepEqual(
      delivery.givenUp.map(({ id }) => id),
      ['poison'],
    );
    assert.deepEqual(delivery.ids(), ['good']);
    assert.deepEqual(
      delivery.summaries('given-up').map(({ gids }) => gids),
      [['gid-poison']],
    );
  });

  it('asks a receiver that is down every five minutes at most, and delivers all once it answers', () => {
    const delivery = new Delivery({ rate: { most: 1_000, windowMs: MINUTE } });
    for (let n = 0; n < 500; n++) delivery.raise(`a${n}`);
    delivery.run(delivery.now + 20 * HOUR, () => 'fail');
    assert.ok(delivery.attempts < 500 + 20 * 12 + 12, `${delivery.attempts} attempts`);
    assert.equal(delivery.queue.view().failing, 500);
    delivery.run(delivery.now + 5 * MINUTE, () => 'ok');
    assert.deepEqual(new Set(delivery.ids()).size, 500);
    assert.equal(delivery.queue.wakeAt(), undefined);
  });

  it('makes no attempt before the time that the receiver asks for, of at most five minutes', () => {
    for (const [asked, waited] of [
      [90_000, 90_000],
      [24 * HOUR, 5 * MINUTE],
    ] as const) {
      const delivery = new Delivery();
      const start = delivery.now;
      delivery.raise('a');
      delivery.answer('fail', asked);
      delivery.raise('b');
      assert.equal(delivery.under.length, 0);
      delivery.run(start + waited - 1, () => assert.fail('too early'));
      delivery.run(start + waited, () => 'ok');
      assert.deepEqual(delivery.ids().sort(), ['a', 'b']);
    }
  });

  it('forgets failures and wishes to wait with any success, such as one of another alarm', () => {
    const delivery = new Delivery();
    delivery.raise('a');
    delivery.run(delivery.now + HOUR, () => 'fail');
    delivery.raise('b');
    delivery.raise('c');
    delivery.answer('fail', 5 * MINUTE);
    delivery.answer('ok');
    assert.deepEqual(
      delivery.under.map(({ alarm }) => alarm.id),
      ['a'],
      'tried again at once',
    );
    delivery.answer('fail');
    assert.equal(delivery.queue.wakeAt(), delivery.now + 1_000, 'and its pauses begin anew');
  });

  it('opens a new window with the first alarm after the end of the last, whoever notices the end', () => {
    const delivery = new Delivery({ rate: { most: 1, windowMs: MINUTE } });
    delivery.raise('a');
    delivery.raise('b');
    delivery.now += MINUTE;
    delivery.raise('c');
    delivery.run(delivery.now, () => 'ok');
    assert.deepEqual(delivery.ids(), ['a', 'c']);
    assert.deepEqual(
      delivery.summaries().map(({ count, gids }) => [count, gids]),
      [[1, ['gid-b']]],
    );
  });

  it('has one summary of a reason and a kind on its way at a time: while the receiver is down they do not pile up', () => {
    const delivery = new Delivery({ rate: { most: 1, windowMs: MINUTE } });
    for (let n = 0; n < 300; n++) {
      delivery.raise(`a${n}`);
      delivery.run(delivery.now + MINUTE / 10, () => 'fail');
    }
    const { waiting, counts } = delivery.queue.view();
    assert.equal(waiting, 300 - counts.overTheRate + 1);
    delivery.run(delivery.now + HOUR, () => 'ok');
    assert.equal(sum(delivery.summaries('over-the-rate')), counts.overTheRate);
    assert.equal(delivery.summaries().length, 2);
  });

  it('tells what is over the rate in one summary for each kind and window, with the first ten gids', () => {
    const delivery = new Delivery({ rates: { orphan: { most: 2, windowMs: HOUR } } });
    const start = delivery.now;
    for (let n = 0; n < 50; n++) delivery.raise(`s${n}`);
    for (let n = 0; n < 5; n++) delivery.raise(`o${n}`, 'orphan');
    delivery.run(start + MINUTE - 1, () => 'ok');
    assert.equal(delivery.ids().length, 32);
    assert.deepEqual(delivery.summaries(), []);
    delivery.run(start + 2 * MINUTE, () => 'ok');
    assert.deepEqual(delivery.summaries(), [
      {
        ...{ reason: 'over-the-rate', of: 'stuck', count: 20, from: start, until: start },
        gids: Array.from({ length: 10 }, (_, n) => `gid-s${30 + n}`),
      },
    ]);
    delivery.run(start + HOUR, () => 'ok');
    assert.deepEqual(
      delivery.summaries().map(({ of, count }) => [of, count]),
      [
        ['stuck', 20],
        ['orphan', 3],
      ],
    );
    assert.equal(delivery.queue.wakeAt(), undefined, 'idle, it wants no timer');
  });

  it('counts kinds together when there are too many to count each', () => {
    const delivery = new Delivery();
    for (let n = 0; n < 200; n++) delivery.raise(`a${n}`, `kind-${n}`);
    delivery.run(delivery.now + MINUTE, () => 'ok');
    assert.equal(delivery.ids().length, 50 + 30);
    assert.deepEqual(
      delivery.summaries().map(({ of, count }) => [of, count]),
      [['other', 120]],
    );
  });

  it('counts what comes while too many wait, and tells it once there is room', () => {
    const delivery = new Delivery({ queue: 10 });
    for (let n = 0; n < 16; n++) delivery.raise(`a${n}`);
    assert.equal(delivery.queue.view().counts.queueFull, 6);
    assert.deepEqual(
      delivery.queue.view().untold.map(({ count }) => count),
      [6],
    );
    delivery.run(delivery.now, () => 'ok');
    assert.equal(delivery.ids().length, 10);
    assert.deepEqual(
      delivery.summaries('queue-full').map(({ count, gids }) => [count, gids.length]),
      [[6, 6]],
    );
  });

  it('takes no more than fits in the input of the next run, however long the alarms are', () => {
    const delivery = new Delivery({ rate: { most: 10_000, windowMs: MINUTE } });
    for (let n = 0; n < 1_000; n++) {
      delivery.queue.accept({ ...alarm(`a${n}`), message: 'ü'.repeat(1_000) }, delivery.rules, delivery.now);
    }
    assert.ok(delivery.queue.view().counts.queueFull > 0);
    assert.ok(Buffer.byteLength(JSON.stringify(delivery.queue.state())) < 1_500_000);
  });

  it('tells of what was refused when the receiver takes another, never of a refused summary', () => {
    const delivery = new Delivery();
    delivery.raise('a');
    delivery.answer('refuse');
    delivery.raise('b');
    delivery.run(delivery.now, ({ kind }) => (kind === 'summary' ? 'refuse' : 'ok'));
    assert.deepEqual(
      told(delivery.refused).map(({ reason, gids }) => [reason, gids]),
      [['refused', ['gid-a']]],
    );
    delivery.raise('c');
    delivery.run(delivery.now + HOUR, () => 'ok');
    assert.deepEqual(delivery.summaries(), []);
  });
});
