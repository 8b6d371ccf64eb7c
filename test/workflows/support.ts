import { randomUUID } from 'node:crypto';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import { serviceNames, type ServiceName } from '../../src/activities/index.js';
import { openShop, proveBooks } from '../../src/client/shop.js';
import type { WorkerSettings } from '../../src/config.js';
import type { Faults } from '../../src/activities/faults.js';
import type { Books } from '../../src/contracts/shop.js';
import { transactionClient } from '../../src/kit/client/index.js';
import { pgDatabase, type Database } from '../../src/kit/database/index.js';
import { TX_STATE } from '../../src/kit/workflow/attributes.js';
import { createShopWorker } from '../../src/worker.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';

/** The shop with a worker on real servers, open for business, and a client that calls its transactions. */
export class ShopWorld {
  readonly taskQueue = `shop-${randomUUID()}`;
  readonly #faults: readonly string[];
  readonly #databases = new Map<ServiceName, TestDatabase>();
  readonly #pools: pg.Pool[] = [];
  #shop: Awaited<ReturnType<typeof createShopWorker>> | undefined;
  #running: Promise<void> | undefined;
  #address = '';
  /** What its worker is given besides, asked for when it opens. */
  settings: () => Promise<Partial<WorkerSettings>> = () => Promise.resolve({});

  constructor(...faults: string[]) {
    this.#faults = faults;
    before(async () => {
      await this.#open();
    });
    after(async () => {
      await this.#shop?.stop();
      await this.#running;
      for (const pool of this.#pools) await pool.end();
      for (const database of this.#databases.values()) await database.drop();
    });
  }

  get client(): Client {
    if (this.#shop === undefined) throw new Error('the world is not open yet');
    return new Client({ connection: this.#shop.connection });
  }

  get transactions() {
    return transactionClient(this.client, { taskQueue: this.taskQueue });
  }

  /** Starts what delivers the services' messages: of these outboxes, or of all. */
  async deliver(...names: string[]): Promise<void> {
    await this.#shop?.deliver(names.length > 0 ? names : undefined);
  }

  /** What goes wrong with its operations. */
  get faults(): Faults {
    if (this.#shop === undefined) throw new Error('the world is not open yet');
    return this.#shop.faults;
  }

  /** Where its clients find Temporal and its worker. */
  get where() {
    const [address, taskQueue] = [this.#address, this.taskQueue];
    return { address, namespace: 'default', connection: { address }, taskQueue, ui: undefined };
  }

  /** The URL of each service's database. */
  get databaseUrls(): Record<string, string> {
    return Object.fromEntries(serviceNames.map((service) => [service, this.urlOf(service)]));
  }

  /** A service's database, as its activities have it. */
  database(service: ServiceName): Database {
    const pool = new pg.Pool({ connectionString: this.urlOf(service), max: 2 });
    this.#pools.push(pool);
    return pgDatabase(pool);
  }

  /** Runs a statement in a service's database. */
  async sql<Row extends object>(service: ServiceName, text: string, values: unknown[] = []): Promise<Row[]> {
    return query<Row>(this.urlOf(service), text, values);
  }

  /** Lets nobody into a service's database, and everybody out of it, until `up` is called. */
  down(service: ServiceName): Promise<{ up: () => Promise<void> }> {
    return this.#databaseOf(service).down();
  }

  /** Waits until an attempt of a workflow's activity has failed and is to be made again. It may not have been started yet. */
  async retrying(workflowId: string, activity: string): Promise<void> {
    const { workflow } = this.client;
    for (;;) {
      const raw = await workflow
        .getHandle(workflowId)
        .describe()
        .then(
          (described) => described.raw,
          (error: unknown) => {
            if (error instanceof WorkflowNotFoundError) return { pendingActivities: undefined };
            throw error;
          },
        );
      const pending = raw.pendingActivities?.find(({ activityType }) => activityType?.name === activity);
      if ((pending?.attempt ?? 0) > 1) return;
    }
  }

  /** Waits until a transaction waits for a person. */
  async stuck(gid: string): Promise<void> {
    for (;;) {
      const { typedSearchAttributes } = await this.client.workflow.getHandle(gid).describe();
      if (typedSearchAttributes.get(TX_STATE) === 'stuck') return;
    }
  }

  /** From here on nothing goes wrong any more. */
  mend(): void {
    this.#shop?.faults.clear();
  }

  books(): Promise<Books> {
    return proveBooks(this.client, this.where);
  }

  urlOf(service: ServiceName): string {
    return this.#databaseOf(service).url;
  }

  #databaseOf(service: ServiceName): TestDatabase {
    const database = this.#databases.get(service);
    if (database === undefined) throw new Error(`the database of '${service}' is not there yet`);
    return database;
  }

  async #open(): Promise<void> {
    this.#address = await temporalAddress();
    for (const service of serviceNames) this.#databases.set(service, await testDatabase(service));
    this.#shop = await createShopWorker(this.where, {
      databaseUrls: this.databaseUrls,
      poolSize: 10,
      faults: this.#faults.join(','),
      ...(await this.settings()),
    });
    this.#running = this.#shop.run();
    const opening = { customers: ['c1', 'c2'], walletCents: 1_000_000, points: 100_000, sku: 'cd', units: 1_000 };
    await openShop(this.client, this.where, opening);
  }
}

async function query<Row extends object>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
