import assert from 'node:assert/strict';
import type { ServiceName } from '../../src/activities/index.js';
import { advance, operation, orderOf, recall, undo, linesOf, stockTestShop, type TestShop } from './support.js';

const PLACED = orderOf('placed');
const CANCELLED = orderOf('cancelled', { customerId: 'c2', units: 3, amount: 1_200 });

describe('the books of what cannot be undone', () => {
  let test: TestShop;
  stockTestShop(
    (opened) => (test = opened),
    async () => {
      await advance(test, PLACED);
      await advance(test, CANCELLED, 'reserved');
      await undo(test, CANCELLED);
    },
  );

  const prove = () => test.shop.plain['books.prove']();

  it('balance while a carrier looks for a parcel, and when it came back or was lost', async () => {
    const [back, lost] = [orderOf('back', { amount: 1_000 }), orderOf('lost', { customerId: 'c2', amount: 500 })];
    for (const order of [back, lost]) {
      await advance(test, order);
      await recall(test, order);
    }
    const waiting = await prove();
    assert.deepEqual(linesOf(waiting), []);
    assert.deepEqual([waiting.figures.placed, waiting.figures.recalled, waiting.figures.refundedCents], [3, 2, 1_200]);

    await recall(test, back, 'returned');
    await recall(test, lost, 'lost');
    const ended = await prove();
    assert.deepEqual(linesOf(ended), []);
    const { orders, placed, cancelled, returned, lost: gone, recalled, open, refundedCents } = ended.figures;
    assert.deepEqual([orders, placed, cancelled, returned, gone, recalled, open], [4, 1, 1, 1, 1, 0, 0]);
    assert.equal(refundedCents, 2_200, 'only what came back');
    assert.equal(ended.figures.stockUnits + ended.figures.placedUnits, 100);
  });

  it('balance when customers were told at once, and corrected where the order was undone', async () => {
    const { announce } = test.shop.participants.notifications;
    for (const { orderId, customerId } of [PLACED, CANCELLED]) {
      const of = (op: string) => operation(`notifications.announce.${op}`, `order-${orderId}`);
      await announce.action(of('action'), { orderId, customerId });
      if (orderId === 'cancelled') await announce.amends(of('amends'), { orderId, customerId });
    }
    assert.deepEqual(linesOf(await prove()), []);
  });

  const notification = (orderId: string, kind: string, customerId = 'c1'): [ServiceName, string] => [
    'notifications',
    `insert into notifications (order_id, kind, customer_id) values ('${orderId}', '${kind}', '${customerId}')`,
  ];
  const damages: { what: string; damage: [ServiceName, string][]; found: string[] }[] = [
    {
      what: 'a recall of an order that was not recalled',
      damage: [['shipping', `insert into recalls (order_id, reason, actor) values ('placed', 'why', 'who')`]],
      found: ['a placed order has its recall | order placed | none | requested'],
    },
    {
      what: 'a recalled order whose carrier was never asked, and whose customer was never told',
      damage: [['orders', `update orders set recalled_at = now() where order_id = 'placed'`]],
      found: [
        'a placed order has its recall notice | order placed | to customer c1 | none',
        'a placed order has its recall | order placed | requested | none',
      ],
    },
    {
      what: 'a recall of a cancelled order, and of no order',
      damage: [
        [
          'shipping',
          `insert into recalls (order_id, reason, actor) values ('cancelled', 'why', 'who'), ('zzz', 'why', 'who')`,
        ],
        notification('zzz', 'order-recalled'),
      ],
      found: [
        'a cancelled order has no recall | order cancelled | none | requested',
        'a recall belongs to an order | order zzz | none | requested',
        'a recall notice belongs to an order | order zzz | none | to customer c1',
      ],
    },
    {
      what: 'a parcel that came back, and an order that did not hear of it',
      damage: [
        ['orders', `update orders set recalled_at = now() where order_id = 'placed'`],
        [
          'shipping',
          `insert into recalls (order_id, reason, actor, status, ended_at) values ('placed', 'w', 'w', 'returned', now())`,
        ],
        notification('placed', 'order-recalled'),
      ],
      found: ['a placed order has its recall | order placed | requested | returned'],
    },
    {
      what: 'a returned order that nothing came back of',
      damage: [['orders', `update orders set status = 'returned', recalled_at = now() where order_id = 'placed'`]],
      found: [
        'a returned order has its payment | order placed | 2933 cents refunded from customer c1 | 2933 cents captured from customer c1',
        'a returned order has its recall notice | order placed | to customer c1 | none',
        'a returned order has its recall | order placed | returned | none',
        'a returned order has its reservation | order placed | 2 cd released | 2 cd reserved',
        'point entries agree with the order | order placed | 0 | -29',
        'points held + points of placed orders - points earned = points opened | orders | 2000 | 1971',
        'stock + frozen + units of placed orders = delivered | inventory | 100 | 98',
      ],
    },
    {
      what: 'a lost parcel of which nothing was logged',
      damage: [
        ['orders', `update orders set status = 'lost', recalled_at = now() where order_id = 'placed'`],
        [
          'shipping',
          `insert into recalls (order_id, reason, actor, status, ended_at) values ('placed', 'w', 'w', 'lost', now())`,
        ],
        notification('placed', 'order-recalled'),
      ],
      found: ['a lost order has its recall | order placed | lost and logged | lost'],
    },
    {
      what: 'an announcement that was never corrected',
      damage: [notification('cancelled', 'order-received', 'c2')],
      found: ['a cancelled order that was announced has its correction | order cancelled | to customer c2 | none'],
    },
    {
      what: 'a correction of what was never said, or is true',
      damage: [notification('cancelled', 'order-undone', 'c2'), notification('placed', 'order-undone')],
      found: [
        'a cancelled order that was announced has its correction | order cancelled | none | to customer c2',
        'a placed order has no correction | order placed | none | to customer c1',
      ],
    },
    {
      what: 'an announcement to another customer, and of no order',
      damage: [notification('placed', 'order-received', 'c2'), notification('zzz', 'order-received')],
      found: [
        'an announcement belongs to an order | order zzz | none | to customer c1',
        'an announcement goes to the customer of its order | order placed | to customer c1 | to customer c2',
      ],
    },
  ];

  for (const { what, damage, found } of damages) {
    it(`name ${what}, and nothing else`, async () => {
      for (const [service, text] of damage) await test.damage(service, text);
      const books = await prove();
      assert.deepEqual(linesOf(books), found);
      assert.deepEqual([books.differenceCount, books.balanced], [found.length, false]);
    });
  }
});
