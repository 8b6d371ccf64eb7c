import assert from 'node:assert/strict';
import pg from 'pg';
import { createShop } from '../../src/activities/index.js';
import type { VerifiedTopic } from '../../src/activities/choreography/verify.js';
import { choreographedOrderSchema, eventId } from '../../src/contracts/events.js';
import { pgDatabase, Poison, SinkUnavailable, type Database } from '../../src/kit/database/index.js';
import { advance, linesOf, operation, orderOf, recall, stockTestShop, undo, type TestShop } from './support.js';

describe('the consumer that verifies orders', () => {
  let test: TestShop;
  stockTestShop((opened) => (test = opened));
  let count = 0;
  const newOrder = () => orderOf(`v${++count}`);
  type Order = ReturnType<typeof newOrder>;

  const message = (topic: VerifiedTopic, given: Order, attempt = 1) => ({
    ...{
      id: eventId(given.orderId, topic),
      topic,
      key: given.orderId,
      source: 'orders',
      seq: count,
      addedAt: 0,
      attempt,
    },
    payload: { order: choreographedOrderSchema.parse(given), cause: null, at: 1, pointsSpent: 29, pointsReturned: 29 },
  });
  const verify = async (topic: VerifiedTopic, order: Order, attempt?: number, shop = test.shop) => {
    const sink = shop.outboxes.find(({ outbox }) => outbox.name === 'orders')?.sinks.verifier;
    assert.ok(sink);
    await sink.deliver(message(topic, order, attempt), new AbortController().signal);
  };
  const statuses = async ({ orderId }: Order) => {
    const status = async (service: 'payments' | 'inventory', table: string) =>
      (await test.sql<{ status: string }>(service, `select status from ${table} where order_id = $1`, [orderId]))[0]
        ?.status;
    return [await status('payments', 'payments'), await status('inventory', 'reservations')];
  };

  it('is content where they agree: an order that is placed, and one that was undone', async () => {
    const [made, undone] = [newOrder(), newOrder()];
    await advance(test, made);
    await advance(test, undone, 'reserved');
    await undo(test, undone);
    await verify('order.placed', made);
    await verify('order.cancelled', undone);
    assert.deepEqual(await statuses(undone), ['refunded', 'released']);
  });

  it('is content where the order has gone on since: its own message tells of that', async () => {
    const order = newOrder();
    await advance(test, order);
    await verify('order.created', order);
    await recall(test, order);
    await recall(test, order, 'returned');
    await verify('order.placed', order);
  });

  it('is content where the order comes back while it looks', async () => {
    const order = newOrder();
    await advance(test, order);
    const { payments } = test.databases;
    let isBack = false;
    const run: Database['run'] = async <Row extends object>(...given: Parameters<Database['run']>) => {
      if (!isBack) {
        isBack = true;
        await recall(test, order);
        await recall(test, order, 'returned');
      }
      return payments.run<Row>(...given);
    };
    const shop = createShop({ databases: test.databases, relays: { payments: { ...payments, run } } });
    await verify('order.placed', order, 1, shop);
    assert.equal(isBack, true);
  });

  it('waits, and blames no message, while a database is away that it has to read', async () => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: 1 });
    const shop = createShop({ databases: test.databases, relays: { payments: pgDatabase(pool) } });
    const [made, undone] = [newOrder(), newOrder()];
    await advance(test, made);
    await advance(test, undone, 'reserved');
    await undo(test, undone);
    await verify('order.created', made, 1, shop);
    for (const [topic, order] of [
      ['order.placed', made],
      ['order.cancelled', undone],
    ] as const) {
      await assert.rejects(verify(topic, order, 1, shop), (error) => {
        assert.ok(error instanceof SinkUnavailable, String(error));
        assert.match(error.message, /^the database of payments cannot be used: .*ECONNREFUSED/);
        return true;
      });
      await verify(topic, order, 2);
    }
    await pool.end();
  });

  it('has the message sent again while something is missing; when that has come, it is content', async () => {
    const order = newOrder();
    await assert.rejects(verify('order.created', order), {
      name: 'Error',
      message: `order ${order.orderId} is not as order-${order.orderId}/order.created says: there is no order`,
    });
    await advance(test, order, 'reserved');
    await assert.rejects(verify('order.placed', order), /says: the order is created$/);
    await test.shop.participants.orders.complete.action(operation('orders.complete.action', `order-${order.orderId}`), {
      orderId: order.orderId,
    });
    await verify('order.placed', order, 2);
  });

  it('gives back what a cancelled order has taken, once, though the message comes twice, and after it died in between', async () => {
    const order = newOrder();
    await advance(test, order, 'reserved');
    const { orderId, customerId } = order;
    await test.sql('inventory', 'update reservations set choreographed = true where order_id = $1', [orderId]);
    const gid = `order-${orderId}`;
    // A defect: it is cancelled, and nobody has given back money and stock.
    await test.shop.participants.orders.create.compensation(operation('orders.create.compensation', gid), order);
    assert.deepEqual(await statuses(order), ['captured', 'reserved']);
    // One that died after it had given back the money.
    const once = operation('verifier.refund', gid, { branch: 'verified-refund', op: 'action', driver: 'verifier' });
    await test.shop.participants.payments.refund.action(once, { orderId, customerId });
    for (const attempt of [1, 2]) await verify('order.cancelled', order, attempt);
    assert.deepEqual(await statuses(order), ['refunded', 'released']);
    assert.deepEqual(linesOf(await test.shop.plain['books.prove']()), []);
  });

  it('refunds nothing of a cancelled order whose parcel has left: a person has to', async () => {
    const order = newOrder();
    await advance(test, order, 'reserved');
    const { orderId, customerId, sku, units } = order;
    const { orders, shipping } = test.shop.participants;
    const gid = `order-${orderId}`;
    await shipping.dispatch.action(operation('shipping.dispatch.action', gid), { orderId, customerId, sku, units });
    await orders.create.compensation(operation('orders.create.compensation', gid), order);
    await assert.rejects(
      verify('order.cancelled', order),
      (error) =>
        error instanceof Poison && error.message.endsWith('its parcel has left; a person has to say what is right'),
    );
    assert.deepEqual(await statuses(order), ['captured', 'reserved']);
  });

  it('leaves to a person, as a dead letter at once, what no program can decide: the parcel has left, and it was not paid', async () => {
    const order = newOrder();
    await advance(test, order);
    const { orderId, customerId } = order;
    await test.shop.participants.payments.refund.action(operation('payments.refund.action', `wrong-${orderId}`), {
      ...{ orderId, customerId },
    });
    await assert.rejects(
      verify('order.placed', order),
      (error) =>
        error instanceof Poison && error.message.endsWith('the payment is refunded; a person has to say what is right'),
    );
    assert.deepEqual(await statuses(order), ['refunded', 'reserved']);
  });
});
