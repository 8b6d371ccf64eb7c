import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import {
  merchantAccount,
  type DeliverBook,
  type MissedPurchases,
  type PulledPurchases,
  type Purchase,
  type PurchaseSide,
  type PurchaseState,
} from '../../src/contracts/bookstore.js';
import { buyBookTransaction } from '../../src/contracts/transactions.js';
import type { BankName } from '../../src/contracts/transfer.js';
import { decideMessages, runJob, showMessages, TransactionCompensated } from '../../src/kit/client/index.js';
import { Receiver } from '../kit/worker/support/receiver.js';
import { until } from '../support/until.js';
import { ShopWorld } from './support.js';

describe('purchases at the bookstore', function () {
  this.timeout(240_000);
  const world = new ShopWorld('bank_a.buy.action:die-after-commit=1@purchase-dies-*');
  let alarms: Receiver;
  world.settings = async () => {
    alarms = await Receiver.open();
    return {
      alarms: { url: alarms.url, secret: [randomBytes(32).toString('base64')] },
      // A window of one second, in which nothing is given up: what has failed so often only is.
      relay: { backoffMs: 100, mostBackoffMs: 400, windowMs: 1_000, leastAttempts: 1_000 },
    };
  };
  before(async () => {
    await world.sql('bank_a', OPEN_ACCOUNTS, [['alice', 'poor', 'closed'], 1_000_000]);
    await world.sql('bank_c', OPEN_ACCOUNTS, [['carol'], 1_000_000]);
  });
  after(() => alarms.close());

  const job = <Result>(workflow: string, ...args: unknown[]) =>
    runJob<Result>(world.client, world.where, workflow, `test-${randomUUID()}`, args);
  const stock = (...books: DeliverBook[]) =>
    job('openBookstore', { bank: merchantAccount.bank, accounts: [merchantAccount.account], cents: 0 }, books);
  const restock = (book: string, copies: number) => job('restockBook', { id: randomUUID(), book, copies });
  const show = (id: string) => job<PurchaseState | null>('purchaseState', id);
  const missed = (side: PurchaseSide) => job<MissedPurchases>('missedPurchases', { side });
  const pull = (side: PurchaseSide) => job<PulledPurchases>('pullPurchases', { side });

  const purchaseOf = (name: string, given: Partial<Purchase> = {}): Purchase => ({
    ...{ id: `${name}-${randomUUID().slice(0, 8)}`, from: { bank: 'bank_a', account: 'alice' } },
    ...{ book: 'emma', copies: 1, cents: 10_000, ...given },
  });
  const buy = async (purchase: Purchase) => {
    const { id, book, copies, cents } = purchase;
    assert.deepEqual(await world.transactions.of(buyBookTransaction)(purchase), { id, book, copies, cents });
    return `purchase-${purchase.id}`;
  };
  /** The purchase's row, or that there is none. */
  const rowOf = async (gid: string, bank: BankName = 'bank_a') => {
    type Row = { debit: string; warehouse: string; merchant: string };
    const [row] = await world.sql<Row>(bank, 'select debit, warehouse, merchant from purchases where gid = $1', [gid]);
    return row;
  };
  const isDone = async (gid: string, bank?: BankName) => {
    const row = await rowOf(gid, bank);
    return row?.warehouse === 'done' && row.merchant === 'done';
  };
  /** All that was done for a purchase, everywhere: amounts of entries, copies of parcels. */
  const effectsOf = async (gid: string, bank: BankName = 'bank_a') => {
    const entries = async (at: BankName, which: string) => {
      const text = `select amount from entries where gid = $1 and account ${which} order by entered_at`;
      return (await world.sql<{ amount: string }>(at, text, [gid])).map(({ amount }) => Number(amount));
    };
    const taken = await world.sql<{ amount: string }>(
      'warehouse',
      'select amount from book_entries where order_id = $1',
      [gid],
    );
    return {
      paid: await entries(bank, `not in ('clearing', '${merchantAccount.account}')`),
      got: await entries('bank_c', `= '${merchantAccount.account}'`),
      taken: taken.map(({ amount }) => Number(amount)),
    };
  };
  const once = ({ cents, copies }: Purchase) => ({ paid: [-cents], got: [cents], taken: [-copies] });
  const nothingWaits = async () => {
    const { streams } = await showMessages(world.client, world.where);
    return streams.every(({ waiting, aside }) => waiting + aside === 0);
  };

  it('are pulled by either side, where no relay is; what cannot be done yet waits; when a relay comes nothing is done twice', async () => {
    const purchase = purchaseOf('pulled', { copies: 2, from: { bank: 'bank_c', account: 'carol' } });
    const gid = await buy(purchase);
    assert.deepEqual(await rowOf(gid, 'bank_c'), { debit: 'done', warehouse: 'in progress', merchant: 'in progress' });
    for (const side of ['warehouse', 'merchant'] as const) {
      const { purchases, total, unread } = await missed(side);
      const [{ since, ...found } = { since: 0 }] = purchases;
      assert.deepEqual([found, total, unread], [purchase, 1, []]);
      assert.ok(since > 0);
      const { handled, waiting, failed, reasons } = await pull(side);
      assert.deepEqual([handled, waiting, failed, reasons.map(({ id }) => id)], [0, 1, 0, [purchase.id]]);
    }
    const open = await world.books();
    assert.deepEqual(open.differences, []);
    const { purchasesOpen, bankInFlightCents, booksDelivered } = open.figures;
    assert.deepEqual([purchasesOpen, bankInFlightCents, booksDelivered], [1, 10_000, 0]);

    await stock({ book: 'emma', copies: 100 });
    const emptied = { handled: 1, waiting: 0, failed: 0, reasons: [] };
    // A bank that is silent is named, and those behind it are asked nevertheless.
    const bank = await world.down('bank_a');
    const { unread: silent, ...rest } = await pull('merchant').finally(bank.up);
    assert.deepEqual(rest, { side: 'merchant', ...emptied });
    assert.deepEqual(
      silent.map((each) => each.bank),
      ['bank_a'],
    );
    assert.match(silent[0]?.message ?? '', /^the database of bank_a is silent or busy/);
    assert.deepEqual(await rowOf(gid, 'bank_c'), { debit: 'done', warehouse: 'in progress', merchant: 'done' });
    assert.deepEqual(await pull('warehouse'), { side: 'warehouse', ...emptied, unread: [] });
    assert.deepEqual(await effectsOf(gid, 'bank_c'), once(purchase));
    assert.equal((await missed('warehouse')).total, 0);
    await world.deliver();
    await until(nothingWaits);
    assert.deepEqual(await effectsOf(gid, 'bank_c'), once(purchase));
    const state = await show(purchase.id);
    assert.deepEqual(state, {
      ...purchase,
      debit: 'done',
      warehouse: 'done',
      merchant: 'done',
      boughtAt: state?.boughtAt,
      dead: [],
      givenUp: [],
    });
    const { differences, figures } = await world.books();
    assert.deepEqual(differences, []);
    assert.deepEqual(
      [figures.purchases, figures.purchasesOpen, figures.booksInStock, figures.booksTaken, figures.bankInFlightCents],
      [1, 0, 98, 2, 0],
    );
  });

  it('reach both sides at once, from any bank, once however often they are asked for', async () => {
    const [one, other] = [purchaseOf('one'), purchaseOf('other', { from: { bank: 'bank_c', account: 'carol' } })];
    const gids = await Promise.all([buy(one), buy(other), buy(one)]);
    await until(() => isDone(gids[0]));
    await until(() => isDone(gids[1], 'bank_c'));
    assert.deepEqual(await effectsOf(gids[0]), once(one));
    assert.deepEqual(await effectsOf(gids[1], 'bank_c'), once(other));
    await assert.rejects(buy({ ...one, copies: 5 }), /GidConflict|is another transaction|has the id|other content/);
  });

  it('are made once, though the worker dies after the commit', async () => {
    const purchase = purchaseOf('dies');
    const gid = await buy(purchase);
    await until(() => isDone(gid));
    assert.deepEqual(await effectsOf(gid), once(purchase));
  });

  it('are refused where the account has too little, or is closed: nothing is written, and nobody is told', async () => {
    await world.sql('bank_a', "update accounts set status = 'closed' where account = 'closed'");
    for (const [account, why] of [
      ['poor', 'InsufficientFunds'],
      ['closed', 'AccountClosed'],
    ] as const) {
      const purchase = purchaseOf(account, { from: { bank: 'bank_a', account }, cents: 1_000_001 });
      const gid = `purchase-${purchase.id}`;
      await assert.rejects(
        buy(purchase),
        (error) =>
          error instanceof TransactionCompensated && error.message.includes(why) && !error.message.includes('\n'),
      );
      assert.equal(await rowOf(gid), undefined);
      assert.deepEqual(await effectsOf(gid), { paid: [], got: [], taken: [] });
      const sent =
        'select from backstitch.outbox where id = $1 union all select from backstitch.outbox_delivered where id = $1';
      assert.deepEqual(await world.sql('bank_a', sent, [gid]), []);
      assert.equal(await show(purchase.id), null);
    }
  });

  it('that get lost on their way are sent again: the other side is not held up', async () => {
    const warehouse = await world.down('warehouse');
    const purchase = purchaseOf('lost');
    const gid = await buy(purchase);
    await until(async () => (await rowOf(gid))?.merchant === 'done');
    assert.equal((await rowOf(gid))?.warehouse, 'in progress');
    await warehouse.up();
    await until(() => isDone(gid));
    assert.deepEqual(await effectsOf(gid), once(purchase));
  });

  it('wait while a book is out of stock, with an alarm after the window, and are done by themselves after a restock', async () => {
    await stock({ book: 'rare', copies: 1 });
    const [many, single] = [purchaseOf('many', { book: 'rare', copies: 3 }), purchaseOf('single', { book: 'rare' })];
    const gid = await buy(many);
    await until(() => alarms.received.some(({ event }) => event.data.message.includes(gid)));
    const [alarm] = alarms.received.filter(({ event }) => event.data.message.includes(gid));
    assert.equal(alarm?.event.data.kind, 'message-late');
    assert.match(alarm.event.data.message, /bank_a\/warehouse\/0 .* wants 3 of rare, the warehouse has 1$/);
    // One that it can serve is not held up by that.
    const other = await buy(single);
    await until(() => isDone(other));
    assert.deepEqual(await rowOf(gid), { debit: 'done', warehouse: 'in progress', merchant: 'done' });
    assert.deepEqual(
      (await missed('warehouse')).purchases.map(({ id }) => id),
      [many.id],
    );
    const { balanced, figures } = await world.books();
    assert.deepEqual([balanced, figures.purchasesOpen, figures.bankInFlightCents], [true, 1, 0]);
    await restock('rare', 3);
    await until(() => isDone(gid));
    assert.deepEqual(await effectsOf(gid), once(many));
    assert.equal((await showMessages(world.client, world.where)).total, 0);
  });

  it('that the merchant refuses wait for a person: neither the relay nor a pull does them before', async () => {
    const set = (status: string) =>
      world.sql('bank_c', 'update accounts set status = $1 where account = $2', [status, merchantAccount.account]);
    await set('closed');
    const purchase = purchaseOf('refused');
    const gid = await buy(purchase);
    await until(async () => (await showMessages(world.client, world.where)).total === 1);
    const { dead, ...shown } = (await show(purchase.id)) ?? { dead: [] };
    assert.deepEqual([dead.map(({ side }) => side), shown], [['merchant'], { ...shown, merchant: 'in progress' }]);
    assert.match(dead[0]?.message ?? '', /AccountClosed/);
    await set('open');
    const { handled, failed, reasons } = await pull('merchant');
    assert.deepEqual([handled, failed], [0, 1]);
    assert.match(reasons[0]?.message ?? '', /AccountClosed/);
    assert.deepEqual((await effectsOf(gid)).got, []);
    const order = { id: gid, action: 'resend', actor: 'ann', reason: 'it is open again' } as const;
    await decideMessages(world.client, world.where, order);
    await until(() => isDone(gid));
    assert.deepEqual(await effectsOf(gid), once(purchase));
  });

  it('whose acknowledgement is lost come again, without a second effect', async () => {
    await world.sql(
      'bank_a',
      `create function lose() returns trigger language plpgsql as $$ begin raise exception 'it is lost'; end $$;
       create trigger lose before update on purchases for each row execute function lose()`,
    );
    const purchase = purchaseOf('unacknowledged');
    const gid = await buy(purchase);
    const tried = 'select from backstitch.outbox_lanes where attempts >= 2 and error = $1';
    await until(async () => (await world.sql('bank_a', tried, ['it is lost'])).length === 2);
    // Both have done their part, and have been told again.
    assert.deepEqual(await effectsOf(gid), once(purchase));
    assert.deepEqual(await rowOf(gid), { debit: 'done', warehouse: 'in progress', merchant: 'in progress' });
    assert.equal((await world.books()).balanced, true);
    // Who asks for it hears that it is not known.
    const { handled, unread } = await pull('warehouse');
    assert.deepEqual([handled, unread.length], [0, 1]);
    assert.match(unread[0]?.message ?? '', /^the database of bank_a .*it is lost/);
    await world.sql('bank_a', 'drop trigger lose on purchases');
    await until(() => isDone(gid));
    assert.deepEqual(await effectsOf(gid), once(purchase));
  });

  it('are handled once, though a side asks for them while a relay delivers them', async () => {
    const client = new pg.Client({ connectionString: world.urlOf('warehouse') });
    await client.connect();
    try {
      // The relay's delivery stops in the middle of its work, with the message's row in the inbox; who asks then meets it there.
      await client.query("begin; select from books where book = 'emma' for update");
      const purchase = purchaseOf('both');
      const gid = await buy(purchase);
      const text = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      const waiting = async () => (await world.sql('warehouse', text)).length;
      await until(async () => (await waiting()) === 1);
      const pulled = pull('warehouse');
      await until(async () => (await waiting()) === 2);
      await client.query('commit');
      assert.deepEqual(await pulled, { side: 'warehouse', handled: 1, waiting: 0, failed: 0, reasons: [], unread: [] });
      await until(() => isDone(gid));
      await until(nothingWaits);
      assert.deepEqual(await effectsOf(gid), once(purchase));
    } finally {
      await client.end();
    }
    assert.deepEqual((await world.books()).differences, []);
  });
});
