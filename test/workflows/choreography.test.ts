import assert from 'node:assert/strict';
import { createShop, serviceNames, type Shop, type ShopDatabases } from '../../src/activities/index.js';
import { PAYMENT_DUE, type ChoreographedOrderInput, type OrderPath } from '../../src/contracts/events.js';
import { placeOrderChoreographedTransaction, placeOrderTransaction } from '../../src/contracts/transactions.js';
import { decideMessages, GidConflict, TransactionCompensated } from '../../src/kit/client/index.js';
import type { Message } from '../../src/kit/database/index.js';
import { until } from '../support/until.js';
import { ShopWorld } from './support.js';

const names = ['orders', 'inventory', 'payments', 'shipping'] as const;
const RESERVED = ['order.created', 'stock.reserved'];
const PAID = ['payment.captured', 'parcel.dispatched', 'order.placed'];
const UNPAID = ['payment.refused', 'stock.released', 'order.cancelled'];
/** Who does something about an event. */
const reactions = [
  'inventory.orderCreated',
  'payments.stockReserved',
  'shipping.paymentCaptured',
  'orders.parcelDispatched',
  'notifications.orderPlaced',
  'points.orderPlaced',
  'inventory.paymentRefused',
  'orders.stockRefused',
  'orders.stockReleased',
] as const;

describe('a choreographed order', function () {
  this.timeout(180_000);
  const world = new ShopWorld();
  let shop: Shop;
  before(async () => {
    const databases = Object.fromEntries(serviceNames.map((name) => [name, world.database(name)]));
    shop = createShop({ databases: databases as unknown as ShopDatabases });
    await world.deliver(...names);
  });

  const place = (order: Partial<ChoreographedOrderInput> & { orderId: string }) =>
    world.transactions.of(placeOrderChoreographedTransaction)({ customerId: 'c1', units: 2, amount: 2_933, ...order });
  const look = (orderId: string) => shop.plain['orders.look']({ orderId });
  const pathWhen = async (orderId: string, holds: (path: OrderPath) => boolean): Promise<OrderPath> => {
    const found: OrderPath[] = [];
    await until(async () => {
      const { path } = await look(orderId);
      if (path !== null && holds(path)) found.push(path);
      return found.length > 0;
    });
    const [path] = found;
    assert.ok(path);
    return path;
  };
  /** It is final, and all of it was heard of: its end may come first. */
  const ended = (orderId: string) =>
    pathWhen(orderId, ({ waitsFor, path }) => {
      const heard = new Set(path.map(({ id }) => id));
      return waitsFor === undefined && path.every(({ cause }) => cause === null || heard.has(cause));
    });
  const asked = (orderId: string) => pathWhen(orderId, ({ waitsFor }) => waitsFor?.who === 'customer');
  const topics = ({ path }: OrderPath) => path.map(({ topic }) => topic as string);
  const points = async (customer = 'c1') => {
    const text = 'select points from customers where customer_id = $1';
    const [row] = await world.sql<{ points: string }>('orders', text, [customer]);
    return Number(row?.points);
  };
  /** Everything was delivered, but for what waits for its day. Then the books balance. */
  const settled = async () => {
    const waiting = `select (select count(*) from backstitch.outbox) + (
      select count(*) from backstitch.outbox_lanes where due_at < now() + interval '1 minute') as count`;
    await until(async () => {
      const counts = await Promise.all(names.map((name) => world.sql<{ count: string }>(name, waiting)));
      return counts.every(([row]) => row?.count === '0');
    });
    const books = await world.books();
    assert.deepEqual(books.differences, []);
    return books.figures;
  };

  it('is placed by its services one after the other, each once; its customer is told, and earns points', async () => {
    const [had, before] = [await points(), await settled()];
    const opened = await place({ orderId: 'placed' });
    assert.deepEqual(opened, { orderId: 'placed', pointsSpent: 29 });
    const path = await ended('placed');
    assert.equal(path.state, 'placed');
    assert.deepEqual(topics(path), [...RESERVED, ...PAID]);
    assert.deepEqual(
      path.path.map(({ cause }) => cause),
      [null, ...path.path.slice(0, -1).map(({ id }) => id)],
    );
    const { placed, capturedCents, placedUnits, pointsEarned, waiting } = await settled();
    assert.deepEqual(
      [placed - before.placed, capturedCents - before.capturedCents, placedUnits - before.placedUnits, waiting],
      [1, 2_933, 2, 0],
    );
    // It has taken 29 points, and brought 29.
    assert.deepEqual([await points(), pointsEarned - before.pointsEarned], [had, 29]);
    const [told] = await world.sql('notifications', `select kind from notifications where order_id = 'placed'`);
    assert.deepEqual(told, { kind: 'order-placed' });
  });

  it('is cancelled where the stock is short, or the payment refused: stock, then points go back', async () => {
    const [had, before] = [await points(), await settled()];
    await place({ orderId: 'short', units: 10_000 });
    await place({ orderId: 'poor', amount: 2_000_000 });
    const short = await ended('short');
    assert.deepEqual(
      [short.state, topics(short)],
      ['cancelled', ['order.created', 'stock.refused', 'order.cancelled']],
    );
    assert.equal(short.path[1]?.refusal?.type, 'OutOfStock');
    const poor = await ended('poor');
    assert.deepEqual([poor.state, topics(poor)], ['cancelled', [...RESERVED, ...UNPAID]]);
    assert.equal(poor.path[2]?.refusal?.type, 'InsufficientFunds');
    assert.equal(poor.path.at(-1)?.points, 20_000);
    const { cancelled, stockUnits } = await settled();
    assert.deepEqual([cancelled, stockUnits, await points()], [before.cancelled + 2, before.stockUnits, had]);
    await assert.rejects(place({ orderId: 'nobody', customerId: 'nobody' }), TransactionCompensated);
    assert.deepEqual(await look('nobody'), { path: null, deadLetters: [], unknown: [], unread: [] });
  });

  it('ends the same though each service dies before each of its commits, or after: every event comes twice', async () => {
    for (const name of reactions) {
      world.faults.set({ function: `${name}.reaction`, kind: 'fail-worked', gid: 'order-before-*' });
      world.faults.set({ function: `${name}.reaction`, kind: 'die-after-commit', gid: 'order-after-*' });
    }
    world.faults.set({ function: 'orders.open.action', kind: 'die-after-commit', gid: 'order-*-placed' });
    const before = await settled();
    const kinds = ['before', 'after'] as const;
    await Promise.all(
      kinds.flatMap((kind) => [
        place({ orderId: `${kind}-placed`, customerId: 'c2' }),
        place({ orderId: `${kind}-short`, customerId: 'c2', units: 10_000 }),
        place({ orderId: `${kind}-poor`, customerId: 'c2', amount: 2_000_000 }),
      ]),
    );
    for (const kind of kinds) {
      assert.deepEqual(topics(await ended(`${kind}-placed`)), [...RESERVED, ...PAID]);
      assert.equal((await ended(`${kind}-short`)).state, 'cancelled');
      assert.deepEqual(topics(await ended(`${kind}-poor`)), [...RESERVED, ...UNPAID]);
    }
    const after = await settled();
    world.mend();
    assert.deepEqual(
      [after.placed - before.placed, after.cancelled - before.cancelled, before.stockUnits - after.stockUnits],
      [2, 4, 4],
    );
    assert.equal(after.pointsEarned - before.pointsEarned, 58);
  });

  it('waits while the database of a service is away, and says so; then it goes on', async () => {
    const { up } = await world.down('inventory');
    try {
      await place({ orderId: 'away' });
      const path = await pathWhen('away', () => true);
      assert.deepEqual([path.state, path.waitsFor?.who, topics(path)], ['running', 'inventory', ['order.created']]);
      assert.match((await look('away')).unread.join(), /^inventory: /);
    } finally {
      await up();
    }
    assert.equal((await ended('away')).state, 'placed');
    await settled();
  });

  it('waits for a customer who pays later, and is placed when it is paid, or undone when the time is over', async () => {
    const pay = (orderId: string) => shop.plain['payments.pay']({ orderId });
    const before = await settled();
    await place({ orderId: 'later', payLater: true });
    await place({ orderId: 'late', payLater: true, payWithinMs: 3_000, amount: 2_000_000 });
    const { waitsFor } = await asked('later');
    assert.ok(waitsFor?.until && Math.abs(waitsFor.until - waitsFor.since - 30 * 60_000) < 60_000);
    await asked('late');
    const waiting = await world.books();
    assert.deepEqual([waiting.differences, waiting.figures.waiting], [[], 2]);
    // Too little money: it is told, and the payment is still asked for.
    const poor = await pay('late');
    assert.ok(poor.outcome === 'refused' && poor.refusal.type === 'InsufficientFunds');
    assert.deepEqual(await pay('later'), { outcome: 'paid', paymentId: 'payment-later', amount: 2_933 });
    assert.deepEqual(await pay('later'), { outcome: 'paid', paymentId: 'payment-later', amount: 2_933 });
    assert.deepEqual(topics(await ended('later')), [...RESERVED, 'payment.requested', ...PAID]);
    const late = await ended('late');
    assert.deepEqual(topics(late), [...RESERVED, 'payment.requested', ...UNPAID]);
    assert.equal(late.path[3]?.refusal?.type, 'NotPaid');
    const over = await pay('late');
    assert.ok(over.outcome === 'refused' && over.refusal.type === 'NotPaid');
    const none = await pay('placed-by-nobody');
    assert.ok(none.outcome === 'refused' && none.refusal.type === 'NotRequested');
    const after = await settled();
    assert.deepEqual([after.placed - before.placed, after.cancelled - before.cancelled, after.waiting], [1, 1, 0]);
  });

  it('is paid or given up, never both, when its customer pays as the time is over', async () => {
    const sink = shop.outboxes.find(({ outbox }) => outbox.name === 'payments')?.sinks.payments;
    assert.ok(sink);
    const holding = world.database('payments');
    // Not in the transaction that holds the row, where it would be the same until its end.
    const waiters = `select count(*)::integer as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    const waiting = async () => (await world.sql<{ count: number }>('payments', waiters))[0]?.count;
    for (const first of ['pay', 'due'] as const) {
      const orderId = `${first}-first`;
      await place({ orderId, payLater: true });
      await asked(orderId);
      const [row] = await world.sql<Pick<Message, 'id' | 'payload'>>(
        'payments',
        'select id, payload from backstitch.outbox_parked where topic = $1 and key = $2',
        [PAYMENT_DUE, orderId],
      );
      assert.ok(row);
      const due = { ...row, topic: PAYMENT_DUE, key: orderId, source: 'payments', seq: 1, addedAt: 0, attempt: 1 };
      const pay = () => shop.plain['payments.pay']({ orderId });
      const giveUp = () => sink.deliver(due, new AbortController().signal);
      const racing: Promise<unknown>[] = [];
      // Both wait for the row, in this order, when it is let go.
      await holding.transaction(async (sql) => {
        await sql('select from payments where order_id = $1 for update', [orderId]);
        for (const begin of first === 'pay' ? [pay, giveUp] : [giveUp, pay]) {
          racing.push(begin());
          await until(async () => (await waiting()) === racing.length);
        }
      });
      await Promise.all(racing);
      const isPaid = first === 'pay';
      assert.deepEqual(topics(await ended(orderId)), [...RESERVED, 'payment.requested', ...(isPaid ? PAID : UNPAID)]);
      assert.equal((await pay()).outcome, isPaid ? 'paid' : 'refused');
    }
    assert.equal((await settled()).waiting, 0);
  });

  it('of which an event is a dead letter waits for a person, who sends it again', async () => {
    world.faults.set({ function: 'shipping.paymentCaptured.reaction', kind: 'refuse', gid: 'order-dead' });
    await place({ orderId: 'dead' });
    await until(async () => (await look('dead')).deadLetters.length > 0);
    const { path, deadLetters } = await look('dead');
    assert.deepEqual([path?.state, path?.waitsFor?.who], ['running', 'shipping']);
    const [letter] = deadLetters;
    assert.deepEqual(
      [letter?.id, letter?.outbox, letter?.subscriber],
      [...['order-dead/payment.captured', 'payments', 'shipping']],
    );
    assert.match(letter?.error ?? '', /Refused/);
    // It is under way still: money, stock and points are accounted for.
    assert.deepEqual((await world.books()).differences, []);
    world.mend();
    const order = { id: 'order-dead/payment.captured', action: 'resend', actor: 'ann', reason: 'mended' } as const;
    await decideMessages(world.client, { taskQueue: world.taskQueue }, order);
    assert.equal((await ended('dead')).state, 'placed');
    assert.deepEqual((await look('dead')).deadLetters, []);
    await settled();
  });

  it('is one order under one id, whatever the scheme', async () => {
    const order = { orderId: 'twice', customerId: 'c1', units: 1, amount: 100 };
    const opened = await place(order);
    assert.deepEqual(await place(order), opened);
    await assert.rejects(world.transactions.of(placeOrderTransaction)(order), GidConflict);
    await world.transactions.of(placeOrderTransaction)({ ...order, orderId: 'saga' });
    await assert.rejects(place({ ...order, orderId: 'saga' }), GidConflict);
    assert.equal((await ended('twice')).state, 'placed');
    await settled();
  });

  it('comes to nothing more when all that was ever delivered is delivered again', async () => {
    const before = await settled();
    type Row = Omit<Message, 'source' | 'addedAt' | 'attempt' | 'seq'> & { stream: string; seq: string };
    const text = 'select stream, id, topic, key, payload, seq from backstitch.outbox_delivered order by random()';
    let count = 0;
    for (const { outbox, database, sinks } of shop.outboxes) {
      if (!names.some((name) => name === outbox.name)) continue;
      for (const { stream, seq, ...row } of await database.run<Row>(text)) {
        const subscriber = outbox.streams.find(({ name }) => name === stream)?.subscriber ?? '';
        const message = { ...row, seq: Number(seq), source: outbox.name, addedAt: 0, attempt: 1 };
        await sinks[subscriber]?.deliver(message, new AbortController().signal);
        count++;
      }
    }
    assert.ok(count > 100, `${count} were delivered`);
    assert.deepEqual(await settled(), before);
  });
});
