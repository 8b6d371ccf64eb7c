import assert from 'node:assert/strict';
import { mergeByOrder } from '../../src/activities/books/merge.js';
import { safeInteger } from '../../src/activities/integers.js';

describe('a merge by order', () => {
  async function* stream(...ids: string[]) {
    for (const order_id of ids) yield Promise.resolve({ order_id });
    await Promise.resolve();
  }

  it('yields each order once, in key order, with the rows that there are', async () => {
    const seen: string[] = [];
    const merged = mergeByOrder({ a: stream('1', '3', '4'), b: stream(), c: stream('2', '3', '5') });
    for await (const { orderId, rows } of merged) seen.push(`${orderId}:${Object.keys(rows).join('')}`);
    assert.deepEqual(seen, ['1:a', '2:c', '3:ac', '4:a', '5:c']);
  });
});

describe('an integer of the database', () => {
  it('is exact, or refused', () => {
    assert.equal(safeInteger('9007199254740991', 'x'), Number.MAX_SAFE_INTEGER);
    assert.equal(safeInteger(-5n, 'x'), -5);
    assert.throws(
      () => safeInteger('9007199254740993', 'the sum of wallets'),
      /the sum of wallets is 9007199254740993/,
    );
    assert.throws(() => safeInteger('1.5', 'x'), RangeError);
  });
});
