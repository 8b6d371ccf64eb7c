import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { PlaceOrderInput } from '../../src/contracts/place-order.js';
import {
  closeLostTransaction,
  placeOrderTransaction,
  recallOrderTransaction,
  refundRecalledTransaction,
} from '../../src/contracts/transactions.js';
import { GidConflict, TransactionCompensated, type CallOptions } from '../../src/kit/client/index.js';
import { ShopWorld } from './support.js';

describe('what cannot be undone', function () {
  this.timeout(120_000);
  const world = new ShopWorld(
    'notifications.orderRecalled.action:die-after-commit=2@recall-sms-*',
    'shipping.recall.action:refuse@recall-refused-*',
    'shipping.takeBack.action:die-after-commit=2@returned-retried-*',
    'payments.refund.action:die-after-commit=2@returned-retried-*',
    'inventory.release.action:fail=2@returned-retried-*',
    'orders.takeBack.action:fail-worked=2@returned-retried-*',
    'notifications.announce.action:die-after-commit@order-heard-*',
    'notifications.announce.action:fail@order-never-*',
    'notifications.announce.amends:die-after-commit=2@order-corrected-*',
  );
  afterEach('the books balance', async () => {
    const { differences } = await world.books();
    assert.deepEqual(differences, []);
  });

  const newId = (name = 'o') => `${name}-${randomUUID().slice(0, 8)}`;
  const place = (orderId: string, more: Partial<PlaceOrderInput> = {}, call: CallOptions = {}) =>
    world.transactions.of(placeOrderTransaction)({ orderId, customerId: 'c1', units: 2, amount: 2_933, ...more }, call);
  const recall = (orderId: string, reason = 'scratched') =>
    world.transactions.of(recallOrderTransaction)({ orderId, reason, actor: 'ann' });
  const returned = (orderId: string) => world.transactions.of(refundRecalledTransaction)({ orderId });
  const lost = (orderId: string) => world.transactions.of(closeLostTransaction)({ orderId, actor: 'bob' });

  const placed = async (name?: string) => {
    const id = newId(name);
    await place(id);
    return id;
  };
  /** What a customer was told of an order, in that order. */
  const told = async (orderId: string) => {
    const text = 'select kind from notifications where order_id = $1 order by sent_at';
    return (await world.sql<{ kind: string }>('notifications', text, [orderId])).map(({ kind }) => kind);
  };
  /** The order, its recall, and the money that it holds. */
  const stateOf = async (orderId: string) => {
    const of = (table: string) => `select status from ${table} where order_id = $1`;
    const [order] = await world.sql<{ status: string }>('orders', of('orders'), [orderId]);
    const [asked] = await world.sql<{ status: string }>('shipping', of('recalls'), [orderId]);
    const [payment] = await world.sql<{ status: string }>('payments', of('payments'), [orderId]);
    return [order?.status, asked?.status ?? 'none', payment?.status];
  };
  /** Asserts that a transaction was undone, or refused at its first step, for this reason. */
  const undone = (call: Promise<unknown>, type: string) =>
    assert.rejects(call, (error: Error) => {
      assert.ok(error instanceof TransactionCompensated, String(error));
      assert.equal(error.report.cause.type, type);
      assert.deepEqual(error.report.notUndone, []);
      return true;
    });

  describe('a recall', () => {
    it('asks the carrier and corrects the customer; what comes back is refunded, with stock and points', async () => {
      const id = await placed();
      assert.deepEqual(await recall(id), { orderId: id, customerId: 'c1' });
      assert.deepEqual(await stateOf(id), ['placed', 'requested', 'captured']);
      assert.deepEqual(await told(id), ['order-placed', 'order-recalled']);
      assert.deepEqual(await returned(id), { orderId: id, refunded: 2_933, unitsReturned: 2, pointsReturned: 29 });
      assert.deepEqual(await stateOf(id), ['returned', 'returned', 'refunded']);
      assert.deepEqual(await told(id), ['order-placed', 'order-recalled']);
    });

    it('of a lost parcel moves no money: the order ends as lost, and the log says who and why', async () => {
      const id = await placed();
      await recall(id);
      await lost(id);
      assert.deepEqual(await stateOf(id), ['lost', 'lost', 'captured']);
      const log = await world.sql('shipping', 'select amends, who, why from amends_log where order_id = $1', [id]);
      assert.deepEqual(log, [{ amends: 'recall', who: 'bob', why: 'the carrier lost the parcel' }]);
      await undone(returned(id), 'RecallEnded');
      assert.deepEqual(await stateOf(id), ['lost', 'lost', 'captured']);
    });

    it('whose message was sent and its reply lost, twice, sends it once', async () => {
      const id = await placed('sms');
      await recall(id);
      assert.deepEqual(await told(id), ['order-placed', 'order-recalled']);
    });

    it("while the carrier's service is down waits for it, and tells the customer nothing before", async () => {
      const id = await placed();
      const { up } = await world.down('shipping');
      const recallOrder = world.transactions.of(recallOrderTransaction);
      const started = await recallOrder.start({ orderId: id, reason: 'scratched', actor: 'ann' });
      try {
        await world.retrying(started.gid, 'shipping.recall.action');
        assert.deepEqual(await told(id), ['order-placed']);
      } finally {
        await up();
      }
      await started.result();
      assert.deepEqual(await told(id), ['order-placed', 'order-recalled']);
      assert.deepEqual(await stateOf(id), ['placed', 'requested', 'captured']);
    });

    it('that the carrier refuses leaves the order as it was, and nobody is told', async () => {
      const id = await placed('refused');
      await undone(recall(id), 'Refused');
      assert.deepEqual(await stateOf(id), ['placed', 'none', 'captured']);
      assert.deepEqual(await told(id), ['order-placed']);
      const [order] = await world.sql('orders', 'select recalled_at from orders where order_id = $1', [id]);
      assert.deepEqual(order, { recalled_at: null });
    });

    it('asked for by ten at once is one: those who ask the same hear its outcome, others are refused', async () => {
      const id = await placed();
      const asked = await Promise.allSettled(Array.from({ length: 10 }, () => recall(id)));
      assert.deepEqual(new Set(asked.map(({ status }) => status)), new Set(['fulfilled']));
      await assert.rejects(recall(id, 'another reason'), GidConflict);
      assert.deepEqual(await told(id), ['order-placed', 'order-recalled']);
      assert.deepEqual(await stateOf(id), ['placed', 'requested', 'captured']);
    });

    it('asked for at once under two ids, which nobody should, is one: the other is undone', async () => {
      const id = await placed();
      const start = (gid: string) =>
        world.transactions
          .of({ ...recallOrderTransaction, gid: () => gid })({ orderId: id, reason: 'scratched', actor: 'ann' })
          .then(
            () => 'recalled',
            (error: unknown) => (error as TransactionCompensated).report.cause.type,
          );
      const ends = await Promise.all([start(`recall-${id}`), start(`recall-again-${id}`)]);
      assert.deepEqual(ends.sort(), ['AlreadyRecalled', 'recalled']);
      assert.deepEqual(await told(id), ['order-placed', 'order-recalled']);
      assert.deepEqual(await stateOf(id), ['placed', 'requested', 'captured']);
    });

    it('of an order that was undone, or never was, is refused', async () => {
      const id = newId();
      await undone(place(id, { amount: 2_000_000 }), 'InsufficientFunds');
      await undone(recall(id), 'OrderNotPlaced');
      await undone(recall(newId()), 'OrderNotPlaced');
      assert.deepEqual(await told(id), []);
    });
  });

  describe('the answer of a carrier', () => {
    it('before anything was recalled moves nothing', async () => {
      const id = await placed();
      await undone(returned(id), 'NotRecalled');
      await undone(lost(id), 'NotRecalled');
      assert.deepEqual(await stateOf(id), ['placed', 'none', 'captured']);
    });

    it('that the parcel came back, and at once that it is lost, counts once, and money follows it', async () => {
      const id = await placed();
      await recall(id);
      const answers = await Promise.allSettled([returned(id), lost(id), returned(id)]);
      const [order, parcel, payment] = await stateOf(id);
      assert.deepEqual([order, payment], [parcel, parcel === 'returned' ? 'refunded' : 'captured']);
      const [back, gone] = answers.map(({ status }) => status === 'fulfilled');
      assert.deepEqual([back, gone], [parcel === 'returned', parcel === 'lost']);
    });

    it('brings all back once, though replies are lost and services fail', async () => {
      const id = await placed('retried');
      await recall(id);
      assert.deepEqual(await returned(id), { orderId: id, refunded: 2_933, unitsReturned: 2, pointsReturned: 29 });
      assert.deepEqual(await stateOf(id), ['returned', 'returned', 'refunded']);
    });
  });

  describe('an announcement', () => {
    const dear = { announce: true, amount: 2_000_000 };

    it('of an order that is placed stands', async () => {
      const [id, stockFirst] = [newId(), newId()];
      await place(id, { announce: true });
      await place(stockFirst, { announce: true, sequence: 'stock-first' }, { lane: 'lean' });
      assert.deepEqual(await told(id), ['order-received', 'order-placed']);
      assert.deepEqual(await told(stockFirst), ['order-received', 'order-placed']);
    });

    it('of an order that is undone is corrected once, though the reply is lost twice', async () => {
      const id = newId('corrected');
      await undone(place(id, dear), 'InsufficientFunds');
      assert.deepEqual(await told(id), ['order-received', 'order-undone']);
    });

    it('that may have been sent and was is corrected; that was not is barred, and there is nothing to correct', async () => {
      const [heard, never] = [newId('heard'), newId('never')];
      await undone(place(heard, dear, { retries: 0 }), 'InjectedFault');
      assert.deepEqual(await told(heard), ['order-received', 'order-undone']);
      await undone(place(never, dear, { retries: 0 }), 'InjectedFault');
      assert.deepEqual(await told(never), []);
      const text = 'select phase, op, outcome from backstitch.guard where gid = $1 order by phase';
      assert.deepEqual(await world.sql('notifications', text, [`order-${never}`]), [
        { phase: 1, op: 'amends', outcome: 'barred' },
        { phase: 2, op: 'amends', outcome: 'empty' },
      ]);
    });
  });
});
