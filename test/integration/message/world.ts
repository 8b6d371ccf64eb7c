import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, WorkflowNotFoundError, type Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { messageSender } from '../../../src/kit/client/index.js';
import {
  checkBackOnly,
  createGuard,
  guardMigrations,
  migrate,
  pgDatabase,
  type Database,
  type Guard,
} from '../../../src/kit/database/index.js';
import {
  transactionalMessage,
  type SentMessage,
  type TransactionalMessageOptions,
} from '../../../src/kit/direct/index.js';
import { alarmActivities, participantActivities, transactionWorkerOptions } from '../../../src/kit/worker/index.js';
import type { Operation } from '../../../src/kit/workflow/branch.js';
import { TRANSACTION_QUERY, type TransactionView } from '../../../src/kit/workflow/view.js';
import { Program } from '../../support/program.js';
import { postgresUrl, temporalAddress, testDatabase, type TestDatabase } from '../../support/servers.js';
import { note, paidMessage } from './contract.js';
import type { ProducerOrder } from './producer-program.js';
import type { Order } from './workflows.js';
import { transpiled } from '../../support/transpiled.js';
import { connectTo } from '../../support/connection.js';

const NAMES = ['producer', 'one', 'two'] as const;
type Name = (typeof NAMES)[number];

/** How a producer's process ended. */
export interface ProducerEnd {
  readonly state: string;
  readonly message?: string;
  readonly cause?: string;
  readonly local?: unknown;
}

/** A producer and two subscribers with a database each, a worker, and producers in processes of their own. What is done is a row. */
export class MessagesWorld {
  readonly taskQueue = `messages-${randomUUID()}`;
  readonly databases = {} as Record<Name, Database>;
  readonly #opened = {} as Record<Name, { pool: pg.Pool; database: TestDatabase }>;
  readonly #programs: Program[] = [];
  /** Called before each check-back, and before each delivery, by the branch. */
  before: (operation: Operation) => Promise<void> | void = () => undefined;
  #address = '';
  #connection: Connection | undefined;
  #native: NativeConnection | undefined;
  #stop: (() => Promise<void>) | undefined;
  #count = 0;

  async open(): Promise<void> {
    this.#address = await temporalAddress();
    for (const name of NAMES) {
      const database = await testDatabase(name);
      const pool = new pg.Pool({ connectionString: database.url, max: 5, connectionTimeoutMillis: 5_000 });
      pool.on('error', () => undefined);
      this.#opened[name] = { pool, database };
      const db = (this.databases[name] = pgDatabase(pool));
      await migrate(db, 'guard', guardMigrations);
      await db.run('create table effects (gid text, branch text, n integer)');
    }
    this.#connection = await connectTo(this.#address);
    this.#native = await NativeConnection.connect({ address: this.#address });
    await this.startWorker();
  }

  async close(): Promise<void> {
    for (const program of this.#programs) program.kill('SIGKILL');
    await this.stopWorker();
    await this.#native?.close();
    await this.#connection?.close();
    for (const { pool, database } of Object.values(this.#opened)) {
      await pool.end();
      await database.drop();
    }
  }

  get client(): Client {
    return new Client({ connection: this.#connection });
  }

  async startWorker(): Promise<void> {
    const guards = Object.fromEntries(NAMES.map((name) => [name, createGuard(this.databases[name])])) as Record<
      Name,
      Guard
    >;
    const noted = (name: Name) => ({
      action: async (operation: Operation, order: Order) => {
        await this.before(operation);
        return guards[name].apply(operation, order, (sql) => note(sql, operation, order));
      },
    });
    const pay = {
      action: async (operation: Operation, order: unknown) => {
        await this.before(operation);
        return checkBackOnly(guards.producer).action(operation, order);
      },
    };
    const participants = { producer: { pay }, one: { note: noted('one') }, two: { note: noted('two') } };
    const worker = await Worker.create({
      ...transactionWorkerOptions,
      connection: this.#native,
      taskQueue: this.taskQueue,
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      activities: { ...participantActivities(participants, { who: 'worker' }), ...alarmActivities() },
    });
    const running = worker.run();
    this.#stop = () => {
      worker.shutdown();
      return running;
    };
  }

  async stopWorker(): Promise<void> {
    await this.#stop?.();
    this.#stop = undefined;
  }

  order(n = 1): Order {
    return { id: `${this.taskQueue}-${++this.#count}`, n };
  }

  /** A producer in a process of its own. */
  producer(order: Order, more: Partial<Pick<ProducerOrder, 'staysAt' | 'failsAt' | 'options'>> = {}): Program {
    const { taskQueue } = this;
    const { url } = this.#opened.producer.database;
    const { options = {}, ...rest } = more;
    const asked: ProducerOrder = { address: this.#address, taskQueue, url, order, options, ...rest };
    const file = transpiled('test/integration/message/producer-program.ts');
    const program = new Program(file, [JSON.stringify(asked)], {}, { ipc: true });
    this.#programs.push(program);
    return program;
  }

  /** What a producer's process says at its end. */
  async ended(program: Program): Promise<ProducerEnd> {
    const [, end = ''] = await program.printed(/^ended (.*)$/m);
    return JSON.parse(end) as ProducerEnd;
  }

  /** Sends the message from this process. */
  send(order: Order, options: TransactionalMessageOptions = {}): Promise<SentMessage<number, { n: number }>> {
    const guard = createGuard(this.databases.producer);
    const sender = messageSender(this.client, this, paidMessage);
    const local = (operation: Operation, input: unknown) =>
      guard.apply(operation, input, (sql) => note(sql, operation, order));
    return transactionalMessage(sender, order, local, options);
  }

  /** Waits for the end of a message, by its own word. */
  async over({ id }: Order): Promise<string> {
    for (;;) {
      const { status } = await this.client.workflow.getHandle(id).describe();
      if (status.name !== 'RUNNING') return status.name === 'COMPLETED' ? 'committed' : status.name.toLowerCase();
      await sleep(20);
    }
  }

  async wasPrepared({ id }: Order): Promise<boolean> {
    try {
      await this.client.workflow.getHandle(id).describe();
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  view({ id }: Order): Promise<TransactionView> {
    return this.client.workflow.getHandle(id).query<TransactionView>(TRANSACTION_QUERY);
  }

  /** What was done, as `local one two`. */
  async effects({ id }: Order): Promise<string> {
    const all = await Promise.all(
      NAMES.map((name) =>
        this.databases[name].run<{ branch: string }>('select branch from effects where gid = $1', [id]),
      ),
    );
    return all.flatMap((rows) => rows.map(({ branch }) => branch)).join(' ');
  }

  /** What the guard of the producer's database says of the local transaction. */
  async local({ id }: Order): Promise<string | undefined> {
    const text = 'select outcome from backstitch.guard where gid = $1 and phase = 1';
    const [row] = await this.databases.producer.run<{ outcome: string }>(text, [id]);
    return row?.outcome;
  }

  /** Lets nobody into the producer's database, and everybody out of it, until `up` is called. */
  async down(): Promise<{ up: () => Promise<void> }> {
    const name = new URL(this.#opened.producer.database.url).pathname.slice(1);
    const server = new pg.Client({ connectionString: await postgresUrl() });
    await server.connect();
    await server.query(`alter database ${name} with allow_connections false`);
    await server.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    const up = async () => {
      await server.query(`alter database ${name} with allow_connections true`);
      await server.end();
    };
    return { up };
  }
}
