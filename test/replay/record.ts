import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Runtime } from '@temporalio/worker';
import { serviceNames } from '../../src/activities/index.js';
import { openShop } from '../../src/client/shop.js';
import {
  buyBookTransaction,
  placeOrderChoreographedTransaction,
  placeOrderTccTransaction,
  placeOrderTransaction,
} from '../../src/contracts/transactions.js';
import type { PlaceOrderInput } from '../../src/contracts/place-order.js';
import { startServers } from '../../src/dev/servers.js';
import { testAlarm, transactionClient, type Transaction } from '../../src/kit/client/index.js';
import { transactionLogger } from '../../src/kit/worker/index.js';
import { agentId, searchAttributeTypes } from '../../src/kit/workflow/index.js';
import {
  ALARM_SIGNAL,
  ALARMS_QUERY,
  alarmsWorkflowId,
  DELIVER_ALARMS,
  type Alarm,
  type AlarmRules,
  type AlarmsView,
} from '../../src/kit/workflow/alarms.js';
import { createShopWorker } from '../../src/worker.js';
import { openAccounts, tccOrders, transfers, type TransferWay, transferWays } from './tcc.js';
import { purchases, type PurchaseWay } from './bookstore.js';
import { recordLifecycles } from './lifecycle.js';
import { messages } from './message.js';
import { reconciliations } from './reconcile.js';
import { retention, sales } from './sale.js';
import { bringToDesk, stateTable } from './state-table.js';
import { agents, threePhase } from './three-phase.js';
import { twoPhase } from './two-phase.js';
import { atTheDesk, ended, operates, whenStep, type Path, type Way } from './ways.js';

/**
 * `npm run histories`: runs a transaction down every path and writes each history, for replay. Run it again, and commit what
 * it writes, after a change of a transaction that is meant to be incompatible with runs under way. `npm run histories -- tcc-`
 * runs only those whose names begin so.
 */

const paths: Readonly<Record<string, Path>> = {
  placed: {},
  'placed-stock-first': { order: { sequence: 'stock-first' } },
  'placed-after-retries': { fault: 'payments.charge.action:fail=2' },
  'placed-after-a-lost-reply': { fault: 'payments.charge.action:die-after-commit' },
  'payment-refused': { order: { amount: 2_000_000 } },
  'payment-refused-stock-first': { order: { amount: 2_000_000, sequence: 'stock-first' } },
  'stock-short': { order: { units: 100_000 } },
  'first-step-rejected': { order: { customerId: 'nobody' } },
  'step-unknown': { fault: 'inventory.reserve.action:die-after-commit=10' },
  'deadline-exceeded': { fault: 'inventory.reserve.action:hang', call: { deadline: '2 seconds' } },
  cancelled: { fault: 'inventory.reserve.action:hang', then: whenStep('inventory.reserve.action') },
  'cancelled-after-the-pivot': { fault: 'shipping.dispatch.action:hang=1', then: whenStep('shipping.dispatch.action') },
  'pivot-rejected': { fault: 'shipping.dispatch.action:refuse' },
  'forward-skipped': {
    fault: 'notifications.orderPlaced.action:refuse',
    then: atTheDesk('notify', 'skip'),
  },
  'forward-resolved': {
    fault: 'notifications.orderPlaced.action:refuse',
    then: atTheDesk('notify', 'resolve', { result: null }),
  },
  'pivot-retried': {
    fault: 'shipping.dispatch.action:fail=1000',
    call: { forwardWindow: '2 seconds' },
    then: atTheDesk('ship', 'resolve', { result: { shipmentId: 'by hand' } }),
  },
  'undo-after-retries': { order: { units: 100_000 }, fault: 'payments.charge.compensation:fail=2' },
  'undo-skipped': {
    order: { units: 100_000 },
    fault: 'payments.charge.compensation:fail=1000',
    call: { compensationWindow: '2 seconds' },
    then: atTheDesk('pay', 'skip'),
  },
  'undo-resolved': {
    order: { units: 100_000 },
    fault: 'payments.charge.compensation:fail=1000',
    call: { compensationWindow: '2 seconds' },
    then: atTheDesk('pay', 'resolve'),
  },
  'deadline-near': { fault: 'inventory.reserve.action:hang=1', call: { deadline: '5 seconds' } },
  'deadline-moved': {
    fault: 'inventory.reserve.action:hang=1',
    then: operates('inventory.reserve.action', 'deadline', { deadlineAt: Date.now() + 86_400_000 }),
  },
  'cancelled-by-an-operator': {
    fault: 'inventory.reserve.action:hang',
    then: operates('inventory.reserve.action', 'cancel'),
  },
  paused: {
    fault: 'inventory.reserve.action:hang=1',
    then: async (handle, client) => {
      await operates('inventory.reserve.action', 'pause')(handle, client);
      await operates('inventory.reserve.action', 'resume')(handle, client);
    },
  },
  'settled-and-undone': { fault: 'payments.charge.action:hang=1', then: ended('payments.charge.action') },
  'settled-and-completed': { fault: 'orders.complete.action:hang=1', then: ended('orders.complete.action') },
  'lean-placed': { call: { lane: 'lean' } },
  'lean-stock-short': { order: { units: 100_000 }, call: { lane: 'lean' } },
  'lean-step-slow': { fault: 'inventory.reserve.action:hang=1', call: { lane: 'lean' } },
  'lean-step-unknown': { fault: 'inventory.reserve.action:die-after-commit=10', call: { lane: 'lean' } },
};

/** Orders that a workflow only opens. */
const choreographed: Readonly<Record<string, Path>> = {
  'choreographed-opened': {},
  'choreographed-refused': { order: { customerId: 'nobody' } },
};

/** The names of what is wanted begin so. */
const [, , wanted = ''] = process.argv;

function wantedOf<Any>(ways: Readonly<Record<string, Any>>): [name: string, way: Any][] {
  return Object.entries(ways).filter(([name]) => name.startsWith(wanted));
}

async function main(): Promise<void> {
  Runtime.install({ shutdownSignals: [], logger: transactionLogger('ERROR') });
  const onProgress = (line: string) => {
    console.error(line);
  };
  const servers = await startServers({
    ephemeral: true,
    databases: serviceNames,
    searchAttributes: searchAttributeTypes,
    onProgress,
  });
  const { temporal, databaseUrl } = servers;
  // Where producers of messages find them.
  for (const service of serviceNames) process.env[`DATABASE_URL_${service.toUpperCase()}`] = databaseUrl(service);
  const faultsOf = (ways: Readonly<Record<string, Way>>, kind: string) =>
    Object.entries(ways).flatMap(
      ([name, { fault }]) => fault?.split(',').map((each) => `${each}@${kind}-${name}`) ?? [],
    );
  const faults = [
    ...faultsOf({ ...paths, ...tccOrders }, 'order'),
    ...faultsOf(purchases, 'purchase'),
    ...faultsOf({ ...transfers, ...twoPhase, ...threePhase, ...messages, ...stateTable }, 'transfer'),
  ];
  faults.push('payments.charge.action:die-after-commit=3@order-grouped-unknown');
  faults.push('payments.refund.action:refuse@order-life-refund-refused*');
  const urls = Object.fromEntries(serviceNames.map((service) => [service, databaseUrl(service)]));
  const shop = await createShopWorker(temporal, {
    databaseUrls: urls,
    poolSize: 5,
    faults: faults.join(','),
    // Nobody is there.
    alarms: { url: 'http://127.0.0.1:9/', secret: [Buffer.alloc(32).toString('base64')] },
  });
  const running = shop.run();
  try {
    const client = new Client({ connection: shop.connection, namespace: temporal.namespace });
    const { taskQueue } = temporal;
    const transactions = transactionClient(client, { taskQueue });
    const placeOrder = transactions.of(placeOrderTransaction);
    await openShop(client, temporal, {
      customers: ['c1'],
      walletCents: 1_000_000,
      points: 1_000,
      sku: 'cd',
      units: 1_000,
    });
    if ('grouped'.startsWith(wanted)) {
      await recordGroup(client, taskQueue, (order) => placeOrder(order, { lane: 'grouped' }));
    }
    // Before the orders, which raise alarms of their own.
    if ('alarms'.startsWith(wanted)) await write('alarms', await raiseAlarms(client, taskQueue));
    if ('reconcile'.startsWith(wanted)) await reconciliations(client, { taskQueue, urls }, write);
    if ('sale'.startsWith(wanted)) await sales(client, { taskQueue, urls }, write);
    if ('forgotten'.startsWith(wanted)) await retention(client, { taskQueue, urls }, write);
    await openAccounts(client, temporal);
    await recordLifecycles(client, temporal, wanted, write);
    const record = async (name: string, gid: string, { then }: Way) => {
      const handle = client.workflow.getHandle(gid);
      await then?.(handle, client);
      const end = await handle.result().then(
        () => 'committed',
        (error: unknown) => String((error as Error).cause),
      );
      await write(name, handle);
      console.error(`${name}: ${end}`);
    };
    const placing = (
      ways: Readonly<Record<string, Path>>,
      place: Pick<Transaction<PlaceOrderInput, unknown>, 'start'>,
    ) =>
      wantedOf(ways).map(async ([name, way]) => {
        const given = { orderId: name, customerId: 'c1', units: 1, amount: 2_933, ...way.order };
        const { gid } = await place.start(given, way.call);
        await record(name, gid, way);
      });
    const transferring = async ([name, way]: [string, TransferWay]) => {
      const { gid } = await transactions.of(transferWays[way.scheme]).start(way.input(name), way.call);
      await record(name, gid, way);
      for (const [, participant] of agents.filter(([of]) => of === name)) {
        await write(`${name}-${participant}`, client.workflow.getHandle(agentId(gid, participant)));
      }
    };
    const buying = async ([name, way]: [string, PurchaseWay]) => {
      const { gid } = await transactions.of(buyBookTransaction).start(way.input(name));
      await record(name, gid, way);
    };
    await Promise.all([
      ...wantedOf(purchases).map(buying),
      ...placing(paths, placeOrder),
      ...placing(tccOrders, transactions.of(placeOrderTccTransaction)),
      ...placing(choreographed, transactions.of(placeOrderChoreographedTransaction)),
      ...wantedOf(transfers).map(transferring),
    ]);
    await Promise.all(
      wantedOf(stateTable).map(async (way) =>
        record(way[0], await bringToDesk(client, { taskQueue, urls }, way), way[1]),
      ),
    );
    // One after the other: what is prepared keeps its accounts from all others.
    for (const way of wantedOf({ ...twoPhase, ...threePhase, ...messages })) await transferring(way);
  } finally {
    await shop.stop();
    await running;
    await servers.stop();
  }
}

/** A group with a member a path. */
async function recordGroup(
  client: Client,
  taskQueue: string,
  placeOrder: (order: PlaceOrderInput) => Promise<unknown>,
): Promise<void> {
  const members: PlaceOrderInput[] = [
    { orderId: 'grouped-placed', customerId: 'c1', units: 1, amount: 2_933 },
    { orderId: 'grouped-announced', customerId: 'c1', units: 1, amount: 2_933, announce: true },
    { orderId: 'grouped-payment-refused', customerId: 'c1', units: 1, amount: 2_000_000 },
    { orderId: 'grouped-stock-short', customerId: 'c1', units: 100_000, amount: 2_933 },
    { orderId: 'grouped-first-step-rejected', customerId: 'nobody', units: 1, amount: 2_933 },
    { orderId: 'grouped-unknown', customerId: 'c1', units: 1, amount: 2_933 },
  ];
  await Promise.allSettled(members.map(placeOrder));
  for (;;) {
    const query = `TaskQueue = '${taskQueue}' AND TxState = 'group'`;
    for await (const { workflowId } of client.workflow.list({ query })) {
      await write('grouped', client.workflow.getHandle(workflowId));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Alarms that are repeated, over the rate, and tried again; their workflow never ends. */
async function raiseAlarms(client: Client, taskQueue: string): Promise<WorkflowHandle> {
  const rules: AlarmRules = { rate: { most: 2, windowMs: 3_000 } };
  const workflowId = alarmsWorkflowId(taskQueue);
  for (const id of ['1', '2', '1', '3']) {
    const alarm: Alarm = { id, kind: 'stuck', gid: `order-${id}`, at: 0, message: `order-${id} is stuck` };
    await client.workflow.signalWithStart(DELIVER_ALARMS, {
      ...{ workflowId, taskQueue, signal: ALARM_SIGNAL, signalArgs: [alarm, rules] },
    });
  }
  await testAlarm(client, { taskQueue });
  const handle = client.workflow.getHandle(workflowId);
  for (;;) {
    const { waiting, failing } = await handle.query<AlarmsView>(ALARMS_QUERY);
    // Both alarms, and the summary of the third.
    if (waiting === 3 && failing === 3) return handle;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function write(name: string, handle: WorkflowHandle): Promise<void> {
  const file = fileURLToPath(new URL(`histories/${name}.json`, import.meta.url));
  writeFileSync(file, `${JSON.stringify(anonymous(JSON.parse(historyToJSON(await handle.fetchHistory()))))}\n`);
}

/** Without what tells of the machine: replay does not look at it. */
function anonymous(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(anonymous);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      if (key === 'identity') return [key, 'recorder'];
      if (key === 'stackTrace') return [key, ''];
      return [key, anonymous(part)];
    }),
  );
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
