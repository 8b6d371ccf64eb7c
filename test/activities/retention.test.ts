import assert from 'node:assert/strict';
import { createShop } from '../../src/activities/index.js';
import { orderCalls } from '../../src/activities/callers/index.js';
import { choreographedOrderSchema } from '../../src/contracts/events.js';
import { linesOf, operation, orderOf, stockTestShop, type TestShop } from './support.js';

describe("retention of the shop's own tables", () => {
  let test: TestShop;
  stockTestShop((opened) => (test = opened));
  const forget = async (database: string, table: string) => {
    const found = test.shop.retention.own.find((each) => each.database === database && each.table === table);
    assert.ok(found);
    return found.forget({ olderThanDays: found.days });
  };

  it('forgets the events of orders that have been final for long; all others keep theirs, however old', async () => {
    const states = {
      placed: `status = 'placed', ended_at = now() - interval '401 days'`,
      cancelled: `status = 'cancelled', ended_at = now() - interval '401 days'`,
      lately: `status = 'placed', ended_at = now() - interval '399 days'`,
      recalled: `status = 'placed', ended_at = now() - interval '401 days', recalled_at = now()`,
      open: `created_at = now() - interval '900 days'`,
    };
    for (const [orderId, state] of Object.entries(states)) {
      const order = choreographedOrderSchema.parse(orderOf(orderId));
      await test.shop.participants.orders.open.action(operation('orders.open.action', `order-${orderId}`), order);
      await test.sql('orders', `update orders set ${state} where order_id = $1`, [orderId]);
      const insert = `insert into order_events (order_id, event_id, topic, event, heard_at) values ($1, $1, 't', '{}', now() - interval '900 days')`;
      await test.sql('orders', insert, [orderId]);
    }
    assert.equal(await forget('orders', 'order_events'), 2);
    const left = await test.sql<{ id: string }>('orders', 'select order_id as id from order_events order by 1');
    assert.deepEqual(
      left.map(({ id }) => id),
      ['lately', 'open', 'recalled'],
    );
    await test.sql('orders', 'truncate order_events');
  });

  it('forgets holds and transfers that have ended, when the guard has forgotten their transaction', async () => {
    await test.shop.plain['banks.openAccounts']({ bank: 'bank_a', accounts: ['alice'], cents: 1_000 });
    const old = `now() - interval '100 days'`;
    for (const [gid, hold, transfer] of [
      ['known', 'confirmed', 'moved'],
      ['over', 'cancelled', 'dropped'],
      ['held', 'held', 'announced'],
    ] as const) {
      const endedAt = gid === 'held' ? 'null' : old;
      await test.damage(
        'bank_a',
        `insert into holds (gid, branch, account, kind, amount, state, held_at, expires_at, ended_at)
           values ('${gid}', 'b', 'alice', 'credit', 1, '${hold}', ${old}, ${old}, ${endedAt});
         insert into transfers (gid, branch, debits, credits, state, announced_at, ended_at)
           values ('${gid}', 'b', 1, 1, '${transfer}', ${old}, ${endedAt})`,
      );
    }
    const guarded = `insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt)
      values ('known', 'b', 1, 'action', 'applied', '', '', 1, '', '', 1)`;
    await test.sql('bank_a', guarded);
    for (const table of ['holds', 'transfers']) {
      assert.equal(await forget('bank_a', table), 1);
      const left = await test.sql<{ gid: string }>('bank_a', `select gid from ${table} order by 1`);
      assert.deepEqual(
        left.map(({ gid }) => gid),
        ['held', 'known'],
      );
    }
    const needs: Record<string, (gids: readonly string[]) => Promise<readonly string[]>> = test.shop.retention.needs;
    assert.deepEqual(await needs.bank_a?.(['known', 'held', 'other']), ['held']);
  });

  it('needs what the books ask: the row of an order that the state table has created, until it is final', async () => {
    const { callers } = createShop({
      databases: test.databases,
      stateLimits: { retries: 0, rounds: 1, attemptMs: 5_000 },
    });
    await callers.run('order-1', orderCalls({ ...orderOf('1'), sequence: 'stock-first' }));
    const needs: Record<string, (gids: readonly string[]) => Promise<readonly string[]>> = test.shop.retention.needs;
    assert.deepEqual(await needs.orders?.(['order-1', 'order-2', 'transfer-1']), ['order-1']);
    await test.sql(
      'payments',
      `insert into payments (order_id, customer_id, amount, status) values ('7', 'c1', 1, 'frozen')`,
    );
    assert.deepEqual(await needs.payments?.(['order-1', 'order-7']), ['order-7']);
    await test.sql('payments', `delete from payments where order_id = '7'`);
    assert.deepEqual(await needs.inventory?.(['order-1']), []);
    assert.deepEqual(linesOf(await test.shop.plain['books.prove']()), []);
  });
});
