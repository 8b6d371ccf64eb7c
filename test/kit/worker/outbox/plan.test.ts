import assert from 'node:assert/strict';
import type { Polled } from '../../../../src/kit/database/outbox/stream.js';
import { CHAIN, planBatches, type Situation } from '../../../../src/kit/worker/outbox/plan.js';

/** Messages by their keys: `-` has none, an upper-case one is held by its lane. Their numbers are 1, 2, 3 …; each has 10 bytes. */
const rowsOf = (keys: string, unread: readonly number[] = []): Polled[] =>
  keys.split('').map((key, place) => ({
    ...{ id: `m${place}`, topic: 't', payload: undefined, source: 's', addedAt: 0 },
    ...{ seq: place + 1, ...(key !== '-' && { key: key.toLowerCase() }) },
    ...{ isHeld: key !== key.toLowerCase(), isRead: !unread.includes(place + 1), bytes: 10 },
  }));

const plan = (keys: string, situation: Partial<Situation> = {}, unread?: readonly number[]) => {
  const free = { isOnWay: () => false, isDone: () => false, isBusy: () => false };
  const given = { size: 100, places: 10, bytes: 1_000, ...free, ...situation };
  const { batches, blocked, held, isMore } = planBatches(rowsOf(keys, unread), given);
  return {
    batches: batches.map((batch) => batch.map(({ seq }) => seq)),
    blocked: [...blocked].join(''),
    held,
    isMore,
  };
};

describe('which messages go together', () => {
  it('all that are free, in their order, with a sink that takes many', () => {
    assert.deepEqual(plan('aba-b'), { batches: [[1, 2, 3, 4, 5]], blocked: '', held: [], isMore: false });
  });

  it('those of one key, with a sink that takes one by one', () => {
    assert.deepEqual(plan('aba-b-', { size: 1 }).batches, [[1, 3], [2, 5], [4], [6]]);
    assert.deepEqual(
      plan('a'.repeat(CHAIN + 2), { size: 1 }).batches.map(({ length }) => length),
      [CHAIN],
    );
  });

  it('no key in two batches: what its batch has no room for waits', () => {
    const given = { size: 2, places: 2 };
    assert.deepEqual(plan('abacb', given), {
      batches: [
        [1, 3],
        [2, 4],
      ],
      blocked: 'b',
      held: [],
      isMore: false,
    });
  });

  it('in several batches side by side, if they are many', () => {
    assert.deepEqual(plan('abcdab', { size: 6, places: 2 }).batches, [
      [1, 3, 5],
      [2, 4, 6],
    ]);
  });

  it('nothing that is on its way, held, or of a key that is on its way; and nothing behind it', () => {
    assert.deepEqual(plan('abAcb', { isBusy: (key) => key === 'b' }), {
      batches: [[1, 4]],
      blocked: 'b',
      held: [3],
      isMore: false,
    });
    assert.deepEqual(plan('ab-', { isOnWay: (seq) => seq === 1 }).batches, [[2, 3]]);
    assert.deepEqual(plan('aab', { isDone: (seq) => seq === 1 }).batches, [[2, 3]]);
    // What is on its way may have to go aside first.
    assert.deepEqual(plan('AABB', { isOnWay: (seq) => seq === 1 }).held, [3, 4]);
  });

  it('no more than there are places for; what of a key has no place is not passed by its next one', () => {
    assert.deepEqual(plan('abab', { size: 1, places: 1 }), { batches: [[1, 3]], blocked: 'b', held: [], isMore: true });
    assert.deepEqual(plan('ab', { places: 0 }), { batches: [], blocked: '', held: [], isMore: true });
  });

  it('no more bytes than a batch may have, one message in any case', () => {
    assert.deepEqual(plan('ab-', { bytes: 1, places: 2, size: 2 }), {
      batches: [[1], [2]],
      blocked: '',
      held: [],
      isMore: true,
    });
    assert.deepEqual(plan('aaab', { bytes: 20, size: 1 }), {
      batches: [[1, 2], [4]],
      blocked: 'a',
      held: [],
      isMore: false,
    });
  });

  it('nothing whose payload was not read, and nothing behind it: the next look does that', () => {
    assert.deepEqual(plan('aba-', {}, [1, 4]), { batches: [[2]], blocked: 'a', held: [], isMore: true });
    // It was known to wait then, and is delivered or goes aside by now; or it waits still.
    assert.deepEqual(plan('aa', { isDone: (seq) => seq === 1 }, [1]).batches, [[2]]);
    assert.deepEqual(plan('aA', {}, [1, 2]), { batches: [], blocked: '', held: [], isMore: true });
    assert.equal(plan('aab', { isBusy: (key) => key === 'a' }, [1, 2]).isMore, false);
  });
});
