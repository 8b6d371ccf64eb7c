import assert from 'node:assert/strict';
import type { ServiceName } from '../../src/activities/index.js';
import { advance, linesOf, operation, orderOf, recall, refused, stockTestShop, type TestShop } from './support.js';

/** What an order by TCC holds: money and units are frozen, and points are taken by an order that is not placed yet. */
describe('what an order holds', () => {
  let test: TestShop;
  stockTestShop((opened) => (test = opened));
  type Phase = 'try' | 'confirm' | 'cancel';

  /** Asks a branch for one of its operations, as the order's transaction or as another. */
  const ask = (
    what: 'draft' | 'money' | 'units',
    phase: Phase,
    given = orderOf('o1'),
    gid = `order-${given.orderId}`,
  ) => {
    const { orderId, customerId, sku, units, amount } = given;
    const { orders, payments, inventory } = test.shop.participants;
    const of = (name: string) => operation(`${name}.${phase}`, gid, { scheme: 'tcc' });
    if (what === 'draft') {
      const input = { orderId, customerId, sku, units, amount };
      const draft = of('orders.draft');
      if (phase === 'try') return orders.draft.try(draft, input);
      return phase === 'confirm' ? orders.draft.confirm(draft, input) : orders.draft.cancel(draft, input);
    }
    if (what === 'money') {
      const input = { orderId, customerId, amount };
      const freeze = of('payments.freeze');
      if (phase === 'try') return payments.freeze.try(freeze, input);
      return phase === 'confirm' ? payments.freeze.confirm(freeze, input) : payments.freeze.cancel(freeze, input);
    }
    const input = { orderId, sku, units };
    const freeze = of('inventory.freeze');
    if (phase === 'try') return inventory.freeze.try(freeze, input);
    return phase === 'confirm' ? inventory.freeze.confirm(freeze, input) : inventory.freeze.cancel(freeze, input);
  };
  const all = async (phase: Phase, given = orderOf('o1')) => {
    for (const what of ['draft', 'money', 'units'] as const) await ask(what, phase, given);
  };
  /** What can be spent, and what is frozen besides. */
  const figures = async (service: ServiceName, text: string): Promise<number[]> => {
    const [row] = await test.sql<Record<string, string>>(service, text);
    return Object.values(row ?? {}).map(Number);
  };
  const money = () => figures('payments', `select balance, frozen from wallets where customer_id = 'c1'`);
  const units = () => figures('inventory', `select available, frozen from stock where sku = 'cd'`);
  const points = () => figures('orders', `select points from customers where customer_id = 'c1'`);
  const lines = async () => linesOf(await test.shop.plain['books.prove']());

  it('can be had by nobody else, and is seen: of money, units and points', async () => {
    await all('try');
    await all('try');
    assert.deepEqual([await money(), await units(), await points()], [[7_067, 2_933], [98, 2], [971]]);
    const { figures: found, differences } = await test.shop.plain['books.prove']();
    assert.deepEqual([found.frozenCents, found.frozenUnits, found.open], [2_933, 2, 1]);
    // The sums of money and units hold while it is held: only the order is not decided yet, and so are its points.
    assert.deepEqual(
      differences.map(({ check }) => check),
      ['an order is in a final state', 'points held + points of placed orders - points earned = points opened'],
    );
    const dear = await refused(ask('money', 'try', orderOf('o2', { amount: 7_068 })), 'InsufficientFunds');
    assert.equal(dear, 'customer c1 has 70.67, order o2 costs 70.68');
    assert.equal(
      await refused(ask('units', 'try', orderOf('o3', { units: 99 })), 'OutOfStock'),
      '98 cd are left, order o3 needs 99',
    );
  });

  it('is taken by its confirm, once', async () => {
    await all('try');
    await all('confirm');
    await all('confirm');
    assert.deepEqual([await money(), await units(), await points()], [[7_067, 0], [98, 0], [971]]);
    const [{ status } = { status: '' }] = await test.sql<{ status: string }>('orders', 'select status from orders');
    assert.equal(status, 'placed');
  });

  it('comes back by its cancel, once; and no try follows that', async () => {
    await all('try');
    await all('cancel');
    await all('cancel');
    assert.deepEqual([await money(), await units(), await points()], [[10_000, 0], [100, 0], [1_000]]);
    assert.deepEqual(await lines(), []);
    for (const what of ['draft', 'money', 'units'] as const) {
      await assert.rejects(ask(what, 'try'), { name: 'Suspended' });
    }
  });

  it('is nothing where its cancel came first', async () => {
    await all('cancel');
    for (const what of ['draft', 'money', 'units'] as const) {
      await assert.rejects(ask(what, 'try'), { name: 'Suspended' });
      await assert.rejects(ask(what, 'confirm'), { name: 'Suspended' });
    }
    assert.deepEqual([await money(), await units(), await points()], [[10_000, 0], [100, 0], [1_000]]);
  });

  it('is nothing of an order for 0 cents but its units, which the books know', async () => {
    const gift = orderOf('gift', { amount: 0 });
    await all('try', gift);
    assert.deepEqual(
      [await money(), await units()],
      [
        [10_000, 0],
        [98, 2],
      ],
    );
    await all('cancel', gift);
    assert.deepEqual(await lines(), []);
  });

  it('is refused as by a saga: an unknown customer or article, an order that has it already, wrong input', async () => {
    await refused(ask('draft', 'try', orderOf('a', { customerId: 'nobody' })), 'UnknownCustomer');
    await refused(ask('money', 'try', orderOf('b', { customerId: 'nobody' })), 'UnknownCustomer');
    await refused(ask('units', 'try', orderOf('c', { sku: 'vinyl' })), 'UnknownSku');
    await refused(ask('units', 'try', orderOf('d', { units: 0 })), 'InvalidInput');
    await refused(ask('money', 'try', orderOf('e', { amount: 0.5 })), 'InvalidInput');
    await all('try');
    await refused(ask('draft', 'try', orderOf('o1'), 'another'), 'DuplicateOrder');
    await refused(ask('money', 'try', orderOf('o1'), 'another'), 'AlreadyPaid');
    await refused(ask('units', 'try', orderOf('o1'), 'another'), 'AlreadyReserved');
  });

  it('is used like any other once it is taken: a recalled order gets it back', async () => {
    const order = orderOf('o1');
    const { orderId, customerId, sku, units: count } = order;
    await all('try');
    await all('confirm');
    const { shipping, notifications } = test.shop.participants;
    const told = { orderId, customerId };
    await shipping.dispatch.action(operation('shipping.dispatch.action', 'order-o1'), { ...told, sku, units: count });
    await notifications.orderPlaced.action(operation('notifications.orderPlaced.action', 'order-o1'), told);
    assert.deepEqual(await lines(), []);
    await recall(test, order);
    await recall(test, order, 'returned');
    assert.deepEqual(await lines(), []);
    assert.deepEqual([await money(), await units(), await points()], [[10_000, 0], [100, 0], [1_000]]);
  });

  it('and what others take at once is never more than there is', async () => {
    const given = Array.from({ length: 40 }, (_, n) => orderOf(`o${n}`, { amount: 400, units: 4 }));
    const outcomes = await Promise.allSettled(
      given.map((order, n) => (n % 2 === 0 ? ask('money', 'try', order) : advance(test, order, 'paid'))),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 25);
    const [balance = -1, frozen = -1] = await money();
    assert.equal(balance, 0);
    assert.ok(frozen <= 25 * 400);
  });

  it('is proven by the books: whatever of it does not add up is named', async () => {
    await all('try');
    await all('confirm');
    await all('try', orderOf('o2', { customerId: 'c2' }));
    const before = await lines();
    const damages: [ServiceName, string, string[]][] = [
      [
        'payments',
        `update wallets set frozen = frozen + 1 where customer_id = 'c2'`,
        [
          'wallets + frozen + captured - refunded = deposited | payments | 20000 | 20001',
          'wallets.frozen is the sum of its entries | customer_id c2 | 2933 | 2934',
        ],
      ],
      ['payments', `update wallets set frozen = frozen - 1 where customer_id = 'c2'`, []],
      [
        'inventory',
        `update reservations set status = 'reserved' where order_id = 'o2'`,
        ['what is frozen agrees with the reservation | order o2 | 0 | 2'],
      ],
      ['inventory', `update reservations set status = 'frozen' where order_id = 'o2'`, []],
      [
        'orders',
        `update orders set status = 'cancelled', ended_at = now() where order_id = 'o2'`,
        [
          'a cancelled order has no payment that was not refunded | order o2 | none | 2933 cents frozen from customer c2',
          'a cancelled order has no stock that was not released | order o2 | none | 2 cd frozen',
        ],
      ],
    ];
    for (const [service, text, found] of damages) {
      await test.damage(service, text);
      const now = await lines();
      assert.deepEqual(
        found.filter((line) => !now.includes(line)),
        [],
        now.join('\n'),
      );
      if (found.length === 0) assert.deepEqual(now, before);
    }
  });

  it('moves by entries only, and is never below 0, whatever the service does', async () => {
    await all('try');
    const refusedWith = (service: ServiceName, text: string, message: RegExp) =>
      assert.rejects(test.sql(service, text), message);
    const entry = (kind: string, amount: number, frozen: number) =>
      `insert into wallet_entries (customer_id, kind, amount, frozen) values ('c1', '${kind}', ${amount}, ${frozen})`;
    await refusedWith('payments', 'update wallets set frozen = 0', /moves only through wallet_entries/);
    await refusedWith('inventory', 'update stock set frozen = 0', /moves only through stock_entries/);
    await refusedWith('payments', `insert into wallets (customer_id, frozen) values ('rich', 5)`, /starts with .* 0/);
    await refusedWith('payments', entry('use', 0, -2_934), /wallets_frozen_not_negative/);
    for (const [kind, amount, frozen] of [
      ['freeze', -5, 4],
      ['freeze', 5, -5],
      ['thaw', 5, -4],
      ['use', -1, 0],
      ['use', 0, 1],
      ['deposit', 5, 5],
    ] as const) {
      await refusedWith('payments', entry(kind, amount, frozen), /wallet_entries_signed/);
    }
  });
});
