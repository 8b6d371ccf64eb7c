import assert from 'node:assert/strict';
import type { ServiceName } from '../../src/activities/index.js';
import { proveBooks } from '../../src/activities/books/index.js';
import { readBank } from '../../src/activities/banks/books.js';
import { readInventory } from '../../src/activities/inventory/books.js';
import { readNotifications } from '../../src/activities/notifications/books.js';
import { readOrders } from '../../src/activities/orders/books.js';
import { readPayments } from '../../src/activities/payments/books.js';
import { readCallers } from '../../src/activities/callers/books.js';
import { readSales } from '../../src/activities/sale/books.js';
import { readShipping } from '../../src/activities/shipping/books.js';
import { readCoupons } from '../../src/activities/coupons/books.js';
import { readWarehouse } from '../../src/activities/warehouse/books.js';
import { MAX_DIFFERENCES } from '../../src/contracts/shop.js';
import { bankNames } from '../../src/contracts/transfer.js';
import { advance, orderOf, refused, stockUp, undo, linesOf, stockTestShop, type TestShop } from './support.js';

const PLACED = orderOf('placed');
const CANCELLED = orderOf('cancelled', { customerId: 'c2', units: 3, amount: 1_200 });

describe('the books', () => {
  let test: TestShop;
  stockTestShop(
    (opened) => (test = opened),
    async () => {
      await advance(test, PLACED);
      await advance(test, CANCELLED, 'reserved');
      await undo(test, CANCELLED);
      await advance(test, orderOf('gift', { customerId: 'c2', amount: 0, units: 1 }));
    },
  );

  const prove = () => test.shop.plain['books.prove']();

  it('balance when each order was placed or undone', async () => {
    const books = await prove();
    assert.deepEqual(linesOf(books), []);
    assert.deepEqual(books, {
      balanced: true,
      figures: {
        orders: 3,
        placed: 2,
        cancelled: 1,
        returned: 0,
        lost: 0,
        recalled: 0,
        waiting: 0,
        open: 0,
        depositedCents: 20_000,
        walletsCents: 17_067,
        frozenCents: 0,
        capturedCents: 4_133,
        refundedCents: 1_200,
        initialUnits: 100,
        stockUnits: 97,
        frozenUnits: 0,
        placedUnits: 3,
        waitingUnits: 0,
        initialPoints: 2_000,
        pointsHeld: 1_971,
        pointsSpent: 29,
        waitingPoints: 0,
        pointsEarned: 0,
        untold: 0,
        unearned: 0,
        bankInFlightCents: 0,
        bankPaidInCents: 0,
        bankBalancesCents: 0,
        bankHeldCents: 0,
        bankClearingCents: 0,
        bankHolds: 0,
        purchases: 0,
        purchasesOpen: 0,
        purchasesGivenUp: 0,
        booksDelivered: 0,
        booksInStock: 0,
        booksTaken: 0,
        saleUnits: 0,
        saleSoldUnits: 0,
        saleWaitingUnits: 0,
        saleLeftUnits: 0,
        saleReturnedUnits: 0,
      },
      differences: [],
      differenceCount: 0,
    });
  });

  it('balance for a shop that sold nothing, and for an empty one', async () => {
    await test.empty();
    assert.equal((await prove()).balanced, true);
    await stockUp(test);
    assert.equal((await prove()).balanced, true);
  });

  it('balance after orders that were refused at any step', async () => {
    const nobody = orderOf('n', { customerId: 'nobody' });
    await refused(advance(test, nobody), 'UnknownCustomer');
    await undo(test, nobody);
    const dear = orderOf('dear', { amount: 10_001 });
    await refused(advance(test, dear), 'InsufficientFunds');
    await undo(test, dear);
    const many = orderOf('many', { units: 1_000 });
    await refused(advance(test, many), 'OutOfStock');
    await undo(test, many);
    const books = await prove();
    assert.deepEqual(linesOf(books), []);
    assert.equal(books.figures.cancelled, 3);
  });

  const damages: { what: string; damage: [ServiceName, string][]; found: string[] }[] = [
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

  for (const { what, damage, found } of damages) {
    it(`name ${what}, and nothing else`, async () => {
      for (const [service, text] of damage) await test.damage(service, text);
      const books = await prove();
      assert.deepEqual(linesOf(books), found);
      assert.equal(books.differenceCount, found.length);
      assert.equal(books.balanced, false);
      await restore(test);
    });
  }

  it('list the first differences and count all', async () => {
    const count = MAX_DIFFERENCES + 50;
    await test.damage(
      'payments',
      `insert into wallets (customer_id, balance) select 'x' || n, 1 from generate_series(1, ${count}) n`,
    );
    await test.damage('shipping', `delete from shipments`);
    const books = await prove();
    assert.equal(books.differences.length, MAX_DIFFERENCES);
    assert.equal(books.differenceCount, count + 2 + 1, 'wallets, shipments, and the sum of the shop');
  });

  it('prove more orders than a page holds, with memory for one page', async () => {
    // One statement a table: 5,000 placed orders, as the services write them.
    const orders = 5_000;
    const series = `from generate_series(1, ${orders}) n`;
    await test.sql('orders', `insert into customers (customer_id) values ('big')`);
    await test.sql(
      'orders',
      `insert into orders (order_id, customer_id, sku, units, amount, points_spent, status, ended_at)
       select 'b-' || n, 'big', 'cd', 1, 0, 0, 'placed', now() ${series}`,
    );
    await test.sql('payments', `insert into wallets (customer_id) values ('big')`);
    await test.sql(
      'payments',
      `insert into payments (order_id, customer_id, amount) select 'b-' || n, 'big', 0 ${series}`,
    );
    await test.shop.plain['inventory.deliver']({ sku: 'cd', units: 100 + orders });
    await test.sql(
      'inventory',
      `with reserved as (insert into reservations (order_id, sku, units) select 'b-' || n, 'cd', 1 ${series} returning order_id)
       insert into stock_entries (sku, kind, amount, order_id) select 'cd', 'reserved', -1, order_id from reserved`,
    );
    await test.sql(
      'shipping',
      `insert into shipments (order_id, customer_id, sku, units) select 'b-' || n, 'big', 'cd', 1 ${series}`,
    );
    await test.sql(
      'notifications',
      `insert into notifications (order_id, kind, customer_id) select 'b-' || n, 'order-placed', 'big' ${series}`,
    );
    let beats = 0;
    const books = await proveBooks(readers(test), () => void (beats += 1));
    assert.deepEqual(linesOf(books), []);
    assert.equal(books.figures.placed, orders + 2);
    assert.ok(beats >= 10, `${beats} heartbeats`);
  });

  it('end when the heartbeat says so', async () => {
    const stop = new Error('cancelled');
    await assert.rejects(
      proveBooks(readers(test), () => {
        throw stop;
      }),
      stop,
    );
  });
});

function readers({ databases }: TestShop) {
  return {
    orders: readOrders(databases.orders),
    payments: readPayments(databases.payments),
    inventory: readInventory(databases.inventory),
    shipping: readShipping(databases.shipping),
    notifications: readNotifications(databases.notifications),
    banks: bankNames.map((name) => readBank(name, databases[name])),
    callers: readCallers(databases.callers),
    warehouse: readWarehouse(databases.warehouse),
    sales: readSales(databases),
    coupons: readCoupons(databases.coupons),
  };
}

/** Puts back the rules that a damage dropped. */
async function restore(test: TestShop): Promise<void> {
  await test.empty();
  await test.damage(
    'payments',
    `alter table wallets drop constraint if exists wallets_not_negative;
     alter table wallets add constraint wallets_not_negative check (balance >= 0)`,
  );
  await test.damage(
    'inventory',
    `alter table stock_entries drop constraint if exists stock_entries_once;
     alter table stock_entries add constraint stock_entries_once unique (order_id, kind)`,
  );
}
