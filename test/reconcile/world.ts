import assert from 'node:assert/strict';
import { Client } from '@temporalio/client';
import pg from 'pg';
import { createShop, serviceNames, type ServiceName } from '../../src/activities/index.js';
import { transferGid } from '../../src/contracts/transfer.js';
import { pgDatabase, type Database, type Operation } from '../../src/kit/database/index.js';
import { openClientWorld, startProgram, type ClientWorld, type ProgramRun } from '../client/support.js';
import { until } from '../support/until.js';
import { age, copyLifecycles, copyOrders, copyPurchases, copySales, damage, orderServices } from './copies.js';
import { expected as lineOf, type Fault } from './faults-of.js';
import { orderFaults } from './faults.js';
import { lifecycleFaults, living } from './lifecycle-faults.js';
import { purchaseFaults } from './more-faults.js';
import { lifecycleCustomers, makeLives, makeSales, reopenEnded, startMachines } from './real-lives.js';
import { saleFaults } from './sale-faults.js';
import { connectTo } from '../support/connection.js';

type Databases = Readonly<Record<ServiceName, Database>>;

/** A shop on real servers, with transactions of every scheme that were really made, and the program pointed at it. */
export interface ReconcileWorld extends ClientWorld {
  readonly databases: Databases;
  readonly client: Client;
  /** Runs a statement with the rules of the database switched off. */
  readonly damage: (service: ServiceName, text: string) => Promise<void>;
}

/** What is to be found: `<class> <key>`. */
export interface Seeded {
  readonly expected: string[];
  /** Those of them that a repair mends. */
  readonly repaired: string[];
}

export async function openReconcileWorld(): Promise<ReconcileWorld> {
  const world = await openClientWorld();
  const pools = new Map<ServiceName, pg.Pool>(
    serviceNames.map((name) => [
      name,
      new pg.Pool({ connectionString: world.databaseEnv[`DATABASE_URL_${name.toUpperCase()}`], max: 3 }),
    ]),
  );
  const databases = Object.fromEntries(
    [...pools].map(([name, pool]) => [name, pgDatabase(pool)]),
  ) as ReconcileWorld['databases'];
  const connection = await connectTo(world.address);
  return {
    ...world,
    databases,
    client: new Client({ connection }),
    damage: (service, text) => damage(databases, service, text),
    async close() {
      await connection.close();
      await Promise.all([...pools.values()].map((pool) => pool.end()));
      await world.close();
    },
  };
}

function succeeded({ code, stderr, stdout }: ProgramRun, expected = 0): void {
  assert.equal(code, expected, [...stderr, stdout].join('\n'));
}

/** Makes real transactions: those that are copied, and those that are damaged themselves. */
export async function makeReal(world: ReconcileWorld): Promise<void> {
  const customers = await world.ordersFile(['c1', 'c2', ...lifecycleCustomers].map((customerId) => ({ customerId })));
  // Nobody has what the refused orders cost, in whichever sequence they are placed.
  const has = ['--wallet', '1000000000', '--points', '2000000000', '--stock', '500000', '--coupon', '100'];
  succeeded(await world.run('shop', 'open', '--file', customers, ...has));
  await world.deliver();
  const order = { customerId: 'c1', units: 1, amount: 200 };
  const direct = await world.ordersFile([
    { ...order, orderId: 'tpl-placed' },
    { ...order, orderId: 'real-placed' },
    { ...order, orderId: 'tpl-refunded', units: 1_000_000 },
    { ...order, orderId: 'tpl-refused', amount: 2_000_000_000 },
  ]);
  const env = { ...world.env, ...world.databaseEnv };
  succeeded(await startProgram(['order', 'place', '--file', direct, '--lane', 'direct'], env).ended, 1);
  const sagas = await world.ordersFile([
    { ...order, orderId: 's-erased' },
    { ...order, orderId: 's-cancelled' },
    { ...order, orderId: 's-refused', amount: 2_000_000_000 },
  ]);
  succeeded(await world.run('order', 'place', '--file', sagas), 1);
  const choreographed = (orderId: string, ...more: string[]) =>
    world.run('order', 'place', '--choreographed', '--order', JSON.stringify({ ...order, orderId }), ...more);
  succeeded(await choreographed('ch-placed'));
  succeeded(await choreographed('ch-waits', '--pay-later', '--wait', '1s'), 3);

  await Promise.all([makeLives(world), makeSales(world)]);
  succeeded(await world.run('bank', 'open'));
  succeeded(await world.run('bank', 'open', 'bank_c:dave:1000'));
  succeeded(await world.run('bookstore', 'open', 'emma:1000'));
  const transfer = (id: string, scheme: string, cents = 100, code = 0) =>
    world
      .run('transfer', '--scheme', scheme, '--id', id, '--from', `bank_a:alice:${cents}`, '--to', 'bank_b:bob')
      .then((run) => {
        succeeded(run, code);
      });
  await Promise.all([
    transfer('half', 'saga'),
    transfer('message', 'outbox'),
    transfer('rolled', '2pc'),
    transfer('hand', '2pc', 10_000_000, 1),
    transfer('hold', 'tcc', 10_000_000, 1),
  ]);
  const bought = [
    'buy',
    '--id',
    'tpl-bought',
    '--from',
    'bank_a:alice',
    '--book',
    'emma',
    '--copies',
    '1',
    '--cents',
    '100',
  ];
  succeeded(await world.run('bookstore', ...bought));
  await until(async () => {
    const waiting = ['bank_a', 'orders', 'inventory', 'payments', 'shipping', 'warehouse'] as const;
    const rows = await Promise.all(
      waiting.map((name) => world.databases[name].run('select 1 from backstitch.outbox limit 1')),
    );
    const open = await world.databases.bank_a.run(
      `select 1 from purchases where 'in progress' in (warehouse, merchant)`,
    );
    return rows.flat().length + open.length === 0;
  });
}

/** Holds that were forgotten, and a transaction that was committed by hand: by the participants' own functions. */
async function hold(world: ReconcileWorld, { expected, repaired }: Seeded): Promise<void> {
  const { participants } = createShop({ databases: world.databases });
  const operation = (gid: string, branch: string, name: string, more: Partial<Operation> = {}): Operation => {
    const op = name.split('.')[2] as Operation['op'];
    const rest = {
      seq: 9,
      driver: 'test',
      who: 'test',
      attempt: 1,
      timeoutMs: 20_000,
      signal: new AbortController().signal,
    };
    return { gid, branch, op, scheme: 'tcc', function: name, ...rest, ...more };
  };
  for (const id of ['f-held-money', 'f-held-stock'])
    await copyOrders(world.databases, 'tpl-refused', `(values ('${id}'))`);
  const [money, stock] = ['order-f-held-money', 'order-f-held-stock'];
  await participants.payments.freeze.try(operation(money, 'pay-late', 'payments.freeze.try'), {
    ...{ orderId: 'f-held-money', customerId: 'c1', amount: 5 },
  });
  await participants.inventory.freeze.try(operation(stock, 'stock-late', 'inventory.freeze.try'), {
    ...{ orderId: 'f-held-stock', sku: 'cd', units: 5 },
  });
  const gid = transferGid('hold');
  await participants.bank_a.withdraw.try(operation(gid, 'from-9', 'bank_a.withdraw.try'), {
    account: 'alice',
    amount: 7,
  });
  await world.damage('bank_a', `update holds set expires_at = now() - interval '1 hour' where state = 'held'`);
  const held = ['payment-hold-forgotten f-held-money', 'stock-hold-forgotten f-held-stock', `hold-forgotten ${gid}`];
  expected.push(...held);
  repaired.push(...held);

  const hand = transferGid('hand');
  const moves = {
    from: [{ leg: 'from-9', account: 'carol', amount: 5 }],
    to: [{ leg: 'to-9', account: 'dave', amount: 5 }],
  };
  const prepare = operation(hand, 'bank_c', 'bank_c.move.prepare', { scheme: '2pc' });
  assert.equal(await participants.bank_c.move.prepare(prepare, moves), 'yes');
  const [prepared] = await world.databases.bank_c.run<{ gid: string }>(
    'select gid from pg_prepared_xacts where database = current_database()',
  );
  await world.databases.bank_c.run(`commit prepared '${prepared?.gid ?? ''}'`);
  expected.push(`prepared-committed-by-hand ${hand}`);
}

/** Damages what was really made. */
async function damageReal(world: ReconcileWorld, { expected, repaired }: Seeded): Promise<void> {
  const { databases } = world;
  const erase = async (id: string, guards: boolean) => {
    const tables = {
      orders: ['orders', 'point_entries'],
      payments: ['payments', 'wallet_entries'],
      inventory: ['reservations', 'stock_entries'],
      shipping: ['shipments'],
      notifications: ['notifications'],
    };
    for (const service of orderServices) {
      for (const table of tables[service]) await world.damage(service, `delete from ${table} where order_id = '${id}'`);
      if (guards) await world.damage(service, `delete from backstitch.guard where gid = 'order-${id}'`);
    }
  };
  await erase('s-erased', false);
  const sql = orderFaults.find(({ expect }) => expect[0] === 'shipped-but-cancelled')?.sql ?? {};
  for (const [service, text] of Object.entries(sql))
    await world.damage(service as ServiceName, text.replaceAll(':id', 's-cancelled'));
  await world.damage('shipping', `delete from shipments where order_id = 's-cancelled'`);
  await erase('s-refused', true);
  await copyOrders(databases, 'tpl-placed', `(values ('s-refused'))`);
  await world.damage('orders', `delete from backstitch.guard where gid = 'order-s-refused'`);
  expected.push(
    'committed-without-order s-erased',
    'committed-but-not-placed s-cancelled',
    'compensated-but-placed s-refused',
  );

  await world.damage('orders', `delete from point_entries where order_id = 'ch-placed' and kind = 'earned'`);
  const heard = 'order-ch-placed/order.placed';
  await world.damage(
    'orders',
    `delete from backstitch.inbox where consumer = 'projection' and message_id = '${heard}'`,
  );
  const ghost = (consumer: string, source: string, id: string) =>
    `insert into backstitch.inbox (consumer, message_id, source, seq, topic, content_hash, outcome, attempt, handled_at)
    values ('${consumer}', '${id}', '${source}', 999999, 't', '', 'applied', 1, now() - interval '1 hour')`;
  await world.damage('payments', ghost('choreography', 'inventory', 'order-ghost/stock.reserved'));
  await world.damage('bank_c', ghost('transfers', 'bank_b', 'transfer-ghost/to-1'));
  const again = ['points-not-earned ch-placed', `order-messages-without-effect orders/projection ${heard}`];
  repaired.push(...again);
  expected.push(
    ...again,
    'order-messages-without-message inventory/payments order-ghost/stock.reserved',
    'bank-messages-without-message bank_b/bank_c transfer-ghost/to-1',
  );

  const [half, message, rolled] = ['half', 'message', 'rolled'].map(transferGid);
  await world.damage('bank_b', `delete from entries where gid in ('${half}', '${message}', '${rolled}')`);
  await world.damage('bank_b', `delete from backstitch.inbox where message_id = '${message}/to-1'`);
  await world.damage('bank_b', `update transfers set state = 'announced', ended_at = null where gid = '${rolled}'`);
  await world.damage('bank_b', `delete from backstitch.guard where gid = '${rolled}'`);
  const sent = `bank-messages-without-effect bank_a/bank_b ${message}/to-1`;
  expected.push(sent, `half-transfer ${half}`, `half-transfer ${message}`, `prepared-rolled-back-by-hand ${rolled}`);
  repaired.push(sent);
}

/** Damages copies, one for each line of the tables of faults, and what was really made. */
export async function seed(world: ReconcileWorld): Promise<Seeded> {
  const { databases } = world;
  const seeded: Seeded = { expected: [], repaired: [] };
  await hold(world, seeded);
  await age(databases);
  await damageReal(world, seeded);
  await seedCopies(world, seeded, { name: 'f', faults: orderFaults, copy: copyOrders });
  const keyOf = (id: string) => `purchase-${id}`;
  await seedCopies(world, seeded, { name: 'p', faults: purchaseFaults, copy: copyPurchases, keyOf });
  await seedCopies(world, seeded, { name: 'l', faults: lifecycleFaults, copy: copyLifecycles });
  for (const [state, ids] of machinesOfCopies()) await startMachines(world, state, ids);
  await seedCopies(world, seeded, { name: 's', faults: saleFaults, copy: copySales });
  seeded.expected.push(await reopenEnded(world));
  return seeded;
}

/** Faults of one kind, and how what they damage is copied. */
interface Copied<Base extends string, At extends ServiceName> {
  /** What the ids begin with. */
  readonly name: string;
  readonly faults: readonly Fault<Base, At>[];
  readonly copy: (databases: Databases, from: string, to: string, at?: readonly At[]) => Promise<void>;
  /** Default: the id */
  readonly keyOf?: (id: string) => string;
}

const copyId = (name: string, place: number, expect: readonly string[]) =>
  `${name}-${place}-${expect[0]?.split(' ')[0] ?? ''}`.slice(0, 60);

/** Damages copies, one for each line of a table of faults. */
async function seedCopies<Base extends string, At extends ServiceName>(
  world: ReconcileWorld,
  seeded: Seeded,
  { name, faults, copy, keyOf = (id) => id }: Copied<Base, At>,
): Promise<void> {
  for (const [place, { base, at, sql = {}, expect, repaired = [] }] of faults.entries()) {
    const id = copyId(name, place, expect);
    if (base !== undefined) await copy(world.databases, `tpl-${base}`, `(values ('${id}'))`, at);
    for (const [service, text] of Object.entries(sql))
      await world.damage(service as ServiceName, text.replaceAll(':id', id));
    seeded.expected.push(...expect.map((line) => lineOf(line, id, keyOf(id))));
    seeded.repaired.push(...repaired.map((line) => lineOf(line, id, keyOf(id))));
  }
}

/** The copies that live, by the states of their machines: all have one, but for those that are to have none. */
function machinesOfCopies(): [string, string[]][] {
  return lifecycleFaults.flatMap(({ base, at, expect }, place): [string, string[]][] => {
    const state = base === undefined || at !== undefined ? undefined : living[base];
    if (state === undefined || expect.includes('open-without-machine')) return [];
    return [[state, [copyId('l', place, expect)]]];
  });
}
