import { randomUUID } from 'node:crypto';
import { Client, type Connection } from '@temporalio/client';
import pg from 'pg';
import { createFaults, type Faults } from '../../../src/activities/faults.js';
import { createShop, serviceNames, type ServiceName } from '../../../src/activities/index.js';
import type { PlacedOrder, PlaceOrderInput } from '../../../src/contracts/place-order.js';
import type { Books } from '../../../src/contracts/shop.js';
import { placeOrderTransaction } from '../../../src/contracts/transactions.js';
import { transactionClient, type GroupOptions, type Transaction } from '../../../src/kit/client/index.js';
import { pgDatabase, type Database, type Probe } from '../../../src/kit/database/index.js';
import { directLane, type DirectLaneOptions } from '../../../src/kit/direct/index.js';
import { createShopWorker, type ShopWorker } from '../../../src/worker.js';
import { placeOrder } from '../../../src/workflows/place-order.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../../support/servers.js';
import { connectTo } from '../../support/connection.js';

/** A promise, and what ends it. */
export function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** One process that drives: its own faults, its own lane. */
export interface Caller {
  readonly placeOrder: Transaction<PlaceOrderInput, PlacedOrder>;
  readonly faults: Faults;
  /** Why transactions were given to workflows. */
  readonly handedOver: string[];
}

/** The shop on real servers, with a worker, and as many callers as a test wants. */
export class DirectWorld {
  readonly taskQueue = `direct-${randomUUID()}`;
  readonly databases = {} as Record<ServiceName, Database>;
  readonly #pools: pg.Pool[] = [];
  readonly #opened: { service: ServiceName; database: TestDatabase }[] = [];
  #worker: ShopWorker | undefined;
  #connection: Connection | undefined;
  #client: Client | undefined;
  #address = '';
  #count = 0;

  async open(): Promise<void> {
    this.#address = await temporalAddress();
    for (const service of serviceNames) {
      const database = await testDatabase(service);
      const pool = new pg.Pool({ connectionString: database.url, max: 10, connectionTimeoutMillis: 5_000 });
      this.#opened.push({ service, database });
      this.#pools.push(pool);
      this.databases[service] = pgDatabase(pool);
    }
    this.#connection = await connectTo(this.#address);
    this.#client = new Client({ connection: this.#connection });
    await this.startWorker();
    const { plain } = createShop({ databases: this.databases });
    await plain['orders.openCustomers']({ customerIds: ['rich', 'poor'], points: 1_000 });
    await plain['payments.openWallets']({ customerIds: ['rich'], cents: 1_000_000 });
    await plain['payments.openWallets']({ customerIds: ['poor'], cents: 1 });
    await plain['inventory.deliver']({ sku: 'cd', units: 10_000 });
  }

  get client(): Client {
    if (this.#client === undefined) throw new Error('the world is not open yet');
    return this.#client;
  }

  get worker(): ShopWorker {
    if (this.#worker === undefined) throw new Error('no worker runs');
    return this.#worker;
  }

  /** The environment that points the command line at this world. */
  get env(): Record<string, string> {
    return { TEMPORAL_ADDRESS: this.#address, BACKSTITCH_TASK_QUEUE: this.taskQueue };
  }

  async startWorker(): Promise<void> {
    const address = this.#address;
    const worker = await createShopWorker(
      { address, namespace: 'default', connection: { address }, taskQueue: this.taskQueue, ui: undefined },
      {
        databaseUrls: Object.fromEntries(this.#opened.map(({ service, database }) => [service, database.url])),
        poolSize: 5,
        faults: undefined,
      },
      () => undefined,
    );
    void worker.run();
    this.#worker = worker;
  }

  async stopWorker(): Promise<void> {
    await this.#worker?.stop();
    this.#worker = undefined;
  }

  caller(options: Partial<DirectLaneOptions> & { probe?: Probe; groups?: GroupOptions } = {}): Caller {
    const faults = createFaults();
    const handedOver: string[] = [];
    const { probe, groups, ...lane } = options;
    const { participants } = createShop({
      databases: this.databases,
      probe: async (point, operation) => {
        await faults.probe(point, operation);
        await probe?.(point, operation);
      },
    });
    const direct = directLane({
      sagas: { placeOrder },
      participants,
      databases: this.databases,
      onHandOver: (_, why) => handedOver.push(why.message),
      ...lane,
    });
    const { taskQueue } = this;
    return {
      placeOrder: transactionClient(this.client, { taskQueue, direct, groups }).of(placeOrderTransaction),
      faults,
      handedOver,
    };
  }

  /** A caller whose transactions stop before this function is called, until they are let go on. */
  held(name: string, options: Partial<DirectLaneOptions> = {}) {
    const go = deferred<undefined>();
    const reached = deferred<undefined>();
    const caller = this.caller({
      callMs: 60_000,
      takeOverMs: 120_000,
      ...options,
      probe: async (at, operation) => {
        if (at !== 'before' || operation.function !== name) return;
        reached.resolve(undefined);
        await go.promise;
      },
    });
    return {
      ...caller,
      reached: reached.promise,
      go: () => {
        go.resolve(undefined);
      },
    };
  }

  order(customerId = 'rich'): PlaceOrderInput & { orderId: string } {
    return { orderId: `${this.taskQueue}-${++this.#count}`, customerId, units: 1, amount: 100 };
  }

  books(): Promise<Books> {
    return createShop({ databases: this.databases }).plain['books.prove']();
  }

  /** The announcements that are left. */
  async announced(): Promise<string[]> {
    const rows = await this.databases.orders.run<{ gid: string }>('select gid from backstitch.announcements');
    return rows.map(({ gid }) => gid);
  }

  /** Lets the time pass after which a worker takes an order over, if it is announced. */
  async makeDue(orderId: string): Promise<void> {
    const text = 'update backstitch.announcements set take_over_at = clock_timestamp() where gid = $1';
    await this.databases.orders.run(text, [`order-${orderId}`]);
  }

  /** What the first step's row says of the end. */
  async fate(orderId: string): Promise<string | undefined> {
    const [row] = await this.databases.orders.run<{ state: string | null }>(
      `select fate->>'state' as state from backstitch.guard where gid = $1 and branch = 'create-order' and phase = 1`,
      [`order-${orderId}`],
    );
    return row?.state ?? undefined;
  }

  /** The groups that were ever started, by how they are now: `RUNNING`, `COMPLETED`, … */
  async groups(status?: string): Promise<string[]> {
    const found: string[] = [];
    const query = `TaskQueue = '${this.taskQueue}' AND TxState = 'group'`;
    for await (const info of this.client.workflow.list({ query })) {
      const handle = this.client.workflow.getHandle(info.workflowId);
      if (status === undefined || (await handle.describe()).status.name === status) found.push(info.workflowId);
    }
    return found;
  }

  /** Whether a workflow was ever started for the order. */
  async hasWorkflow(orderId: string): Promise<boolean> {
    return this.client.workflow
      .getHandle(`order-${orderId}`)
      .describe()
      .then(
        () => true,
        () => false,
      );
  }

  async close(): Promise<void> {
    await this.stopWorker();
    await this.#connection?.close();
    await Promise.all(this.#pools.map((pool) => pool.end()));
    for (const { database } of this.#opened) await database.drop();
  }
}
