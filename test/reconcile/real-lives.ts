import assert from 'node:assert/strict';
import { createShop } from '../../src/activities/index.js';
import type { LifecycleOrder } from '../../src/contracts/lifecycle.js';
import type { orderLifecycleMachine } from '../../src/contracts/order-lifecycle.js';
import { welcomeCoupon } from '../../src/contracts/services.js';
import { orderLifecycleContract } from '../../src/contracts/transactions.js';
import { machineClient, type MachineClient } from '../../src/kit/client/index.js';
import { initialAttributes, TX_STATE } from '../../src/kit/workflow/attributes.js';
import { until } from '../support/until.js';
import { copyLifecycles, copySales } from './copies.js';
import { lifecycleBases, living } from './lifecycle-faults.js';
import type { ReconcileWorld } from './world.js';

/** Orders that live for weeks, and purchases of a flash sale: made for real, and copied in each of their states. */

type Machines = MachineClient<typeof orderLifecycleMachine, LifecycleOrder>;
type Step = Parameters<Machines['send']>[1];

const PACKED = ['pay', 'pick', 'picked', 'pack', 'packed'] as const;
const OUT = [...PACKED, 'ship'] as const;
const lives = {
  ...{ wait: [], paid: ['pay'], out: OUT, recalled: [...OUT, 'recall'], done: [...OUT, 'deliver', 'complete'] },
  ...{ off: [...PACKED, 'cancel'], back: [...OUT, 'recall', 'returned'], unsent: [...PACKED, 'refund'] },
  ...{ 'unpaid-back': [...OUT, 'recall', 'returned'], 'unpaid-lost': [...OUT, 'recall', 'lost', 'refund'] },
} as const satisfies Record<(typeof lifecycleBases)[number], readonly Step[]>;

/** One that has ended, and is damaged itself. */
const ENDED = 'real-ended';
/** Whose orders they are: each has one, and its id. */
export const lifecycleCustomers = [...lifecycleBases.map((base) => `tpl-${base}`), ENDED];

/** Makes an order in each state: all at once, each along its own way. */
export async function makeLives({ client, env, faults }: ReconcileWorld): Promise<void> {
  const where = { taskQueue: env.BACKSTITCH_TASK_QUEUE ?? '' };
  const machines: Machines = machineClient(client, where, orderLifecycleContract);
  const live = async (id: string, steps: readonly Step[], ends: string) => {
    const gid = orderLifecycleContract.gid(id);
    const becomes = (state: string) => until(async () => (await machines.view(gid)).state === state);
    const order = { orderId: id, customerId: id, units: 1, amount: 200, coupon: welcomeCoupon(id) };
    await machines.start(gid, orderLifecycleContract.parse(order));
    await becomes('WAIT_PAY');
    for (const step of steps) {
      await machines.send(gid, step, { by: { actor: 'test', reason: 'test' } });
      if (step === 'pay') await becomes('PAID.WAIT_PICK');
    }
    await becomes(ends);
  };
  for (const base of ['unsent', 'unpaid-back', 'unpaid-lost'])
    faults.set({ function: 'payments.refund.action', kind: 'refuse', gid: `order-tpl-${base}*` });
  const ends = { ...living, done: 'COMPLETED', off: 'CANCELLED', back: 'REFUNDED' };
  await Promise.all([
    ...lifecycleBases.map((base) => live(`tpl-${base}`, lives[base], ends[base] ?? '')),
    live(ENDED, lives.done, ends.done),
  ]);
}

/** Makes a purchase of each kind at one sale. */
export async function makeSales(world: ReconcileWorld): Promise<void> {
  const { client, databases, env } = world;
  const taskQueue = env.BACKSTITCH_TASK_QUEUE ?? '';
  const run = (name: string, ...args: unknown[]) =>
    client.workflow.execute(name, { workflowId: `${taskQueue}-${name}`, taskQueue, args });
  assert.ok(await run('openSale', { sale: 'launch', sku: 'cd', units: 100_000, cents: 100, holdMs: 7_200_000 }));
  const { sale } = createShop({ databases });
  for (const id of ['sold-paid', 'sold-unpaid', 'sold-reclaimed']) {
    const { answer } = await sale.buy({ id, sale: 'launch', customerId: 'c1', units: 1 });
    assert.equal(answer, 'sold');
  }
  assert.equal((await sale.pay('sold-paid', 'payment-1')).answer, 'sold');
  await world.damage('inventory', `update backstitch.occupancy set due_at = now() where id = 'sold-reclaimed'`);
  await run('reclaimStock');
}

/** Copies of them in every state that has nothing wrong, `each` of each: `alive` of those that live, as each of those has a machine. */
export async function copyHealthy(world: ReconcileWorld, each: number, alive: number): Promise<void> {
  const { databases } = world;
  const ids = (name: string, count: number) => `(select 'h-${name}-' || n from generate_series(1, ${count}) as n)`;
  for (const base of lifecycleBases) {
    const state = living[base];
    const count = state === undefined ? each : alive;
    await copyLifecycles(databases, `tpl-${base}`, ids(base, count));
    if (state === undefined) continue;
    await startMachines(
      world,
      state,
      Array.from({ length: count }, (_, place) => `h-${base}-${place + 1}`),
    );
  }
  for (const base of ['paid/paid', 'unpaid/unpaid', 'reclaimed/reclaimed', 'unpaid/none', 'unpaid/paid']) {
    await copySales(databases, base, ids(`sale-${base.replace('/', '-')}`, each));
  }
}

/** At a time. */
const STARTED = 20;

/** Starts the machines of copies: nobody works for them, and they have nothing under way. Without a state they have not begun. */
export async function startMachines(
  { client }: ReconcileWorld,
  state: string | undefined,
  ids: readonly string[],
): Promise<void> {
  for (let from = 0; from < ids.length; from += STARTED) {
    await Promise.all(
      ids.slice(from, from + STARTED).map((id) =>
        client.workflow.start(orderLifecycleContract.workflow, {
          ...{ workflowId: orderLifecycleContract.gid(id), taskQueue: 'nobody', args: [{}] },
          typedSearchAttributes: [
            ...initialAttributes('machine'),
            ...(state === undefined ? [] : [{ key: TX_STATE, value: state }]),
          ],
        }),
      ),
    );
  }
}

/** An order whose machine has ended, and which has not: what the services have of it is that of one that is out. */
export async function reopenEnded(world: ReconcileWorld): Promise<string> {
  await world.damage(
    'orders',
    `update orders set status = 'DELIVERED', sub_state = 'ARRIVED', ended_at = null where order_id = '${ENDED}';
    delete from point_entries where order_id = '${ENDED}' and kind = 'earned'`,
  );
  return `ended-but-open ${ENDED}`;
}

/** Orders of which something is on its way: by the age of a saga's last step, and by a machine that has not begun. */
export async function copyFlying(world: ReconcileWorld, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, place) => `fl-life-${place + 1}`);
  const numbers = `generate_series(1, ${count}) as n`;
  await copyLifecycles(world.databases, 'tpl-wait', `(select 'fl-life-' || n from ${numbers})`);
  await startMachines(world, 'WAIT_PAY', ids.slice(0, count / 2));
  await startMachines(world, undefined, ids.slice(count / 2));
  await world.damage(
    'payments',
    `insert into payments (order_id, customer_id, amount, status, captured_at)
    select 'fl-life-' || n, 'fl-life-' || n, 100, 'captured', now() from ${numbers};
    insert into wallet_entries (customer_id, kind, amount, order_id)
    select 'fl-life-' || n, 'capture', -100, 'fl-life-' || n from ${numbers};
    insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, began_at, ended_at)
    select 'order-fl-life-' || n || '.pay.0', 'pay', 1, 'action', 'applied', '', 'test', 1, 'payments.charge.action', 'test', 1,
      now() + interval '1 hour', now() + interval '1 hour'
    from ${numbers} where n <= ${count / 2}`,
  );
}
