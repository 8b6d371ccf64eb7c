import assert from 'node:assert/strict';
import { settleSales } from '../../../src/activities/inventory/sale.js';
import { forgetOccupancy, type Database, type Occupancy } from '../../../src/kit/database/index.js';
import { pausing } from '../../kit/database/state-table/stage.js';
import { until } from '../../support/until.js';
import { linesOf, refused } from '../support.js';
import { SaleWorld, tally } from './world.js';

/** Ends the connections that wait for a lock. */
const CUT = `
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

describe('a flash sale', function () {
  this.timeout(120_000);
  const world = new SaleWorld();
  const buy = (sale: string, id: string, units = 1, customerId = `of-${id}`) =>
    world.test.shop.sale.buy({ id, sale, customerId, units });
  const differences = async () => linesOf(await world.plain['books.prove']());

  it('sells what it has: the stock is deducted once, however often it is asked for; it says when it is sold out', async () => {
    const before = (await world.plain['books.prove']()).figures;
    const sale = await world.open(3);
    const first = await buy(sale, 's-1', 2);
    assert.ok(first.answer === 'sold' && first.payBy !== null);
    const { paid, cents, payBy } = first;
    assert.deepEqual([paid, cents], [false, 200]);
    assert.deepEqual(await buy(sale, 's-1', 2), first);
    // A larger one that does not fit keeps nothing from a smaller one that does.
    const [large, small] = await Promise.all([buy(sale, 's-2', 2), buy(sale, 's-3')]);
    assert.deepEqual(tally([large, small]), { 'sold out': 1, sold: 1 });
    assert.deepEqual(await buy(sale, 's-4'), { answer: 'refused', id: 's-4', why: 'sold out' });
    assert.equal((await buy(sale, 's-1', 1)).answer, 'refused', 'another purchase under that id');

    assert.deepEqual(await world.test.shop.sale.pay('s-1', 'pay-1'), { ...first, paid: true, payBy: null });
    assert.deepEqual(await world.test.shop.sale.pay('s-1', 'pay-1'), { ...first, paid: true, payBy: null });
    // Somebody has paid twice: the second payment is told apart, and has to be given back.
    assert.deepEqual(await world.test.shop.sale.pay('s-1', 'pay-2'), {
      ...{ answer: 'refused', id: 's-1', why: 'paid by another' },
    });
    // What was paid under an older release may have been paid by this very payment.
    await world.test.damage('orders', `update sale_orders set payment_id = null where order_id = 's-1'`);
    assert.deepEqual(await world.test.shop.sale.pay('s-1', 'pay-1'), {
      ...{ answer: 'refused', id: 's-1', why: 'paid by unknown' },
    });
    assert.equal((await buy(sale, 's-1', 2)).answer, 'sold');
    assert.deepEqual(await world.test.shop.sale.pay('s-4', 'pay-4'), {
      answer: 'refused',
      id: 's-4',
      why: 'unknown purchase',
    });
    assert.ok(payBy > Date.now() + 1_700_000, 'half an hour to pay');
    const { opened, sold, waiting, left } = await world.books(sale);
    assert.deepEqual([opened, sold, waiting, left], [3, 2, 1, 0]);
    const after = await world.plain['books.prove']();
    assert.deepEqual(linesOf(after), []);
    assert.deepEqual(
      [after.figures.stockUnits, after.figures.initialUnits, after.figures.saleUnits - before.saleUnits],
      [before.stockUnits - 3, before.initialUnits, 3],
    );
  });

  it('keeps its limits, for customers who ask all at once too', async () => {
    const sale = await world.open(100, { perPurchase: 2, perCustomer: 3 });
    const { inventory } = world.test.databases;
    // All of them have begun before the first is decided.
    const answers = await inventory.transaction(async (sql) => {
      await sql('select from backstitch.occupancy_pools where pool = $1 for update', [sale]);
      const asked = Array.from({ length: 8 }, (_, n) =>
        world.process().buy({ id: `${sale}-${n}`, sale, customerId: 'greedy', units: 1 }),
      );
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await until(async () => (await world.test.sql('inventory', waiting)).length === 8);
      return { asked };
    });
    assert.deepEqual(tally(await Promise.all(answers.asked)), { sold: 3, 'too many': 5 });
    assert.deepEqual(tally([await buy(sale, `${sale}-x`, 3)]), { 'too many': 1 });
    assert.deepEqual(tally([await buy('no-such', `${sale}-y`)]), { 'unknown sale': 1 });
  });

  it('is opened once, out of the stock that there is', async () => {
    const sale = await world.open(10);
    const again = { sale, sku: 'cd', units: 10, cents: 100, holdMs: 1_800_000 };
    assert.equal((await world.plain['sale.open'](again))?.left, 10);
    assert.match(
      await refused(world.plain['sale.open']({ ...again, units: 11 }), 'SaleConflict'),
      /with other content/,
    );
    await refused(world.plain['sale.open']({ ...again, sale: `${sale}-b`, units: 999_999 }), 'OutOfStock');
    await refused(world.plain['sale.open']({ ...again, sale: `${sale}-b`, sku: 'nothing' }), 'UnknownSku');
    assert.equal(await world.plain['sale.books']({ sale: `${sale}-b` }), null);
  });

  it('waits for nobody for long when it is opened or settled; one that cannot be settled keeps no other from it', async () => {
    const { inventory } = world.test.databases;
    const [stuck, well] = [await world.open(4), await world.open(5)];
    for (const sale of [stuck, well]) await world.plain['sale.close']({ sale });
    const next = { sale: `${stuck}-next`, sku: 'cd', units: 1, cents: 100, holdMs: 0 };
    await inventory.transaction(async (sql) => {
      await sql('select from backstitch.occupancy_pools where pool = $1 for update', [stuck]);
      const { settled, unsettled } = await world.plain['sale.settle']();
      assert.deepEqual([settled.includes(well), unsettled.map(({ sale }) => sale)], [true, [stuck]]);
      assert.match(unsettled[0]?.message ?? '', /lock timeout/);
      // One that takes so long that it loses its connection is no database that is gone.
      const slow = world.plain['sale.settle']();
      await until(async () => (await world.test.sql('inventory', CUT)).length > 0);
      assert.deepEqual(
        (await slow).unsettled.map(({ sale }) => sale),
        [stuck],
      );
      await sql(`select from stock where sku = 'cd' for update`);
      await assert.rejects(world.plain['sale.open'](next), /lock timeout/);
    });
    assert.deepEqual((await world.plain['sale.settle']()).settled, [stuck]);
    assert.equal((await world.plain['sale.open'](next))?.left, 1);
  });

  it('is told from a database that is gone when it cannot be settled: that is asked first', async () => {
    const lost = () => Promise.reject(Object.assign(new Error('the connection is lost'), { code: '08006' }));
    const occupancy = { settleable: () => Promise.resolve(['a', 'b', 'c']) } as unknown as Occupancy;
    const slow = { transaction: lost, run: () => Promise.resolve([]) } as unknown as Database;
    const { unsettled } = await settleSales(slow, occupancy);
    assert.deepEqual(
      unsettled.map(({ sale }) => sale),
      ['a', 'b', 'c'],
    );
    await assert.rejects(settleSales({ transaction: lost, run: lost }, occupancy), /is lost/);
  });

  it('deducts and submits once where the answer to either is lost', async () => {
    const sale = await world.open(5);
    const lost: string[] = [];
    const losing = world.process(async (point, { function: name, attempt }) => {
      if (point !== 'committed' || attempt > 2 || lost.includes(name)) return;
      await Promise.resolve(lost.push(name));
      throw new Error('the answer was lost');
    });
    const id = `${sale}-1`;
    assert.equal((await losing.buy({ id, sale, customerId: 'c', units: 2 })).answer, 'sold');
    assert.deepEqual(lost, ['inventory.occupy.action', 'orders.submit.action']);
    assert.equal((await losing.pay(id, 'pay-1')).answer, 'sold');
    assert.deepEqual(lost.slice(2), ['orders.pay.action', 'inventory.consume.action']);
    const { sold, waiting, left } = await world.books(sale);
    assert.deepEqual([sold, waiting, left, await world.orders(sale)], [2, 0, 3, { paid: 1 }]);
    assert.deepEqual(await differences(), []);
  });

  it('tells whoever pays for units that had been released, for good; and the round of the reclaim tells of it', async () => {
    const sale = await world.open(2);
    const id = `${sale}-1`;
    await buy(sale, id);
    // The orders' database has lost the bar.
    await world.test.damage(
      'inventory',
      `update backstitch.occupancy set state = 'released', ended_at = now() where id = '${id}';`,
    );
    for (let times = 0; times < 2; times++) {
      assert.deepEqual(await world.test.shop.sale.pay(id, 'pay-1'), { answer: 'torn', id });
    }
    const torn = await world.plain['sale.torn']();
    assert.deepEqual(
      torn.filter((each) => each.sale === sale),
      [{ sale, count: 1, id }],
    );
    await world.test.damage('inventory', `update backstitch.occupancy set state = 'consumed' where id = '${id}'`);
    await world.test.damage('inventory', `update backstitch.occupancy_pools set free = 1 where pool = '${sale}'`);
  });

  it('is forgotten long after it was settled: first the units, then the orders; its books say the same', async () => {
    const [old, open] = [await world.open(5), await world.open(5)];
    for (const sale of [old, open]) {
      await buy(sale, `${sale}-paid`, 2);
      await world.test.shop.sale.pay(`${sale}-paid`, 'pay-1');
      await buy(sale, `${sale}-late`);
      await world.makeDue(sale);
    }
    await world.reclaim();
    await world.plain['sale.close']({ sale: old });
    await world.plain['sale.settle']({ sale: old });
    const before = await world.books(old);
    const { own } = world.test.shop.retention;
    const forgetOrders = () => own.find(({ table }) => table === 'sale_orders')?.forget({ olderThanDays: 90 });
    const forgetUnits = () => forgetOccupancy(world.test.databases.inventory, { batch: 1 });
    assert.equal(await forgetUnits(), 0);
    const ago = `- interval '91 days'`;
    const both = `in ('${old}', '${open}')`;
    await world.test.damage('inventory', `update backstitch.occupancy_pools set settled_at = settled_at ${ago}`);
    await world.test.damage(
      'inventory',
      `update backstitch.occupancy set ended_at = ended_at ${ago} where pool ${both}`,
    );
    assert.equal(await forgetOrders(), 0, 'not before their units are');
    // An order may have ended long after its sale was settled, as one that a repair has barred: its units are gone before it is old.
    assert.ok((await forgetUnits()) >= 2);
    const keys = [`${old}-paid`, `${old}-late`, `${open}-paid`];
    const pair = world.test.shop.pairs.find(({ name }) => name === 'sales-orders');
    const found = async () => (await pair?.judge(keys, { statesOf: () => Promise.resolve(new Map()) }))?.map(lineOf);
    const lineOf = ({ class: name, key }: { class: string; key: string }) => `${name} ${key}`;
    assert.deepEqual(
      [await found(), await differences()],
      [[], []],
      'units that were forgotten are no units that never were',
    );
    await world.test.damage('inventory', `delete from backstitch.occupancy where id = '${open}-paid'`);
    assert.deepEqual(
      await found(),
      [`order-without-units ${open}-paid`],
      'a sale that has not been settled has forgotten nothing',
    );
    await world.test.damage(
      'inventory',
      `insert into backstitch.occupancy (id, pool, holder, units, state, occupied_at, due_at, ended_at)
      values ('${open}-paid', '${open}', 'of-${open}-paid', 2, 'consumed', now() ${ago}, now() ${ago}, now() ${ago})`,
    );
    await world.test.damage('orders', `update sale_orders set ended_at = ended_at ${ago} where sale ${both}`);
    assert.deepEqual(await world.books(old), before);
    assert.deepEqual(await differences(), [], 'in between');
    assert.equal(await forgetOrders(), 2);
    assert.deepEqual(await differences(), []);
    assert.deepEqual([await world.orders(old), await world.orders(open)], [{}, { cancelled: 1, paid: 1 }]);
    assert.deepEqual(await buy(old, `${old}-paid`, 2), { answer: 'refused', id: `${old}-paid`, why: 'closed' });
  });

  it('takes back what is not paid in time, and sells it again; what was paid in between is consumed', async () => {
    const sale = await world.open(2);
    await buy(sale, 'late');
    // Its process dies when the order is paid, before the units are consumed.
    const dying = world.process(async (point, { function: name }) => {
      if (point === 'before' && name === 'inventory.consume.action') throw new Error('killed');
      await Promise.resolve();
    });
    await dying.buy({ id: 'paid', sale, customerId: 'c', units: 1 });
    assert.equal((await dying.pay('paid', 'pay-1')).answer, 'sold');
    assert.equal((await world.books(sale)).sold, 0);
    await world.makeDue(sale);
    assert.deepEqual(await world.reclaim(), { due: 2, released: 1, consumed: 1, failedCount: 0 });
    assert.deepEqual(await world.reclaim(), { due: 0, released: 0, consumed: 0, failedCount: 0 });
    assert.deepEqual(await world.orders(sale), { cancelled: 1, paid: 1 });
    assert.deepEqual(await world.test.shop.sale.pay('late', 'pay-2'), {
      answer: 'refused',
      id: 'late',
      why: 'reclaimed',
    });
    assert.deepEqual(await buy(sale, 'late'), { answer: 'refused', id: 'late', why: 'reclaimed' });
    assert.equal((await buy(sale, 'next')).answer, 'sold', 'the same unit, to somebody else');
    const { sold, waiting, left, reclaimed } = await world.books(sale);
    assert.deepEqual([sold, waiting, left, reclaimed], [1, 1, 0, 1]);
    assert.deepEqual(await differences(), []);
  });

  it('refuses a submit that was paused for longer than the limit: its units are somebody else’s by then', async () => {
    const sale = await world.open(1);
    const pause = pausing();
    const slow = world.process(async (point, { function: name }) => {
      if (point === 'before' && name === 'orders.submit.action') await pause.here();
    });
    const late = slow.buy({ id: `${sale}-late`, sale, customerId: 'slow', units: 1 }, { withinMs: 60_000 });
    await pause.reached;
    await world.makeDue(sale);
    assert.deepEqual(await world.reclaim(), { due: 1, released: 1, consumed: 0, failedCount: 0 });
    assert.equal((await buy(sale, `${sale}-other`)).answer, 'sold');
    pause.end();
    assert.deepEqual(await late, { answer: 'refused', id: `${sale}-late`, why: 'reclaimed' });
    assert.deepEqual(await world.orders(sale), { barred: 1, unpaid: 1 });
    assert.deepEqual(await differences(), []);
  });

  for (const [service, row] of [
    ['orders', 'select from sale_orders where order_id = $1 for update'],
    ['inventory', 'select from backstitch.occupancy where id = $1 for update'],
  ] as const) {
    it(`reclaims the others where a row of ${service} is locked, and names it; the next round takes it too`, async () => {
      const sale = await world.open(5);
      const ids = ['a', 'b', 'c'].map((id) => `${sale}-${id}`);
      for (const id of ids) await buy(sale, id);
      await world.makeDue(sale);
      await world.test.databases[service].transaction(async (sql) => {
        await sql(row, [ids[1]]);
        const { released, failed, failedCount, failedBySale } = await world.plain['sale.reclaim']({});
        assert.deepEqual([released, failedCount], [2, 1]);
        assert.deepEqual(
          failedBySale.map((each) => [each.sale, each.count, each.id]),
          [[sale, 1, ids[1]]],
        );
        assert.deepEqual([failed[0]?.sale, failed[0]?.id], [sale, ids[1]]);
        assert.match(failed[0]?.message ?? '', /lock timeout/);
      });
      assert.deepEqual(await world.reclaim(), { due: 1, released: 1, consumed: 0, failedCount: 0 });
      assert.equal((await world.books(sale)).left, 5);
    });
  }

  it('is closed: nothing more is bought; what waits is paid or reclaimed, and the rest is in the stock again', async () => {
    const before = (await world.plain['books.prove']()).figures.stockUnits;
    const sale = await world.open(10);
    const ids = ['paid', 'late'].map((id) => `${sale}-${id}`);
    for (const id of ids) await buy(sale, id, 2);
    await world.plain['sale.close']({ sale });
    await world.plain['sale.settle']();
    assert.deepEqual(await buy(sale, `${sale}-x`), { answer: 'refused', id: `${sale}-x`, why: 'closed' });
    assert.equal((await buy(sale, ids[0] ?? '', 2)).answer, 'sold', 'who has bought hears so still');
    assert.deepEqual([(await world.books(sale)).state, (await world.books(sale)).waiting], ['closed', 4]);
    await world.test.shop.sale.pay(ids[0] ?? '', 'pay-1');
    await world.makeDue(sale);
    await world.reclaim();
    assert.deepEqual(await world.plain['sale.settle']({ sale }), { settled: [sale], unsettled: [] });
    assert.deepEqual(await world.plain['sale.settle']({ sale }), { settled: [], unsettled: [] });
    const { state, opened, sold, waiting, left, returned } = await world.books(sale);
    assert.deepEqual([state, opened, sold, waiting, left, returned], ['settled', 10, 2, 0, 0, 8]);
    assert.equal((await world.plain['books.prove']()).figures.stockUnits, before - 2);
    assert.deepEqual(await differences(), []);
  });

  it('is kept by the databases themselves: each is moved once, and nothing goes below nothing', async () => {
    const sale = await world.open(1);
    await buy(sale, `${sale}-1`);
    await world.test.shop.sale.pay(`${sale}-1`, 'pay-1');
    const says = (service: 'inventory' | 'orders', text: string, rule: RegExp) =>
      assert.rejects(world.test.sql(service, text, [sale]), rule);
    const set = (what: string) => `update backstitch.occupancy set ${what} where pool = $1`;
    await says('inventory', set(`state = 'released'`), /consumed or released, once/);
    await says('inventory', set(`state = 'occupied', ended_at = null`), /consumed or released, once/);
    await says('inventory', 'update backstitch.occupancy_pools set free = -1 where pool = $1', /occupancy_pools_free/);
    await says('inventory', 'update backstitch.occupancy_pools set free = 2 where pool = $1', /occupancy_pools_free/);
    await says('orders', `update sale_orders set status = 'cancelled' where sale = $1`, /paid or cancelled, once/);
    await says('orders', `update sale_orders set payment_id = 'pay-2' where sale = $1`, /paid or cancelled, once/);
    await says('orders', 'delete from sale_orders where sale = $1', /not deleted/);
  });

  it('has books that find what is wrong, by name', async () => {
    const sale = await world.open(9);
    const ids = ['gone', 'unpaid', 'stands', 'overdue', 'alone'].map((name) => `${sale}-${name}`);
    const [gone, unpaid, stands, overdue, alone] = ids;
    for (const id of ids) await buy(sale, id);
    await world.test.shop.sale.pay(unpaid ?? '', 'pay-1');
    const damage = (service: 'inventory' | 'orders', text: string) => world.test.damage(service, text);
    await damage(
      'orders',
      `update sale_orders set status = 'unpaid', payment_id = null, ended_at = null where order_id = '${unpaid}'`,
    );
    await damage(
      'inventory',
      `update backstitch.occupancy set state = 'released', ended_at = now() where id in ('${stands}')`,
    );
    await damage(
      'inventory',
      `update backstitch.occupancy set due_at = now() - interval '1 hour' where id = '${overdue}'`,
    );
    await damage('inventory', `delete from backstitch.occupancy where id = '${gone}'`);
    await damage('orders', `update sale_orders set units = 7 where order_id = '${alone}'`);
    assert.deepEqual(await differences(), [
      `an order of a sale has its units | sale's purchase ${gone} | units | none`,
      `an order of a sale is that of its units | sale's purchase ${alone} | 1 of ${sale} for of-${alone} | 7 of ${sale} for of-${alone}`,
      `sold + waiting + left + returned = opened | sale ${sale} | 9 | 7`,
      `units are paid or reclaimed in time | sale's purchase ${overdue} | in time | overdue`,
      `units that are consumed have their paid order | sale's purchase ${unpaid} | paid | unpaid`,
      `units that were released have no order that stands | sale's purchase ${stands} | none | unpaid`,
    ]);
  });
});
