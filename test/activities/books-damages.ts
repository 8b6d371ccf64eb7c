import type { ServiceName } from '../../src/activities/index.js';

/** What somebody has done to one of the shop's databases, and what the books have to find of it: that, and nothing else. */
export const bookDamages: {
  readonly what: string;
  readonly damage: readonly (readonly [ServiceName, string])[];
  readonly found: string[];
}[] = [
  {
    what: 'a payment that was deleted',
    damage: [['payments', `delete from payments where order_id = 'placed'`]],
    found: [
      'a placed order has its payment | order placed | 2933 cents captured from customer c1 | none',
      'wallet entries agree with the payment | order placed | 0 | -2933',
      'wallets + frozen + captured - refunded = deposited | payments | 20000 | 17067',
    ],
  },
  {
    what: 'a payment of another amount',
    damage: [['payments', `update payments set amount = 2934 where order_id = 'placed'`]],
    found: [
      'a placed order has its payment | order placed | 2933 cents captured from customer c1 | 2934 cents captured from customer c1',
      'wallet entries agree with the payment | order placed | -2934 | -2933',
      'wallets + frozen + captured - refunded = deposited | payments | 20000 | 20001',
    ],
  },
  {
    what: 'a payment of another customer',
    damage: [['payments', `update payments set customer_id = 'c2' where order_id = 'placed'`]],
    found: [
      'a placed order has its payment | order placed | 2933 cents captured from customer c1 | 2933 cents captured from customer c2',
    ],
  },
  {
    what: 'an order whose amount was changed',
    damage: [['orders', `update orders set amount = 1 where order_id = 'placed'`]],
    found: [
      'a placed order has its payment | order placed | 1 cents captured from customer c1 | 2933 cents captured from customer c1',
    ],
  },
  {
    what: 'an entry that was made twice',
    damage: [
      [
        'payments',
        `insert into wallet_entries (customer_id, kind, amount, order_id) values ('c1', 'refund', 2933, 'placed')`,
      ],
    ],
    found: [
      'wallet entries agree with the payment | order placed | -2933 | 0',
      'wallets.balance is the sum of its entries | customer_id c1 | 10000 | 7067',
    ],
  },
  {
    what: 'a wallet that was changed directly',
    damage: [['payments', `update wallets set balance = balance + 5 where customer_id = 'c2'`]],
    found: [
      'wallets + frozen + captured - refunded = deposited | payments | 20000 | 20005',
      'wallets.balance is the sum of its entries | customer_id c2 | 10000 | 10005',
    ],
  },
  {
    what: 'a wallet that was deleted',
    damage: [['payments', `delete from wallets where customer_id = 'c1'`]],
    found: [
      'wallets + frozen + captured - refunded = deposited | payments | 20000 | 12933',
      'wallets.balance is the sum of its entries | customer_id c1 | 7067 | no account',
    ],
  },
  {
    what: 'a wallet below zero',
    damage: [
      [
        'payments',
        `alter table wallets drop constraint wallets_not_negative;
         insert into wallet_entries (customer_id, kind, amount) values ('c2', 'capture', -10001);
         update wallets set balance = -1 where customer_id = 'c2'`,
      ],
    ],
    found: ['wallets.balance is not negative | customer_id c2 | 0 or more | -1'],
  },
  {
    what: 'a placed order whose payment was refunded',
    damage: [
      ['payments', `update payments set status = 'refunded', refunded_at = now() where order_id = 'placed'`],
      [
        'payments',
        `insert into wallet_entries (customer_id, kind, amount, order_id) values ('c1', 'refund', 2933, 'placed');
         update wallets set balance = 10000 where customer_id = 'c1'`,
      ],
    ],
    found: [
      'a placed order has its payment | order placed | 2933 cents captured from customer c1 | 2933 cents refunded from customer c1',
    ],
  },
  {
    what: 'a cancelled order that was not refunded',
    damage: [
      [
        'payments',
        `update payments set status = 'captured', refunded_at = null where order_id = 'cancelled';
         delete from wallet_entries where kind = 'refund' and order_id = 'cancelled';
         update wallets set balance = 8800 where customer_id = 'c2'`,
      ],
    ],
    found: [
      'a cancelled order has no payment that was not refunded | order cancelled | none | 1200 cents captured from customer c2',
    ],
  },
  {
    what: 'an order that is stuck',
    damage: [['orders', `update orders set status = 'created', ended_at = null where order_id = 'placed'`]],
    found: [
      'an order is in a final state | order placed | placed, cancelled, returned or lost | created',
      'points held + points of placed orders - points earned = points opened | orders | 2000 | 1971',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 98',
    ],
  },
  {
    what: 'an order that was deleted',
    damage: [['orders', `delete from orders where order_id = 'placed'`]],
    found: [
      'a notification belongs to an order | order placed | none | to customer c1',
      'a payment belongs to an order | order placed | none | 2933 cents captured from customer c1',
      'a reservation belongs to an order | order placed | none | 2 cd reserved',
      'a shipment belongs to an order | order placed | none | 2 cd to customer c1',
      'point entries agree with the order | order placed | 0 | -29',
      'points held + points of placed orders - points earned = points opened | orders | 2000 | 1971',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 98',
    ],
  },
  {
    what: 'points that were not returned',
    damage: [
      [
        'orders',
        `delete from point_entries where kind = 'returned' and order_id = 'cancelled';
         update customers set points = 988 where customer_id = 'c2'`,
      ],
    ],
    found: [
      'point entries agree with the order | order cancelled | 0 | -12',
      'points held + points of placed orders - points earned = points opened | orders | 2000 | 1988',
    ],
  },
  {
    what: 'stock that was released twice',
    damage: [
      [
        'inventory',
        `alter table stock_entries drop constraint stock_entries_once;
         insert into stock_entries (sku, kind, amount, order_id) values ('cd', 'released', 3, 'cancelled');
         update stock set available = available + 3`,
      ],
    ],
    found: [
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 103',
      'stock entries agree with the reservation | order cancelled | 0 | 3',
    ],
  },
  {
    what: 'stock that was never reserved',
    damage: [
      [
        'inventory',
        `delete from reservations where order_id = 'placed';
         delete from stock_entries where order_id = 'placed';
         update stock set available = available + 2`,
      ],
    ],
    found: [
      'a placed order has its reservation | order placed | 2 cd reserved | none',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 102',
    ],
  },
  {
    what: 'stock of a cancelled order that was not released',
    damage: [
      [
        'inventory',
        `update reservations set status = 'reserved', released_at = null where order_id = 'cancelled';
         delete from stock_entries where kind = 'released' and order_id = 'cancelled';
         update stock set available = available - 3`,
      ],
    ],
    found: [
      'a cancelled order has no stock that was not released | order cancelled | none | 3 cd reserved',
      'stock + frozen + units of placed orders = delivered | inventory | 100 | 97',
    ],
  },
  {
    what: 'a shipment that is missing',
    damage: [['shipping', `delete from shipments where order_id = 'placed'`]],
    found: ['a placed order has its shipment | order placed | 2 cd to customer c1 | none'],
  },
  {
    what: 'a shipment of other units',
    damage: [['shipping', `update shipments set units = 5 where order_id = 'placed'`]],
    found: ['a placed order has its shipment | order placed | 2 cd to customer c1 | 5 cd to customer c1'],
  },
  {
    what: 'a shipment of a cancelled order',
    damage: [
      ['shipping', `insert into shipments (order_id, customer_id, sku, units) values ('cancelled', 'c2', 'cd', 3)`],
    ],
    found: ['a cancelled order has no shipment | order cancelled | none | 3 cd to customer c2'],
  },
  {
    what: 'a shipment of no order',
    damage: [['shipping', `insert into shipments (order_id, customer_id, sku, units) values ('zzz', 'c2', 'cd', 3)`]],
    found: ['a shipment belongs to an order | order zzz | none | 3 cd to customer c2'],
  },
  {
    what: 'a notification that is missing',
    damage: [['notifications', `delete from notifications where order_id = 'placed'`]],
    found: ['a placed order has its notification | order placed | to customer c1 | none'],
  },
  {
    what: 'a notification of a cancelled order',
    damage: [
      [
        'notifications',
        `insert into notifications (order_id, kind, customer_id) values ('cancelled', 'order-placed', 'c2')`,
      ],
    ],
    found: ['a cancelled order has no notification | order cancelled | none | to customer c2'],
  },
];
