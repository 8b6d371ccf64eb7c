import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pathOf, type HeardEvent } from '../../src/activities/choreography/path.js';
import { mermaidOf } from '../../src/client/path-words.js';
import { choreographedOrderSchema, eventId, type EventTopic } from '../../src/contracts/events.js';

const order = choreographedOrderSchema.parse({ orderId: '7', customerId: 'c1', units: 1, amount: 100 });
const refusal = { type: 'OutOfStock', message: 'none left' };
const more: Readonly<Partial<Record<EventTopic, object>>> = {
  'order.created': { pointsSpent: 1 },
  'stock.refused': { refusal },
  'payment.requested': { paymentId: 'p', payBy: 9 },
  'payment.captured': { paymentId: 'p' },
  'payment.refused': { refusal: { type: 'NotPaid', message: 'too late' } },
  'order.cancelled': { pointsReturned: 1 },
  'parcel.dispatched': { shipmentId: 's' },
};
/** Events that cause each other, one after the other. */
const chain = (...topics: EventTopic[]): HeardEvent[] =>
  topics.map((topic, place) => {
    const before = topics[place - 1];
    const cause = before === undefined ? null : eventId('7', before);
    return { id: eventId('7', topic), topic, event: { order, cause, at: place, ...more[topic] } } as HeardEvent;
  });
const paid = ['payment.captured', 'parcel.dispatched', 'order.placed'] as const;
const unpaid = ['payment.refused', 'stock.released', 'order.cancelled'] as const;
/** Every path that an order can take, whole. */
const ways = {
  placed: chain('order.created', 'stock.reserved', ...paid),
  short: chain('order.created', 'stock.refused', 'order.cancelled'),
  poor: chain('order.created', 'stock.reserved', ...unpaid),
  later: chain('order.created', 'stock.reserved', 'payment.requested', ...paid),
  late: chain('order.created', 'stock.reserved', 'payment.requested', ...unpaid),
};

describe('the path of an order', () => {
  const way = fc.constantFrom(...Object.values(ways));

  it('is the same whatever order its events came in, never goes back, and is final as soon as its end was heard of', () => {
    const arrival = way.chain((whole) =>
      fc.tuple(fc.constant(whole), fc.shuffledSubarray(whole, { minLength: 1 }), fc.nat()),
    );
    const ranks = { running: 0, undoing: 1, placed: 2, cancelled: 2 };
    fc.assert(
      fc.property(arrival, ([whole, heard]) => {
        const sorted = whole.filter((each) => heard.includes(each));
        assert.deepEqual(pathOf('7', heard), pathOf('7', sorted));
        let before = 0;
        for (let count = 1; count <= heard.length; count++) {
          const path = pathOf('7', heard.slice(0, count));
          assert.ok(path);
          assert.ok(ranks[path.state] >= before, `${path.state} after rank ${before}`);
          before = ranks[path.state];
          const isOver = heard
            .slice(0, count)
            .some(({ topic }) => topic === 'order.placed' || topic === 'order.cancelled');
          assert.equal(path.waitsFor === undefined, isOver);
          assert.equal(ranks[path.state] === 2, isOver);
          // Each event after its cause.
          const ids = path.path.map(({ id }) => id);
          for (const { id, cause } of path.path) {
            if (cause !== null && ids.includes(cause)) assert.ok(ids.indexOf(cause) < ids.indexOf(id));
          }
          // The picture is drawn of any of it, and is the same for the same events.
          const picture = mermaidOf(path);
          const again = pathOf('7', heard.slice(0, count).reverse());
          assert.equal(picture, again && mermaidOf(again));
        }
      }),
    );
  });

  it('says who has to do what next, since when and until when', () => {
    const heard = ways.late.slice(0, 3).reverse();
    assert.deepEqual(pathOf('7', heard)?.waitsFor, { who: 'customer', what: 'pay', since: 2, until: 9 });
    assert.deepEqual(pathOf('7', ways.poor.slice(0, 3))?.waitsFor, {
      ...{ who: 'inventory', what: 'release the stock', since: 2 },
    });
    assert.equal(pathOf('7', []), null);
  });

  it('is drawn by causes; what was answered and not heard of is dashed', () => {
    const path = pathOf(
      '7',
      ways.poor.filter(({ topic }) => topic !== 'payment.refused'),
    );
    assert.equal(
      path && mermaidOf(path),
      [
        'sequenceDiagram',
        '  participant orders',
        '  participant inventory',
        '  participant payments',
        '  orders->>inventory: order.created',
        '  Note over inventory: stock.reserved',
        '  payments-->>inventory: payment.refused (not heard of yet)',
        '  inventory->>orders: stock.released',
        '  Note over orders: order.cancelled',
      ].join('\n'),
    );
  });
});
