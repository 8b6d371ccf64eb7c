import { randomUUID } from 'node:crypto';
import { Client, type Connection } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createBank } from '../../../src/activities/banks/index.js';
import { bankMigrations } from '../../../src/activities/banks/migrations.js';
import { OPEN_ACCOUNTS } from '../../../src/activities/banks/sql.js';
import { createGuard, createPrepared, guardMigrations, migrate, pgDatabase } from '../../../src/kit/database/index.js';
import type { Database } from '../../../src/kit/database/index.js';
import {
  participantActivities,
  preloadModules,
  scanActivities,
  threePhaseActivities,
} from '../../../src/kit/worker/index.js';
import { TELL_AGENT, type Telling } from '../../../src/kit/workflow/three-phase/protocol.js';
import type { Alarm } from '../../../src/kit/workflow/index.js';
import { workflowsPath } from '../../../src/worker.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../../support/servers.js';
import type { Case } from './cases.js';
import { openLinks } from './links.js';
import { Stage } from './stage.js';
import { connectTo } from '../../support/connection.js';

/**
 * Two banks and a coordinator on real servers: A pays, B is paid. Each of the three has its own task queue, so that its worker can
 * be stopped while the others go on, and a bank its own address, so that its link can be cut.
 */

/** The two participants, by what the table calls them. A branch has the name of its participant. */
export const parties = {
  A: 'bank_a',
  B: 'bank_b',
} as const;
export type Party = keyof typeof parties;
type BankParty = (typeof parties)[Party];

type Databases = Readonly<Record<BankParty, { pool: pg.Pool; created: TestDatabase; database: Database }>>;

/** A worker that can be stopped. */
export interface Running {
  stop(): Promise<void>;
}

export class World {
  readonly client: Client;
  readonly address: string;
  /** What was raised, by all. */
  readonly alarms: Alarm[] = [];
  readonly #stages = new Map<string, Stage>();
  readonly #databases: Databases;
  readonly #bundle: { code: string };
  readonly #native: NativeConnection;
  readonly #connection: Connection;
  readonly #workers: Running[] = [];
  /** Where nothing else is said. */
  readonly #queue = `three-phase-${randomUUID()}`;

  private constructor(
    parts: Pick<World, 'client' | 'address'> & {
      databases: Databases;
      bundle: { code: string };
      native: NativeConnection;
      connection: Connection;
    },
  ) {
    ({ client: this.client, address: this.address } = parts);
    this.#databases = parts.databases;
    this.#bundle = parts.bundle;
    this.#native = parts.native;
    this.#connection = parts.connection;
  }

  static async open(): Promise<World> {
    const address = await temporalAddress();
    const open = async (bank: BankParty) => {
      const created = await testDatabase(bank);
      const pool = new pg.Pool({ connectionString: created.url, max: 10 });
      const database = pgDatabase(pool);
      await migrate(database, 'guard', guardMigrations);
      await migrate(database, bank, bankMigrations);
      return { pool, created, database };
    };
    const databases = { bank_a: await open('bank_a'), bank_b: await open('bank_b') };
    const logger = new DefaultLogger('WARN');
    const bundle = await bundleWorkflowCode({ workflowsPath, preloadModules, logger });
    const connection = await connectTo(address);
    const native = await NativeConnection.connect({ address });
    const world = new World({ client: new Client({ connection }), address, databases, bundle, native, connection });
    await world.startWorker(world.queueOf('coordinator'), 'coordinator');
    await world.startWorker(world.queueOf('A'), 'A');
    await world.startWorker(world.queueOf('B'), 'B');
    return world;
  }

  /** The task queue of one of the three, that all cases share. */
  queueOf(party: Party | 'coordinator'): string {
    return `${this.#queue}-${party}`;
  }

  /** Starts a worker of one of the three. */
  async startWorker(taskQueue: string, party: Party | 'coordinator'): Promise<Running> {
    const worker = await Worker.create({
      connection: this.#native,
      taskQueue,
      workflowBundle: this.#bundle,
      activities: party === 'coordinator' ? this.#coordinating() : this.#participating(party),
      shutdownGraceTime: 0,
    });
    const running = worker.run();
    const stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return running;
    };
    this.#workers.push({ stop });
    return { stop };
  }

  #coordinating() {
    return {
      ...scanActivities(),
      ...threePhaseActivities(),
      ...this.#alarms(),
      [TELL_AGENT]: (telling: Telling) => {
        const stage = this.#stages.get(telling.gid);
        if (stage === undefined) throw new Error(`${telling.gid} is no transaction of these tests`);
        return stage.tell(telling);
      },
    };
  }

  #participating(party: Party) {
    return { ...participantActivities({ [parties[party]]: this.bank(party) }, { who: 'test' }), ...this.#alarms() };
  }

  #alarms() {
    return {
      'backstitch.raiseAlarm': (alarm: Alarm) => {
        this.alarms.push(alarm);
      },
    };
  }

  /** Where an activity runs that no workflow asked for. */
  activity(ms = 20_000): MockActivityEnvironment {
    const times = { startToCloseTimeoutMs: ms, scheduleToCloseTimeoutMs: ms, scheduledTimestampMs: Date.now() };
    return new MockActivityEnvironment(times, { client: this.client, logger: new DefaultLogger('ERROR') });
  }

  /** The bank itself, for what is done to it by hand. */
  bank(party: Party) {
    const name = parties[party];
    const { database } = this.#databases[name];
    return createBank({ name, guard: createGuard(database), prepared: createPrepared({ database }), database });
  }

  /** Runs a statement in a bank's database. */
  sql<Row extends object>(party: Party, text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#databases[parties[party]].database.run<Row>(text, values);
  }

  /** Makes a stage for a case: accounts of its own, and a transaction that is not started yet. */
  async stage(of: Case): Promise<Stage> {
    const banks = (of.links ?? []).map((party) => parties[party]);
    const stage = new Stage(this, of, await openLinks(this.address, banks));
    this.#stages.set(stage.gid, stage);
    for (const party of ['A', 'B'] as const) await this.sql(party, OPEN_ACCOUNTS, [[stage.account], 10_000]);
    await stage.open();
    return stage;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    for (const stage of this.#stages.values()) await stage.close();
    await this.#native.close();
    await this.#connection.close();
    for (const { pool, created } of Object.values(this.#databases)) {
      await pool.end();
      await created.drop();
    }
  }
}
