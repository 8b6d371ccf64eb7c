import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import pg from 'pg';
import {
  createGuard,
  guardMigrations,
  machineMovesTable,
  machineRows,
  migrate,
  pgDatabase,
} from '../../../src/kit/database/index.js';
import { machineActivities, participantActivities } from '../../../src/kit/worker/index.js';
import { temporalAddress, testDatabase } from '../../support/servers.js';
import { connectTo } from '../../support/connection.js';

/** The workflows of a release. */
export const pathOf = (release: string) => fileURLToPath(new URL(`./versions/${release}.ts`, import.meta.url));

/** Tickets in a database of their own, and workers for their machines at the Temporal server of these tests. */
export class Tickets {
  readonly address: string;
  readonly client: Client;
  readonly pool: pg.Pool;
  readonly #native: NativeConnection;
  readonly #closing: (() => unknown)[] = [];

  private constructor(address: string, native: NativeConnection, client: Client, pool: pg.Pool) {
    this.address = address;
    this.client = client;
    this.pool = pool;
    this.#native = native;
  }

  static async open(name: string): Promise<Tickets> {
    const address = await temporalAddress();
    const native = await NativeConnection.connect({ address });
    const client = new Client({ connection: await connectTo(address) });
    const database = await testDatabase(name);
    const tickets = new Tickets(address, native, client, new pg.Pool({ connectionString: database.url, max: 10 }));
    const { pool } = tickets;
    tickets.onClose(() => database.drop());
    tickets.onClose(() => pool.end());
    tickets.onClose(() => client.connection.close());
    tickets.onClose(() => native.close());
    await migrate(pgDatabase(pool), 'guard', guardMigrations);
    await pool.query(`create table tickets (
      id text primary key, status text not null default 'OPEN', version integer not null default 0
    )`);
    await pool.query(machineMovesTable('ticket_moves'));
    return tickets;
  }

  /** What came last is closed first. */
  onClose(close: () => unknown): void {
    this.#closing.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
  }

  /** A ticket's row. @returns its id */
  async add(): Promise<string> {
    const id = `ticket-${randomUUID().slice(0, 8)}`;
    await this.pool.query('insert into tickets (id) values ($1)', [id]);
    return id;
  }

  activities(who: string) {
    const db = pgDatabase(this.pool);
    const tickets = machineRows(db, createGuard(db), { table: 'tickets', moves: 'ticket_moves' });
    return { ...participantActivities({ tickets }, { who }), ...machineActivities() };
  }

  /** @returns its end, which comes with the tests' at the latest */
  async startWorker(options: WorkerOptions): Promise<() => Promise<void>> {
    const worker = await Worker.create({ connection: this.#native, shutdownGraceTime: 0, ...options });
    const running = worker.run();
    const stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return running;
    };
    this.onClose(stop);
    return stop;
  }
}
