import assert from 'node:assert/strict';
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
    const messages = ['emma', 'absent', 'dracula'].map((book, seq): Message => {
      const id = `purchase-${book}`;
      const payload = { gid: id, book, copies: 1, cents: 1 };
      return { id, source: 'bank_a', seq, topic: BOOK_BOUGHT, payload, addedAt: 0, attempt: 1 };
    });
    const sink = warehouseSink(test.databases.warehouse);
    const { delivered } = await test.databases.warehouse.transaction(async (sql) => {
      await sql("select from books where book = 'dracula' for update");
      const begun = sink.deliverAll(messages, new AbortController().signal);
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
