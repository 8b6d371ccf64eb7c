import assert from 'node:assert/strict';
import { merchantSink } from '../../src/activities/banks/purchases.js';
import type { ServiceName } from '../../src/activities/index.js';
import { warehouseSink } from '../../src/activities/warehouse/index.js';
import { BOOK_BOUGHT, merchantAccount, type PurchaseSide } from '../../src/contracts/bookstore.js';
import type { Message } from '../../src/kit/database/index.js';
import { until } from '../support/until.js';
import { linesOf, operation, refused, stockTestShop, type TestShop } from './support.js';

describe('the books of the bookstore', () => {
  let test: TestShop;
  stockTestShop(
    (opened) => (test = opened),
    async () => {
      const { plain } = test.shop;
      await plain['banks.openAccounts']({ bank: 'bank_a', accounts: ['alice'], cents: 10_000 });
      await plain['banks.openAccounts']({ bank: merchantAccount.bank, accounts: [merchantAccount.account], cents: 0 });
      await plain['warehouse.deliver']({ book: 'emma', copies: 10 });
      for (const id of ['1', '2']) {
        const bought = { account: 'alice', book: 'emma', copies: 2, cents: 1_000 };
        await test.shop.participants.bank_a.buy.action(operation('bank_a.buy.action', `purchase-${id}`), bought);
      }
    },
  );
  const pull = (side: PurchaseSide) => test.shop.plain['bookstore.pull']({ side });
  const give = (id: string, side: PurchaseSide, actor = 'ann') =>
    test.shop.plain['bookstore.giveUp']({ id, side, actor, reason: 'the money went back' });
  /** The message of a purchase, as the relay of its bank delivers it. */
  const messageOf = (id: string, book = 'emma', copies = 2): Message => ({
    ...{ id: `purchase-${id}`, source: 'bank_a', seq: 1, topic: BOOK_BOUGHT, addedAt: 0, attempt: 1 },
    payload: { gid: `purchase-${id}`, book, copies, cents: 1_000 },
  });
  const { signal } = new AbortController();
  const prove = () => test.shop.plain['books.prove']();

  it('count what is in progress: its money is in flight, its books are in stock', async () => {
    const figures = async () => {
      const books = await prove();
      assert.deepEqual(linesOf(books), []);
      const { purchases, purchasesOpen, bankInFlightCents, booksDelivered, booksInStock, booksTaken } = books.figures;
      return [purchases, purchasesOpen, bankInFlightCents, booksDelivered, booksInStock, booksTaken];
    };
    assert.deepEqual(await figures(), [2, 2, 2_000, 10, 10, 0]);
    await pull('merchant');
    assert.deepEqual(await figures(), [2, 2, 0, 10, 10, 0]);
    await pull('warehouse');
    assert.deepEqual(await figures(), [2, 0, 0, 10, 6, 4]);
  });

  it('count deliveries once: the first by their total, others by their id', async () => {
    const { plain } = test.shop;
    await plain['warehouse.deliver']({ book: 'emma', copies: 10 });
    await plain['warehouse.deliver']({ book: 'emma', copies: 5 });
    for (const copies of [3, 3]) await plain['warehouse.restock']({ id: 'r1', book: 'emma', copies });
    await refused(plain['warehouse.restock']({ id: 'r1', book: 'dracula', copies: 3 }), 'RestockConflict');
    const { figures, balanced } = await prove();
    assert.deepEqual([balanced, figures.booksDelivered, figures.booksInStock], [true, 13, 13]);
  });

  it('are kept by the database itself: a purchase goes on, and never back', async () => {
    const says = (text: string, rule: RegExp) => assert.rejects(test.sql('bank_a', text), rule);
    await says('update purchases set cents = 1', /changes only by what is done of it/);
    await says("update purchases set warehouse = 'done'", /purchases_acknowledged/);
    await says('delete from purchases', /is in progress is not deleted/);
    await says('truncate purchases', /is not truncated/);
    await pull('warehouse');
    await says("update purchases set warehouse = 'in progress', warehouse_at = null", /changes only by what is done/);
  });

  it('are not held up by batches side by side: each locks its books in one order, whatever the order of its messages', async () => {
    await test.shop.plain['warehouse.deliver']({ book: 'dracula', copies: 1 });
    const messages = ['emma', 'absent', 'dracula'].map((book) => messageOf(`of-${book}`, book, 1));
    const sink = warehouseSink(test.databases.warehouse);
    const { delivered } = await test.databases.warehouse.transaction(async (sql) => {
      await sql("select from books where book = 'dracula' for update");
      const begun = sink.deliverAll(messages, signal);
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await until(async () => (await test.sql('warehouse', waiting)).length === 1);
      // It waits for the first of its books, and has none of the others meanwhile.
      assert.equal((await sql("select from books where book = 'emma' for update skip locked")).length, 1);
      return { delivered: begun };
    });
    assert.deepEqual(
      (await delivered).map((error) => error?.name),
      [undefined, 'NotYet', undefined],
    );
    const left = "select book from books where book in ('dracula', 'emma') and copies in (0, 9) order by book";
    assert.equal((await test.sql('warehouse', left)).length, 2);
  });

  it('are given up by a person: what a side has not done it never does, however its message comes; what it has done is done', async () => {
    const toWarehouse = test.shop.outboxes.find(({ outbox }) => outbox.name === 'bank_a')?.sinks.warehouse;
    assert.ok(toWarehouse !== undefined);
    // It dies after the inbox was told: what comes meanwhile is refused, and waits for who asks again.
    await test.sql(
      'bank_a',
      `create function lose() returns trigger language plpgsql as $$ begin raise exception 'it is lost'; end $$;
       create trigger lose before update on purchases for each row execute function lose()`,
    );
    await assert.rejects(give('1', 'warehouse'), /bank_a .*it is lost/);
    await assert.rejects(
      toWarehouse.deliver(messageOf('1'), signal),
      /was refused \(GivenUp\): ann: the money went back/,
    );
    await test.sql('bank_a', 'drop function lose cascade');
    const { failed, reasons } = await pull('warehouse');
    assert.deepEqual([failed, reasons.map(({ id }) => id)], [1, ['1']]);

    const said = { side: 'warehouse', actor: 'ann', reason: 'the money went back' };
    for (const actor of ['ann', 'bob']) {
      const { warehouse, merchant, givenUp } = (await give('1', 'warehouse', actor)) ?? {};
      assert.deepEqual([warehouse, merchant, givenUp], ['given up', 'in progress', [said]]);
    }
    await toWarehouse.deliver(messageOf('1'), signal);
    assert.deepEqual(await toWarehouse.deliverAll?.([messageOf('1'), messageOf('2')], signal), [undefined, undefined]);
    assert.deepEqual(await test.sql('warehouse', 'select gid from parcels'), [{ gid: 'purchase-2' }]);
    assert.equal((await pull('warehouse')).handled, 0);

    // What the merchant has done without a word of it is found done.
    await merchantSink(test.databases.bank_c).deliver(messageOf('2'), signal);
    assert.equal((await give('2', 'merchant'))?.merchant, 'done');
    assert.equal((await give('1', 'merchant'))?.merchant, 'given up');
    assert.equal(await give('3', 'merchant'), null);
    const { figures, differences } = await prove();
    assert.deepEqual(differences, []);
    const { purchases, purchasesOpen, purchasesGivenUp, bankInFlightCents, booksTaken } = figures;
    assert.deepEqual([purchases, purchasesOpen, purchasesGivenUp, bankInFlightCents, booksTaken], [2, 0, 1, 1_000, 2]);
    const back = "update purchases set warehouse = 'done', warehouse_by = null, warehouse_reason = null";
    await assert.rejects(test.sql('bank_a', back), /changes only by what is done/);
  });

  const damages: { what: string; damage: [ServiceName, string]; found: string[] }[] = [
    {
      what: 'money that the merchant acknowledged and does not have',
      damage: [
        'bank_c',
        `delete from entries where gid = 'purchase-1'; update accounts set balance = 1000 where account = 'bookstore'`,
      ],
      found: [
        'the merchant was credited the price | purchase 1 | 1000 | none',
        'what left a bank came to another | banks | 0 | 1000',
      ],
    },
    {
      what: 'a parcel of another book',
      damage: ['warehouse', `update parcels set book = 'dracula' where gid = 'purchase-1'`],
      found: ['the parcel is what was bought | purchase 1 | 2 emma | 2 dracula'],
    },
    {
      what: 'a parcel of what was given up',
      damage: [
        'bank_a',
        `update purchases set warehouse = 'given up', warehouse_by = 'ann', warehouse_reason = '?' where gid = 'purchase-1'`,
      ],
      found: ['the parcel is what was bought | purchase 1 | none | 2 emma'],
    },
    {
      what: 'a parcel that went out twice',
      damage: ['warehouse', `update parcels set copies = 4 where gid = 'purchase-1'`],
      found: [
        'books in stock + in parcels = delivered | warehouse | 10 | 12',
        'the parcel is what was bought | purchase 1 | 2 emma | 4 emma',
      ],
    },
    {
      what: 'a purchase of which nothing is left at its bank',
      damage: ['bank_a', `delete from purchases where gid = 'purchase-1'`],
      found: [
        'a parcel of books belongs to a purchase | purchase 1 | none | 2 emma',
        'what the merchant was credited belongs to a purchase | purchase 1 | none | 1000',
      ],
    },
    {
      what: 'a price that was not debited',
      damage: ['bank_a', `update purchases set cents = 999 where gid = 'purchase-1'`],
      found: [
        'the merchant was credited the price | purchase 1 | 999 | 1000',
        'what was debited is the price | purchase 1 | 999 | 1000',
      ],
    },
  ];
  for (const { what, damage, found } of damages) {
    it(`name ${what}`, async () => {
      await pull('merchant');
      await pull('warehouse');
      await test.damage(...damage);
      assert.deepEqual(linesOf(await prove()), found.toSorted());
    });
  }
});
