import assert from 'node:assert/strict';
import { AlarmPost } from '../../../src/kit/worker/alarm-post.js';
import type { Alarm } from '../../../src/kit/workflow/index.js';

const alarm = (id: string, message = 'a test'): Alarm => ({ id, kind: 'stuck', at: 0, message });

describe('the post of alarms', () => {
  /** A server that answers when it is told. */
  const slow = () => {
    const signals: { ids: string[]; answer: (error?: Error) => void }[] = [];
    const signal = (alarms: readonly Alarm[]) =>
      new Promise<void>((resolve, reject) => {
        const answer = (error?: Error) => {
          if (error === undefined) resolve();
          else reject(error);
        };
        signals.push({ ids: alarms.map(({ id }) => id), answer });
      });
    return { signals, signal };
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('hands over what is raised together in one signal, and what comes meanwhile with the next', async () => {
    const { signals, signal } = slow();
    const post = new AlarmPost();
    const sent = ['a', 'b'].map((id) => post.send(alarm(id), signal));
    await turn();
    sent.push(...['c', 'd', 'e'].map((id) => post.send(alarm(id), signal)));
    await turn();
    assert.deepEqual(
      signals.map(({ ids }) => ids),
      [['a', 'b']],
    );
    signals[0]?.answer();
    await turn();
    assert.deepEqual(
      signals.map(({ ids }) => ids),
      [
        ['a', 'b'],
        ['c', 'd', 'e'],
      ],
    );
    signals[1]?.answer();
    await Promise.all(sent);
  });

  it('puts no more into a signal than the server takes, and loses none', async () => {
    const post = new AlarmPost();
    const seen: string[][] = [];
    const signal = (alarms: readonly Alarm[]) => {
      assert.ok(alarms.length <= 200 && (alarms.length === 1 || JSON.stringify(alarms).length < 600_000));
      seen.push(alarms.map(({ id }) => id));
      return Promise.resolve();
    };
    const ids = Array.from({ length: 1_000 }, (_, index) => `alarm-${index}`);
    await Promise.all(
      ids.map((id, index) => post.send(alarm(id, 'x'.repeat(index % 100 === 0 ? 400_000 : 10)), signal)),
    );
    assert.deepEqual(seen.flat(), ids);
    assert.ok(seen.length < 30, `${seen.length} signals`);
  });

  it('tells all that went together when the signal fails, and goes on with the others', async () => {
    const { signals, signal } = slow();
    const post = new AlarmPost();
    const lost = ['a', 'b'].map((id) => assert.rejects(post.send(alarm(id), signal), /away/));
    await turn();
    const next = post.send(alarm('c'), signal);
    signals[0]?.answer(new Error('the server is away'));
    await Promise.all(lost);
    await turn();
    signals[1]?.answer();
    await next;
    assert.deepEqual(
      signals.map(({ ids }) => ids),
      [['a', 'b'], ['c']],
    );
  });
});
