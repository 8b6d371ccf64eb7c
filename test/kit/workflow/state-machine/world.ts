import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { machineClient, type MachineClient } from '../../../../src/kit/client/index.js';
import {
  createGuard,
  guardMigrations,
  machineMovesTable,
  machineRows,
  migrate,
  pgDatabase,
  Rejection,
} from '../../../../src/kit/database/index.js';
import { machineActivities, participantActivities } from '../../../../src/kit/worker/index.js';
import {
  MACHINE_QUERY,
  searchAttributeTypes,
  TRANSACTION_QUERY,
  type Alarm,
  type MachineView,
  type Operation,
  type TransactionView,
} from '../../../../src/kit/workflow/index.js';
import { DECIDE_UPDATE } from '../../../../src/kit/workflow/desk.js';
import { bundleOf } from '../../../support/bundles.js';
import {
  clientWithoutSkipping,
  testDatabase,
  timeSkippingEnvironment,
  type TestDatabase,
} from '../../../support/servers.js';
import { until } from '../../../support/until.js';
import { parcel } from './parcel.js';

/** Parcels in a real database, moved by machines under a server whose time skips. */

export const workflowsPath = fileURLToPath(new URL('../workflows/machines.ts', import.meta.url));

const TYPES = { Keyword: 2, Datetime: 6, KeywordList: 7 } as const;

const TABLES = `
create table parcels (
  id text primary key, status text not null default 'OPEN', sub_status text,
  version integer not null default 0, moved_at timestamptz not null default now()
);
create table takings (id text not null, amount integer not null);`;

type ParcelWorkflow = 'parcelChecked' | 'parcelLife' | 'parcelShort' | 'parcelHasty' | 'parcelBegun';

/** What the other service does, by parcel; default: what it is asked. */
type Mood = 'refuses' | 'waits';

export class ParcelWorld {
  readonly moods = new Map<string, Mood>();
  readonly alarms: Alarm[] = [];
  /** Whoever takes alarms is away. */
  isDeaf = false;
  readonly reminded: string[] = [];
  readonly taskQueue = `parcels-${randomUUID()}`;
  readonly pool: pg.Pool;
  readonly #database: TestDatabase;
  readonly environment: TestWorkflowEnvironment;
  #worker: { stop: () => Promise<void> } | undefined;

  private constructor(environment: TestWorkflowEnvironment, database: TestDatabase) {
    this.environment = environment;
    this.#database = database;
    this.pool = new pg.Pool({ connectionString: database.url, max: 20 });
  }

  static async open(): Promise<ParcelWorld> {
    const [environment, database] = await Promise.all([timeSkippingEnvironment(), testDatabase('parcels')]);
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: Object.fromEntries(
        Object.entries(searchAttributeTypes).map(([name, type]) => [name, TYPES[type]]),
      ),
    });
    const world = new ParcelWorld(environment, database);
    const db = pgDatabase(world.pool);
    await migrate(db, 'guard', guardMigrations);
    await world.pool.query(TABLES);
    await world.pool.query(machineMovesTable('parcel_moves'));
    await world.startWorker();
    return world;
  }

  get client(): Client {
    return this.environment.client;
  }

  machines(workflow: ParcelWorkflow = 'parcelLife'): MachineClient<typeof parcel, unknown> {
    const client = clientWithoutSkipping(this.environment);
    return machineClient<typeof parcel>(client, { taskQueue: this.taskQueue }, { workflow, machine: parcel });
  }

  async startWorker(): Promise<void> {
    const db = pgDatabase(this.pool);
    const guard = createGuard(db);
    const parcels = machineRows(db, guard, {
      ...{ table: 'parcels', subState: 'sub_status', movedAt: 'moved_at', moves: 'parcel_moves' },
    });
    const read: typeof parcels.read = {
      action: async (operation, order) => {
        await this.#asked(`read ${order.id}`, operation);
        return parcels.read.action(operation, order);
      },
    };
    const take =
      (amount: number) =>
      async (operation: Operation, { id }: { id: string }) => {
        await this.#asked(id, operation);
        return guard.apply(operation, { id }, async (sql) => {
          this.#refused(id, operation);
          await sql('insert into takings (id, amount) values ($1, $2)', [id, amount]);
          return { taken: amount };
        });
      };
    const side = {
      take: {
        action: take(1),
        compensation: (operation: Operation, { id }: { id: string }) =>
          guard.undo(operation, { id }, (sql) => sql('insert into takings (id, amount) values ($1, -1)', [id])),
      },
      fetch: { action: take(100), compensation: () => Promise.resolve() },
      tell: {
        action: (operation: Operation, { id }: { id: string }) => {
          return guard.apply(operation, { id }, () => {
            this.#refused(`tell ${id}`, operation);
            return Promise.resolve(null);
          });
        },
      },
      open: {
        action: async (operation: Operation, { id }: { id: string }) => {
          await this.#asked(id, operation);
          return guard.apply(operation, { id }, () => this.openRow(id).then(() => null));
        },
        compensation: () => Promise.resolve(),
      },
      check: {
        action: async (operation: Operation, { id }: { id: string }) => {
          await this.#asked(`check ${id}`, operation);
          return null;
        },
        compensation: () => Promise.resolve(),
      },
      remind: {
        action: async (operation: Operation) => {
          await this.#asked(operation.gid, operation);
          // It may be asked a second time, as of any operation: it does its work once.
          const call = `${operation.gid} ${operation.branch}`;
          if (!this.reminded.includes(call)) this.reminded.push(call);
          return null;
        },
      },
    };
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue: this.taskQueue,
      workflowBundle: await bundleOf(workflowsPath),
      activities: {
        ...participantActivities({ parcels: { ...parcels, read }, side }, { who: 'test' }),
        ...machineActivities(),
        'backstitch.raiseAlarm': (alarm: Alarm) => {
          if (this.isDeaf) throw new Error('nobody takes alarms');
          this.alarms.push(alarm);
        },
      },
      shutdownGraceTime: 0,
      maxHeartbeatThrottleInterval: 100,
      defaultHeartbeatThrottleInterval: 100,
    });
    const running = worker.run();
    this.#worker = {
      stop: () => {
        if (worker.getState() === 'RUNNING') worker.shutdown();
        return running;
      },
    };
  }

  /** Refuses, for good. */
  #refused(id: string, { branch }: Operation): void {
    if (this.moods.get(id) === 'refuses') throw new Rejection('Refused', `${branch} is refused`);
  }

  /** Waits until the mood has changed, or the driver does not wait any more. */
  async #asked(id: string, { signal }: Operation): Promise<void> {
    while (this.moods.get(id) === 'waits') {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async close(): Promise<void> {
    await this.#worker?.stop();
    await this.environment.teardown();
    await this.pool.end();
    await this.#database.drop();
  }

  /** A parcel with its row and its machine. */
  async parcel(workflow: ParcelWorkflow = 'parcelLife'): Promise<string> {
    const id = `parcel-${randomUUID().slice(0, 8)}`;
    await this.openRow(id);
    await this.machines(workflow).start(id, { of: id });
    await this.reaches(id, 'OPEN');
    return id;
  }

  async openRow(id: string): Promise<void> {
    // This server's time runs ahead of the database's.
    const now = await this.environment.currentTimeMs();
    await this.pool.query('insert into parcels (id, moved_at) values ($1, to_timestamp($2::float8 / 1000))', [id, now]);
  }

  /** A person gives up a step of a saga that waits for one. */
  async skip(gid: string, branch: string): Promise<void> {
    const order = { branch, action: 'skip', actor: 'ann', reason: 'a test' };
    await until(async () => {
      const { desk } = await this.handle(gid).query<TransactionView>(TRANSACTION_QUERY);
      return desk.some((each) => each.branch === branch);
    });
    await this.handle(gid).executeUpdate(DECIDE_UPDATE, { args: [order] });
  }

  handle(id: string): WorkflowHandle {
    return this.client.workflow.getHandle(id);
  }

  async row(id: string): Promise<string> {
    const { rows } = await this.pool.query<{ at: string }>(
      `select concat_ws('.', status, sub_status) || ' ' || version as at from parcels where id = $1`,
      [id],
    );
    return rows[0]?.at ?? 'none';
  }

  /** What the other service has taken of it, in the end. */
  async taken(id: string): Promise<number> {
    const { rows } = await this.pool.query<{ sum: number }>(
      'select coalesce(sum(amount), 0)::int as sum from takings where id = $1',
      [id],
    );
    return rows[0]?.sum ?? 0;
  }

  async moves(id: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ to_state: string }>(
      'select to_state from parcel_moves where id = $1 order by version',
      [id],
    );
    return rows.map(({ to_state: to }) => to);
  }

  /** Looks at a machine. This server never answers a query that meets a change of runs: it is asked again. */
  async view(id: string): Promise<MachineView> {
    for (let tries = 1; ; tries++) {
      try {
        const query = () => this.handle(id).query<MachineView>(MACHINE_QUERY);
        return await this.client.withDeadline(Date.now() + 3_000, query);
      } catch (error) {
        if (tries === 10) throw error;
      }
    }
  }

  /** Waits, without any leap of time, until the machine is there. */
  async reaches(id: string, state: string): Promise<void> {
    await until(async () => (await this.view(id)).state === state);
  }

  alarmsOf(id: string): string[] {
    return this.alarms.filter(({ gid }) => gid === id).map(({ kind }) => kind);
  }

  /** Updates that were accepted: those that are refused leave none. (This server writes the tasks of those too, a real one does not.) */
  async accepted(id: string): Promise<number> {
    const { events } = await this.handle(id).fetchHistory();
    assert.ok(events);
    return events.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes).length;
  }
}
