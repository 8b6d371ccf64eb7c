import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client, type WorkflowStartOptions, type Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { hashOf } from '../../../../src/kit/client/input.js';
import { transactionClient, type Transaction } from '../../../../src/kit/client/index.js';
import {
  createGuard,
  guardMigrations,
  migrate,
  pgDatabase,
  type Database,
  type Guard,
  type Operation,
} from '../../../../src/kit/database/index.js';
import { directLane, type DirectLaneOptions } from '../../../../src/kit/direct/index.js';
import {
  adoptActivities,
  groupActivities,
  participantActivities,
  startRelay,
  transactionWorkerOptions,
  type Relay,
} from '../../../../src/kit/worker/index.js';
import { TX_STATE } from '../../../../src/kit/workflow/attributes.js';
import { groupDriver } from '../../../../src/kit/workflow/fate.js';
import { GROUP_STATE, type GroupMember } from '../../../../src/kit/workflow/group.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../../../support/servers.js';
import { asked, crossed, fork, hurried, pair, posted, single } from './workflows.js';
import { connectTo } from '../../../support/connection.js';

const sagas = { asked, crossed, fork, hurried, pair, posted, single };

type Given = Readonly<Record<string, unknown>> & { readonly id: string };

/** A bank and a mint whose steps each take 1, on real guards; and a post, which has no database. */
function createParticipants(bank: Guard, mint: Guard, onCall: (name: string, given: Given) => void) {
  const effect = (gid: string, amount: number) => async (sql: Database['run']) => {
    await sql('insert into ledger (gid, amount) values ($1, $2)', [gid, amount]);
    return {};
  };
  const plain = {
    action: ({ function: name }: Operation, given: Given) => {
      onCall(name, given);
      return Promise.resolve({});
    },
    compensation: () => Promise.resolve(),
  };
  const taking = (guard: Guard) => ({
    action: async (operation: Operation, given: Given) => {
      onCall(operation.branch, given);
      return guard.apply(operation, given, effect(operation.gid, 1));
    },
    compensation: async (operation: Operation, given: Given) => {
      await guard.undo(operation, given, effect(operation.gid, -1));
    },
  });
  return { bank: { take: taking(bank), ask: plain }, mint: { take: taking(mint) }, post: { send: plain } };
}
export type SmallParticipants = ReturnType<typeof createParticipants>;

/** A bank and a mint on real servers, for sagas of two steps. */
export class SmallWorld {
  readonly taskQueue = `small-${randomUUID()}`;
  /** The calls: their steps (functions, of those without a guard) and gids. */
  readonly calls: string[] = [];
  /** Steps that fail, with their gids. */
  readonly failing = new Set<string>();
  /** What the relay has warned of. */
  readonly warnings: string[] = [];
  readonly #opened: { readonly database: TestDatabase; readonly pool: pg.Pool; readonly db: Database }[] = [];
  #native: NativeConnection | undefined;
  #connection: Connection | undefined;
  #stop: (() => Promise<void>) | undefined;
  #count = 0;

  async open(): Promise<void> {
    for (const name of ['bank', 'mint']) {
      const database = await testDatabase(name);
      const pool = new pg.Pool({ connectionString: database.url, max: 10 });
      const db = pgDatabase(pool);
      this.#opened.push({ database, pool, db });
      await migrate(db, 'guard', guardMigrations);
      await db.run('create table ledger (gid text not null, amount int not null)');
    }
    const address = await temporalAddress();
    this.#native = await NativeConnection.connect({ address });
    this.#connection = await connectTo(address);
  }

  /** The databases of the participants. */
  get databases() {
    const [bank, mint] = this.#opened.map(({ db }) => db);
    if (bank === undefined || mint === undefined) throw new Error('the world is not open yet');
    return { bank, mint };
  }

  get client(): Client {
    return new Client({ connection: this.#connection });
  }

  id(): string {
    return `${this.taskQueue}-${++this.#count}`;
  }

  #participants(): SmallParticipants {
    const { bank, mint } = this.databases;
    return createParticipants(createGuard(bank), createGuard(mint), (name, { id }) => {
      this.calls.push(`${name} ${id}`);
      if (this.failing.has(`${name} ${id}`)) throw new Error('out of order');
    });
  }

  async startWorker(): Promise<void> {
    const { client, taskQueue, databases } = this;
    const [participants, who] = [this.#participants(), 'test'];
    const worker = await Worker.create({
      ...transactionWorkerOptions,
      connection: this.#native,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      activities: {
        ...participantActivities(participants, { who }),
        ...adoptActivities(databases),
        ...groupActivities({ participants, databases, who }),
      },
    });
    const running = worker.run();
    const relay: Relay = startRelay({
      client,
      databases,
      intervalMs: 100,
      onWarning: (line) => this.warnings.push(line),
    });
    this.#stop = async () => {
      worker.shutdown();
      await running;
      await relay.stop();
      this.#stop = undefined;
    };
  }

  async stopWorker(): Promise<void> {
    await this.#stop?.();
  }

  /** A caller of one of the sagas. */
  caller(workflow: keyof typeof sagas, options: Partial<DirectLaneOptions> = {}): Transaction<Given, string> {
    const { taskQueue, client, databases } = this;
    const direct = directLane({ sagas, participants: this.#participants(), databases, ...options });
    return transactionClient(client, { taskQueue, direct }).of<Given, Given, string>({
      ...{ workflow, scheme: 'saga', parse: (given) => given, gid: ({ id }) => id, summary: ({ id }) => id },
    });
  }

  /** Starts a group of one, or of some, for which no caller waits. @returns its workflow's id */
  async startGroup(
    transaction: string,
    given: Given | readonly Given[],
    options: Pick<WorkflowStartOptions, 'startDelay'> = {},
    more: Partial<GroupMember> = {},
  ): Promise<string> {
    const inputs = [given].flat();
    const members = inputs.map((input) => ({ gid: input.id, input, inputHash: hashOf(input), ...more }));
    const { workflowId } = await this.client.workflow.start(transaction, {
      ...options,
      workflowId: `${inputs[0]?.id ?? ''}-group`,
      taskQueue: this.taskQueue,
      args: [null, { group: { members } }],
      typedSearchAttributes: [{ key: TX_STATE, value: GROUP_STATE }],
    });
    return workflowId;
  }

  /** Does steps in the bank as a group does that then dies; the first of them opens the transaction. */
  async doInGroup(transaction: string, given: Given, steps: readonly string[]): Promise<void> {
    const { take } = this.#participants().bank;
    for (const [index, branch] of steps.entries()) {
      const opening = { transaction, inputHash: hashOf(given), written: () => undefined };
      await take.action(
        {
          ...{ gid: given.id, branch, op: 'action', scheme: 'saga', seq: index + 1, function: 'bank.take.action' },
          ...{ driver: groupDriver('dead', 0), who: 'test', attempt: 1, timeoutMs: 10_000 },
          ...{ signal: new AbortController().signal, ...(index === 0 && { opening }) },
        },
        given,
      );
    }
  }

  /** What is left of the effects of a transaction. */
  async net(gid: string): Promise<number> {
    return this.#sum('select coalesce(sum(amount), 0)::int as sum from ledger where gid = $1', gid);
  }

  /** How often the transaction is in progress, by what the databases say: announced, or opened by a group. */
  async inProgress(gid: string): Promise<number> {
    const text = `select (select count(*) from backstitch.announcements where gid = $1)::int
      + (select count(*) from backstitch.guard where gid = $1 and fate->>'state' in ('running', 'undoing'))::int as sum`;
    return this.#sum(text, gid);
  }

  async #sum(text: string, gid: string): Promise<number> {
    const sums = await Promise.all(this.#opened.map(({ db }) => db.run<{ sum: number }>(text, [gid])));
    return sums.reduce((all, [row]) => all + (row?.sum ?? 0), 0);
  }

  async close(): Promise<void> {
    await this.stopWorker();
    await this.#native?.close();
    await this.#connection?.close();
    for (const { pool, database } of this.#opened) {
      await pool.end();
      await database.drop();
    }
  }
}
