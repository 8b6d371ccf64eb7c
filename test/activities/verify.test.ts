import assert from 'node:assert/strict';
import { verdictOf, type FoundOrder, type VerifiedTopic } from '../../src/activities/choreography/verify.js';

const orders = [undefined, 'created', 'placed', 'cancelled', 'returned', 'lost'] as const;
const payments = [undefined, 'requested', 'frozen', 'captured', 'refunded', 'released', 'expired'] as const;
const stocks = [undefined, 'frozen', 'reserved', 'released'] as const;
const topics: readonly VerifiedTopic[] = ['order.created', 'order.placed', 'order.cancelled'];

const every = topics.flatMap((topic) =>
  orders.flatMap((order) =>
    [false, true].flatMap((recalled) =>
      payments.flatMap((payment) =>
        stocks.flatMap((stock) =>
          [false, true].flatMap((isOwnStock) =>
            [false, true].map((parcel) => ({ topic, found: { order, recalled, payment, stock, isOwnStock, parcel } })),
          ),
        ),
      ),
    ),
  ),
);
const verdict = (topic: VerifiedTopic, found: Partial<FoundOrder>) => {
  const all = {
    order: undefined,
    recalled: false,
    payment: undefined,
    stock: undefined,
    isOwnStock: true,
    parcel: false,
    ...found,
  };
  const { kind, ...more } = verdictOf(topic, all);
  return 'repairs' in more ? [kind, ...more.repairs] : [kind];
};

describe('what a message says of an order, and what the services have of it', () => {
  it('agrees where all is as it says', () => {
    assert.deepEqual(verdict('order.created', { order: 'created', stock: 'reserved' }), ['agrees']);
    assert.deepEqual(verdict('order.placed', { order: 'placed', payment: 'captured', stock: 'reserved' }), ['agrees']);
    for (const payment of [undefined, 'refunded', 'expired', 'released'] as const) {
      assert.deepEqual(verdict('order.cancelled', { order: 'cancelled', payment, stock: 'released' }), ['agrees']);
    }
  });

  it('is later where the order has gone on since', () => {
    assert.deepEqual(verdict('order.created', { order: 'placed' }), ['later']);
    assert.deepEqual(verdict('order.placed', { order: 'returned', payment: 'refunded', stock: 'released' }), ['later']);
    // A parcel that comes back: money and stock do so one after the other.
    const back = { order: 'placed', recalled: true, payment: 'refunded', stock: 'reserved' } as const;
    assert.deepEqual(verdict('order.placed', back), ['later']);
  });

  it('is early where something is not there yet, or is lost', () => {
    for (const topic of topics) assert.deepEqual(verdict(topic, {}), ['early']);
    assert.deepEqual(verdict('order.placed', { order: 'placed', stock: 'reserved' }), ['early']);
    assert.deepEqual(verdict('order.placed', { order: 'placed', payment: 'captured' }), ['early']);
    assert.deepEqual(verdict('order.cancelled', { order: 'cancelled', payment: 'requested' }), ['early']);
    // Another transaction's, for an order of the same id: it gives it back itself.
    const others = { order: 'cancelled', stock: 'reserved', isOwnStock: false } as const;
    assert.deepEqual(verdict('order.cancelled', others), ['early']);
    assert.deepEqual(verdict('order.cancelled', { ...others, payment: 'captured' }), ['contradicts', 'refund']);
  });

  it('contradicts: a cancelled order gives back what it has taken', () => {
    const paid = { order: 'cancelled', payment: 'captured' } as const;
    assert.deepEqual(verdict('order.cancelled', { ...paid, stock: 'released' }), ['contradicts', 'refund']);
    assert.deepEqual(verdict('order.cancelled', { ...paid, stock: 'reserved' }), ['contradicts', 'refund', 'release']);
  });

  it('contradicts: a parcel that left and was not paid, or is of an order that is cancelled, is for a person', () => {
    const left = { order: 'placed', stock: 'reserved' } as const;
    assert.deepEqual(verdict('order.placed', { ...left, payment: 'refunded' }), ['contradicts']);
    assert.deepEqual(verdict('order.placed', { ...left, payment: 'captured', stock: 'released' }), ['contradicts']);
    assert.deepEqual(verdict('order.placed', { order: 'cancelled' }), ['contradicts']);
    assert.deepEqual(verdict('order.cancelled', { order: 'placed' }), ['contradicts']);
    const gone = { order: 'cancelled', payment: 'captured', stock: 'reserved', parcel: true } as const;
    assert.deepEqual(verdict('order.cancelled', gone), ['contradicts']);
  });

  it('has one verdict for whatever is found, and repairs nothing but what a cancelled order has taken', () => {
    for (const { topic, found } of every) {
      const [kind, ...repairs] = verdict(topic, found);
      assert.ok(['agrees', 'later', 'early', 'contradicts'].includes(String(kind)));
      if (repairs.length === 0) continue;
      assert.deepEqual([topic, found.order, found.parcel], ['order.cancelled', 'cancelled', false]);
      assert.equal(repairs.includes('refund'), found.payment === 'captured');
      assert.equal(repairs.includes('release'), found.stock === 'reserved' && found.isOwnStock);
    }
  });
});
