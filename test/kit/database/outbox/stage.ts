import pg from 'pg';
import { migrate, pgDatabase, type Database, type Message, type Sink } from '../../../../src/kit/database/index.js';
import {
  createOutbox,
  type NewMessage,
  type Outbox,
  type OutboxOptions,
} from '../../../../src/kit/database/outbox/outbox.js';
import { outboxMigrations } from '../../../../src/kit/database/outbox/schema.js';
import { keepDelivered } from '../../../../src/kit/database/outbox/archive.js';
import { streamStore, type StreamStore } from '../../../../src/kit/database/outbox/stream.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

/** A database with an outbox: opened before the tests of a suite, and dropped after them; empty before each. */
export class OutboxStage {
  #database: TestDatabase | undefined;
  #pool: pg.Pool | undefined;
  #db: Database | undefined;

  constructor() {
    before(async () => {
      this.#database = await testDatabase('outbox');
      this.#pool = new pg.Pool({ connectionString: this.#database.url, max: 20 });
      this.#db = pgDatabase(this.#pool);
      await migrate(this.#db, 'outbox', outboxMigrations);
    });
    beforeEach(async () => {
      await this.pool.query(
        'truncate backstitch.outbox, backstitch.outbox_lanes, backstitch.outbox_parked, backstitch.outbox_last, backstitch.outbox_decisions, backstitch.outbox_delivered',
      );
      await keepDelivered(this.db, 7);
    });
    after(async () => {
      await this.#pool?.end();
      await this.#database?.drop();
    });
  }

  get pool(): pg.Pool {
    if (!this.#pool) throw new Error('the stage is not open');
    return this.#pool;
  }

  get db(): Database {
    if (!this.#db) throw new Error('the stage is not open');
    return this.#db;
  }

  get url(): string {
    if (!this.#database) throw new Error('the stage is not open');
    return this.#database.url;
  }

  /** Adds messages, each in a transaction of its own. */
  async add(outbox: Outbox, ...messages: NewMessage[]): Promise<void> {
    for (const message of messages) await this.db.transaction((sql) => outbox.add(sql, message));
  }

  store(outbox: Outbox, stream = 'shop/all/0', options: { isLinked?: boolean } = {}): StreamStore {
    return streamStore(this.db, outbox, { name: stream }, options);
  }

  /** Dead letters of a stream, without keys: `dead-1`, `dead-2` … They were told of. */
  async fillDead(stream: string, count: number): Promise<void> {
    await this.pool.query(
      `with numbered as (
         select nextval('backstitch.outbox_seq') as seq, n from generate_series(1, $2::integer) n
       ), lanes as (
         insert into backstitch.outbox_lanes (stream, lane, attempts, failed_at, error, dead_at, told_at)
         select $1, 's:' || seq, 1, now(), 'filled', now(), now() from numbered
       )
       insert into backstitch.outbox_parked (stream, lane, seq, id, topic, payload, added_at)
       select $1, 's:' || seq, seq, 'dead-' || n, 'a', to_json(n), now() from numbered`,
      [stream, count],
    );
  }

  async count(table: 'outbox' | 'outbox_lanes' | 'outbox_parked' | 'outbox_delivered'): Promise<number> {
    const { rows } = await this.pool.query<{ n: number }>(`select count(*)::integer as n from backstitch.${table}`);
    return rows[0]?.n ?? -1;
  }
}

export const outboxOf = (options: Partial<OutboxOptions> = {}) => createOutbox({ name: 'shop', ...options });

/** A sink that keeps what it was given, and does with it what a test says. */
export class Recorder implements Sink {
  readonly got: Message[] = [];
  /** What happens when a message comes; by default it is taken. */
  onMessage: (message: Message, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  #waiting: (() => void)[] = [];

  async deliver(message: Message, signal: AbortSignal): Promise<void> {
    await this.onMessage(message, signal);
    this.got.push(message);
    for (const look of this.#waiting) look();
  }

  /** Payloads that were taken, in their order. */
  get payloads(): unknown[] {
    return this.got.map(({ payload }) => payload);
  }

  /** Waits until something is so; it is looked at after each message. */
  async until(isSo: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!isSo()) return;
        this.#waiting = this.#waiting.filter((each) => each !== look);
        resolve();
      };
      this.#waiting.push(look);
      look();
    });
  }

  /** Waits until so many were taken. */
  taken(count: number): Promise<void> {
    return this.until(() => this.got.length >= count);
  }
}
