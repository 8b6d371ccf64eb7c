import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import {
  transactionClient,
  type CallOptions,
  type StartOptions,
  type Transaction,
  type TransactionContract,
} from '../../../src/kit/client/index.js';
import { createGuard, guardMigrations, migrate, pgDatabase, type Database } from '../../../src/kit/database/index.js';
import { directLane, type DirectLaneOptions } from '../../../src/kit/direct/index.js';
import {
  adoptActivities,
  alarmActivities,
  participantActivities,
  scanActivities,
  startRelay,
  transactionWorkerOptions,
  type Relay,
} from '../../../src/kit/worker/index.js';
import type { Operation } from '../../../src/kit/workflow/branch.js';
import { DECIDE_UPDATE, type DeskOrder } from '../../../src/kit/workflow/desk.js';
import type { ScanReport } from '../../../src/kit/workflow/scan.js';
import { TRANSACTION_QUERY, type TransactionView } from '../../../src/kit/workflow/view.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../../support/servers.js';
import * as workflows from './steps-workflows.js';
import type { Asked, Done, Order } from './steps-workflows.js';
import { connectTo } from '../../support/connection.js';

/** What goes wrong in a process: told of each operation before it is asked, and when it was done. */
export type Fault = (operation: Operation, when: 'before' | 'after') => Promise<void> | void;
type SagaName = 'simple' | 'choosy' | 'changesInput' | 'takesObjects' | 'eitherFirst' | 'other';

const NAMES = ['a', 'b', 'c'] as const;

/** Loses the answer of a step before it is asked. */
export function loses(step: string): Fault {
  return ({ branch, op }, when) => {
    if (branch === step && op === 'action' && when === 'before') throw new Error('lost');
  };
}

/** Dies in a step, and tells of it. */
export function diesIn(step: string, point: 'before' | 'after' = 'before') {
  let reach: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const fault: Fault = ({ branch, op }, when) => {
    if (branch !== step || op !== 'action' || when !== point) return undefined;
    reach();
    return new Promise<void>(() => undefined);
  };
  return { fault, reached };
}

/** Three participants with a database each, a worker, and as many callers as a test wants. What a step does is a row. */
export class StepsWorld {
  readonly taskQueue = `steps-${randomUUID()}`;
  readonly databases: Record<string, Database> = {};
  readonly warnings: string[] = [];
  readonly #opened: { name: string; pool: pg.Pool; database: TestDatabase }[] = [];
  readonly #ends: (() => Promise<unknown>)[] = [];
  #client: Client | undefined;
  #relay: Relay | undefined;
  #count = 0;

  async open(): Promise<void> {
    const address = await temporalAddress();
    for (const name of NAMES) {
      const database = await testDatabase(name);
      const pool = new pg.Pool({ connectionString: database.url, max: 10, connectionTimeoutMillis: 5_000 });
      this.#opened.push({ name, pool, database });
      const db = (this.databases[name] = pgDatabase(pool));
      await migrate(db, 'guard', guardMigrations);
      const limit = name === 'c' ? 1_000 : 1_000_000;
      await db.run(
        `create table effects (gid text, step text, n integer check (n < ${limit}), primary key (gid, step))`,
      );
    }
    const connection = await connectTo(address);
    const native = await NativeConnection.connect({ address });
    this.#client = new Client({ connection });
    const worker = await Worker.create({
      ...transactionWorkerOptions,
      connection: native,
      taskQueue: this.taskQueue,
      workflowsPath: fileURLToPath(new URL('./steps-workflows.ts', import.meta.url)),
      activities: {
        ...participantActivities(this.#participants(), { who: 'worker' }),
        ...adoptActivities(this.databases),
        ...alarmActivities(),
      },
    });
    const running = worker.run();
    this.#ends.push(
      () => {
        worker.shutdown();
        return running;
      },
      () => native.close(),
      () => connection.close(),
    );
    this.#relay = startRelay({
      client: this.#client,
      databases: this.databases,
      intervalMs: 200,
      onWarning: (line) => this.warnings.push(line),
    });
  }

  get client(): Client {
    if (this.#client === undefined) throw new Error('the world is not open yet');
    return this.#client;
  }

  gid(): string {
    return `${this.taskQueue}-${++this.#count}`;
  }

  /** A process that calls a saga, perhaps with another release of it than the worker has. */
  caller(
    workflow: SagaName,
    options: { saga?: keyof typeof workflows; fault?: Fault; lane?: Partial<DirectLaneOptions>; client?: Client } = {},
  ): Transaction<Order, Done> {
    const { saga = workflow, fault, lane, client = this.client } = options;
    const direct = directLane({
      sagas: { [workflow]: workflows[saga] as typeof workflows.simple },
      participants: this.#participants(fault),
      databases: this.databases,
      ...lane,
    });
    const contract: TransactionContract<Order, Order, Done> = {
      ...{ workflow, scheme: 'saga', parse: (order) => order },
      ...{ gid: ({ gid }) => gid, summary: ({ gid }) => gid },
    };
    const call = transactionClient(client, { taskQueue: this.taskQueue, direct }).of(contract);
    const byDefault = <T extends CallOptions>(given?: T) => ({ lane: 'direct', wait: '40 seconds', ...given }) as const;
    return Object.assign((order: Order, given?: CallOptions) => call(order, byDefault(given)), {
      start: (order: Order, given?: StartOptions) => call.start(order, byDefault(given)),
    });
  }

  /** What the steps of a transaction have done, such as `one=1`. */
  async effects(gid: string): Promise<string[]> {
    const text = `select step || '=' || n as effect from effects where gid = $1`;
    return (await this.#everywhere<{ effect: string }>(text, gid)).map(({ effect }) => effect).sort();
  }

  /** Scans once, for what has ended in the last minutes. */
  scan(): Promise<ScanReport> {
    const environment = new MockActivityEnvironment({}, { client: this.client, logger: new DefaultLogger('ERROR') });
    return environment.run(scanActivities()['backstitch.scan'], { since: Date.now() - 600_000 });
  }

  /** How a transaction has ended, as its first step's row tells duplicates. */
  async fate(gid: string): Promise<string | undefined> {
    const text = `select fate->>'state' as state from backstitch.guard where gid = $1 and fate is not null`;
    return (await this.#everywhere<{ state: string }>(text, gid))[0]?.state;
  }

  /** Lets nobody into a database, and everybody out of it, until `up` is called. */
  down(name: (typeof NAMES)[number]): Promise<{ up: () => Promise<void> }> {
    const opened = this.#opened.find((each) => each.name === name);
    if (opened === undefined) throw new Error(`there is no database ${name}`);
    return opened.database.down();
  }

  /** Who has what is announced of a transaction. */
  async announced(gid: string): Promise<string[]> {
    const rows = await this.#everywhere<{ owner: string }>(
      'select owner from backstitch.announcements where gid = $1',
      gid,
    );
    return rows.map(({ owner }) => owner);
  }

  /** Waits until the transaction is announced nowhere. */
  async over(gid: string): Promise<void> {
    while ((await this.announced(gid)).length > 0) await sleep(50);
  }

  /** Lets the time pass after which a worker takes a transaction over. */
  async makeDue(gid: string): Promise<void> {
    await this.#everywhere('update backstitch.announcements set take_over_at = clock_timestamp() where gid = $1', gid);
  }

  /** Waits until a branch waits for a person. @returns its failure */
  async stuck(gid: string): Promise<{ branch: string; type: string }> {
    for (;;) {
      const view = await this.client.workflow
        .getHandle(gid)
        .query<TransactionView>(TRANSACTION_QUERY)
        .catch(() => undefined);
      const [first] = view?.desk ?? [];
      if (first !== undefined) return { branch: first.branch, type: first.failure.type };
      await sleep(100);
    }
  }

  /** A person decides about a branch that waits. @returns the outcome of the transaction then, as its workflow tells it */
  async decide(gid: string, order: Pick<DeskOrder, 'branch' | 'action' | 'input'>): Promise<unknown> {
    const handle = this.client.workflow.getHandle(gid);
    await handle.executeUpdate(DECIDE_UPDATE, { args: [{ actor: 'ann', reason: 'a test', ...order }] });
    return handle.result();
  }

  async #everywhere<Row extends object>(text: string, gid: string): Promise<Row[]> {
    const found = await Promise.all(Object.values(this.databases).map((database) => database.run<Row>(text, [gid])));
    return found.flat();
  }

  #participants(fault: Fault = () => undefined) {
    return Object.fromEntries(
      Object.entries(this.databases).map(([name, database]) => {
        const guard = createGuard(database);
        const action = async (operation: Operation, input: Asked) => {
          await fault(operation, 'before');
          const at = await guard.apply(operation, input, async (sql) => {
            const text = `insert into effects values ($1, $2, $3)
              on conflict (gid, step) do update set n = effects.n + excluded.n`;
            await sql(text, [operation.gid, operation.branch, input.n]);
            return new Date().toISOString();
          });
          await fault(operation, 'after');
          return { at: new Date(at) };
        };
        const compensation = async (operation: Operation, input: Asked) => {
          await fault(operation, 'before');
          await guard.undo(operation, input, async (sql) => {
            await sql('delete from effects where gid = $1 and step = $2', [operation.gid, operation.branch]);
          });
          await fault(operation, 'after');
        };
        return [name, { do: { action, compensation } }];
      }),
    );
  }

  async close(): Promise<void> {
    await this.#relay?.stop();
    for (const end of this.#ends) await end();
    await Promise.all(this.#opened.map(({ pool }) => pool.end()));
    for (const { database } of this.#opened) await database.drop();
  }
}
