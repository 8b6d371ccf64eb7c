import assert from 'node:assert/strict';
import { Ends } from '../../../src/kit/database/announcement/ends.js';
import type { Database } from '../../../src/kit/database/index.js';

/** What was sent: how many ends, and the limit, in milliseconds. */
interface Sent {
  readonly ends: number;
  readonly timeoutMs: number;
}

const NO_ANSWER = new Error('the connection gave no answer');

describe('ends that go together', () => {
  const values = (gid: string) => [gid, `direct:${gid}`, null, '{}'] as const;

  /** A database whose answers the test gives. */
  function silentDatabase() {
    const sent: (Sent & { answer: (rows: object[][]) => void; fail: () => void })[] = [];
    const send = (ends: number, timeoutMs: number): Promise<object[][]> =>
      new Promise((resolve, reject) => {
        const fail = () => {
          reject(NO_ANSWER);
        };
        sent.push({ ends, timeoutMs, answer: resolve, fail });
      });
    const database = {
      run: async (_: string, __: unknown, timeoutMs = 0) => (await send(1, timeoutMs))[0] ?? [],
      runAll: (_: string, lists: readonly unknown[], timeoutMs: number) => send(lists.length, timeoutMs),
    } as unknown as Database;
    return { sent, ends: new Ends(database) };
  }

  it('are given up after a second, however long each may take: one silent connection holds up no others for longer', async () => {
    const { sent, ends } = silentDatabase();
    const first = ends.end(values('a'), 30_000);
    const others = [ends.end(values('b'), 30_000), ends.end(values('c'), 30_000)];
    assert.deepEqual(
      sent.map(({ ends: count, timeoutMs }) => [count, timeoutMs]),
      [[1, 1_000]],
    );
    sent[0]?.fail();
    await until(() => sent.length === 3);
    // The first is asked for again by itself, for as long as it may take; the others do not wait for it.
    const [, again, together] = sent;
    assert.equal(again?.ends, 1);
    assert.ok(again.timeoutMs > 25_000, String(again.timeoutMs));
    assert.deepEqual([together?.ends, together?.timeoutMs], [2, 1_000]);
    together?.answer([[{}], []]);
    assert.deepEqual(await Promise.all(others), [true, false]);
    again.answer([[{}]]);
    assert.equal(await first, true);
  });

  it('fail each by itself: what one is told of its own attempt is not told to others', async () => {
    const { sent, ends } = silentDatabase();
    const first = ends.end(values('a'), 30_000);
    sent[0]?.answer([[{}]]);
    assert.equal(await first, true);
    const both = [ends.end(values('b'), 30_000), ends.end(values('c'), 30_000)];
    sent[1]?.answer([[{}]]);
    await until(() => sent.length === 3);
    sent[2]?.fail();
    await until(() => sent.length === 4);
    sent[3]?.fail();
    assert.equal(await both[0], true);
    await assert.rejects(both[1] ?? Promise.resolve(), NO_ANSWER);
  });
});

/** Lets what is pending go on until it holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !holds(); turn++) await new Promise(setImmediate);
  assert.ok(holds(), 'it does not come to hold');
}
