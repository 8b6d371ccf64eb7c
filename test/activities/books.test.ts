import assert from 'node:assert/strict';
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
import { bookDamages } from './books-damages.js';
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

  for (const { what, damage, found } of bookDamages) {
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
