import { realpathSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import {
  bundleWorkflowCode,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundleOption,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { createShop, migrateShop, serviceNames, shopMasks, type ServiceName } from './activities/index.js';
import { orderServices } from './contracts/events.js';
import { orderGid } from './contracts/place-order.js';
import { bankNames } from './contracts/transfer.js';
import { wrongForPrepared, type Message } from './kit/database/index.js';
import { createFaults, type Faults } from './activities/faults.js';
import {
  ConfigError,
  OPERATIONS,
  temporalSettings,
  workerSettings,
  workflowBundleFile,
  type TemporalSettings,
  type WorkerSettings,
} from './config.js';
import { wantedFaults } from './faults.js';
import { startRelays } from './kit/client/index.js';
import {
  adoptActivities,
  alarmActivities,
  forgetActivities,
  deploymentOptions,
  groupActivities,
  logActivities,
  machineActivities,
  participantActivities,
  preloadModules,
  reconcileActivities,
  refusalActivities,
  relayActivities,
  scanActivities,
  startStateScan,
  stateDeskActivities,
  type StateScanning,
  startRelay,
  temporalSink,
  threePhaseActivities,
  type Relay,
  type RelayedOutbox,
  type RelayRules,
  transactionLogger,
  transactionWorkerOptions,
  webhookSink,
} from './kit/worker/index.js';
import { Pools, reach } from './pools.js';
import { abortOnSignal } from './signals.js';

/** The module with every workflow: this file's neighbour, as TypeScript or as JavaScript, as this file is. */
export const workflowsPath = fileURLToPath(new URL(`./workflows/index${extname(import.meta.url)}`, import.meta.url));

let bundled: Promise<WorkflowBundleWithSourceMap> | undefined;
/** The same, bundled once in a process, which takes seconds. */
export function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  return (bundled ??= bundleWorkflowCode({ workflowsPath, preloadModules, logger: transactionLogger('WARN') }));
}

/** The same, bundled by whoever has deployed it, or now. @throws ConfigError */
function workflowBundle(): Promise<WorkflowBundleOption> | WorkflowBundleOption {
  const codePath = workflowBundleFile();
  return codePath === undefined ? bundleWorkflows() : { codePath };
}

/** Connections to the operations database: nothing of a transaction waits for one. */
const OPERATIONS_POOL = 3;
/** Connections to each bank's database that end what is prepared: nobody keeps one for as long as a prepare may wait. */
const PHASE2_POOL = 3;

/** Connections to each bank's database that deliver messages: one listens, the others are those of its own relays and of those to it. */
const RELAY_POOL = 6;
/** The same of each service that an order has to do with. */
const ORDER_RELAY_POOL = 4;

/** What the warehouse tells of an order is a signal to the order's machine. */
export const lifecycleTopics = {
  '*': {
    workflow: 'orderLifecycle',
    signal: 'event',
    machine: true,
    workflowId: ({ key = '' }: Message) => orderGid(key),
  },
} as const;

/** An outbox by its own rules, but for those that the worker is given. */
export function withRules(outbox: RelayedOutbox, given: Partial<RelayRules> | undefined): RelayedOutbox {
  return { ...outbox, rules: { ...outbox.rules, ...given } };
}

/** A worker with the pools that it uses. */
export interface ShopWorker {
  readonly worker: Worker;
  readonly connection: NativeConnection;
  /** What is injected into it: tests and demos add to them while it runs. */
  readonly faults: Faults;
  /** Starts what delivers the services' messages, once for all workers of the task queue. @param names of outboxes; default: all */
  readonly deliver: (names?: readonly string[]) => Promise<void>;
  /** Runs until {@link stop} is called. @throws if the worker fails */
  readonly run: () => Promise<void>;
  /** Stops taking work, lets what runs end, and closes the connections. */
  readonly stop: () => Promise<void>;
}

/**
 * Makes a worker for the shop: connects to Temporal and to each service's database, brings the databases to the newest
 * schema, and registers workflows and activities.
 *
 * The operations database need not be reachable: the worker serves without it, and uses it when it is there.
 *
 * @param onWarning hears, in one line, of what is not as it should be and stops nothing. Default: the console
 */
export async function createShopWorker(
  temporal: TemporalSettings,
  settings: WorkerSettings,
  onWarning: (line: string) => void = (line) => {
    console.error(`worker: ${line}`);
  },
): Promise<ShopWorker> {
  const identity = `${process.pid}@${hostname()}`;

  const pools = new Pools();
  let connection: NativeConnection | undefined;
  const close = async () => {
    await connection?.close();
    await pools.close();
  };
  try {
    const databases = await pools.openServices(serviceNames, settings.databaseUrls, settings.poolSize);
    await migrateShop(databases);
    const wrong = new Set(
      await Promise.all(bankNames.map((bank) => wrongForPrepared(databases[bank], settings.poolSize))),
    );
    for (const line of wrong) if (line !== undefined) onWarning(`the banks' databases: ${line}`);
    const phase2 = pools.openBeside(bankNames, settings.databaseUrls, PHASE2_POOL, 'phase 2');
    const relaying = {
      ...pools.openBeside(bankNames, settings.databaseUrls, RELAY_POOL, 'messages'),
      ...pools.openBeside(
        [...orderServices, 'warehouse'] as const,
        settings.databaseUrls,
        ORDER_RELAY_POOL,
        'messages',
      ),
    };
    const heartbeat = () => {
      const context = Context.current();
      context.heartbeat();
      context.cancellationSignal.throwIfAborted();
    };
    const { operationsUrl } = settings;
    const operations = operationsUrl === undefined ? undefined : pools.open(OPERATIONS, operationsUrl, OPERATIONS_POOL);
    if (operations !== undefined) {
      reach('the operations database', OPERATIONS, operations, operationsUrl).catch((error: unknown) => {
        onWarning(`${(error as Error).message}; until it can be, the compensation log is not kept`);
      });
    }
    connection = await NativeConnection.connect(temporal.connection).catch((error: unknown) => {
      throw new ConfigError(
        `no Temporal server answers at ${temporal.address} (${String(error)}): set TEMPORAL_ADDRESS`,
      );
    });
    const client = new Client({ connection, namespace: temporal.namespace });
    const faults = createFaults();
    const shop = createShop({
      ...{ databases, phase2, relays: relaying, probe: faults.probe, heartbeat },
      toMachines: temporalSink({ client, taskQueue: temporal.taskQueue, topics: lifecycleTopics }),
    });
    const activities = participantActivities(shop.participants, { who: identity });
    for (const fault of wantedFaults(settings.faults, Object.keys(activities))) faults.set(fault);
    const tables = { callers: shop.callers };
    const groups = groupActivities({ participants: shop.participants, databases, who: identity });
    const alarms = alarmActivities({ sink: settings.alarms && webhookSink(settings.alarms) });
    const outboxes = shop.outboxes.map((each) => withRules(each, settings.relay));
    const relays = relayActivities({ outboxes, who: identity, alarms });
    const log = logActivities({ client, databases, operations, masks: shopMasks, onWarning });
    const worker = await Worker.create({
      ...transactionWorkerOptions,
      bundlerOptions: undefined,
      connection,
      namespace: temporal.namespace,
      taskQueue: temporal.taskQueue,
      identity,
      ...deploymentOptions(settings.deployment),
      workflowBundle: await workflowBundle(),
      activities: {
        ...activities,
        ...shop.plain,
        ...adoptActivities(databases, tables),
        ...groups,
        ...scanActivities({
          expired: shop.expired,
          databases: { ...databases, ...phase2 },
          outboxes: shop.outboxes,
          who: identity,
        }),
        ...threePhaseActivities(),
        ...forgetActivities({
          databases,
          operations,
          outboxes: shop.outboxes.map(({ outbox }) => ({ outbox, database: databases[outbox.name as ServiceName] })),
          ...shop.retention,
        }),
        ...machineActivities(),
        ...stateDeskActivities(tables),
        ...relays.activities,
        ...alarms,
        ...log,
        ...reconcileActivities({ pairs: shop.pairs, databases, operations }),
        ...refusalActivities({ databases, participants: shop.participants }),
      },
    });
    let relay: Relay | undefined;
    let scanning: StateScanning | undefined;
    let running: Promise<void> | undefined;
    let stopped: Promise<void> | undefined;
    const stop = async () => {
      relays.stop();
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running?.catch(() => undefined); // Whoever called run() hears of it.
      await Promise.all([relay?.stop(), scanning?.stop()]);
      await close();
    };
    const run = () => {
      relay ??= startRelay({ client, databases, onWarning });
      scanning ??= startStateScan({ client, taskQueue: temporal.taskQueue, tables, onWarning });
      return (running ??= worker.run());
    };
    const deliver = (names?: readonly string[]) => {
      const outboxes = shop.outboxes.map(({ outbox }) => outbox);
      const wanted = outboxes.filter(({ name }) => names?.includes(name) ?? true);
      return startRelays(client, { taskQueue: temporal.taskQueue, outboxes: wanted });
    };
    return { worker, connection, faults, deliver, run, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function main(): Promise<void> {
  // Temporal's runtime would take the signals for itself; the pools have to be closed after the worker.
  Runtime.install({ shutdownSignals: [], logger: transactionLogger() });
  const temporal = temporalSettings();
  const shop = await createShopWorker(temporal, workerSettings(serviceNames));
  abortOnSignal((signal) => {
    console.error(`worker: ${signal}: finishing what runs, then stopping`);
    void shop.stop();
  });
  console.error(
    `worker: serving task queue '${temporal.taskQueue}' of namespace '${temporal.namespace}' at ${temporal.address}`,
  );
  try {
    const running = shop.run();
    await Promise.race([running, shop.deliver()]);
    await running;
  } finally {
    await shop.stop();
  }
}

/** Whether Node was started with this file: by any path, with or without its ending. */
function isMain(): boolean {
  const [, given = ''] = process.argv;
  const own = fileURLToPath(import.meta.url);
  const found = [given, given + extname(own)].find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  return found !== undefined && realpathSync(found) === own;
}

if (isMain()) {
  main().catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`worker: ${message}`);
    process.exitCode = error instanceof ConfigError ? 2 : 1;
  });
}
