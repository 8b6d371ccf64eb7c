import pg from 'pg';
import {
  createInbox,
  inboxMigrations,
  migrate,
  pgDatabase,
  type Database,
  type Inbox,
  type InboxOptions,
  type Message,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

let count = 0;

/** A message that nobody has seen yet. */
export function message(more: Partial<Message> = {}): Message {
  const seq = ++count;
  return {
    ...{ id: `message-${seq}`, topic: 'order.completed', payload: { order: seq }, source: 'orders', seq },
    ...{ addedAt: 1_700_000_000_000 + seq, attempt: 1, ...more },
  };
}

/** Messages of one key, each of which says what came before it, from this one on. */
export function chain(length: number, key = `key-${++count}`, more: Partial<Message> = {}): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < length; at++) {
    const before = messages.at(-1)?.seq;
    messages.push(message({ key, ...more, ...(before !== undefined && { after: before }) }));
  }
  return messages;
}

/** Work that leaves an effect. */
export async function note(sql: Sql, { id, key, seq }: Message): Promise<void> {
  await sql('insert into effects (id, key, seq) values ($1, $2, $3)', [id, key ?? null, seq]);
}

export const never = (): Promise<unknown> => Promise.reject(new Error('the work must not run'));

/** A point where work stops until it may go on. */
export class Gate {
  #open: () => void = () => undefined;
  #come: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));
  /** Resolves when somebody is at it. */
  readonly reached = new Promise<void>((resolve) => (this.#come = resolve));

  pass(): Promise<void> {
    this.#come();
    return this.#opened;
  }

  open(): void {
    this.#open();
  }
}

/** A consumer's database, with a table for effects: opened before the tests of a suite, and dropped after them. */
export class Stage {
  #opened: { database: TestDatabase; pool: pg.Pool; db: Database } | undefined;

  constructor() {
    before(async () => {
      const database = await testDatabase('inbox');
      const pool = new pg.Pool({ connectionString: database.url, max: 20 });
      const db = pgDatabase(pool);
      this.#opened = { database, pool, db };
      await migrate(db, 'inbox', inboxMigrations);
      // The place is that of the work, not of the commit: those of one key follow each other.
      await pool.query('create table effects (place serial, id text not null, key text, seq bigint not null)');
    });
    after(async () => {
      await this.#opened?.pool.end();
      await this.#opened?.database.drop();
    });
  }

  get #all() {
    if (this.#opened === undefined) throw new Error('the stage is not open yet');
    return this.#opened;
  }

  get url(): string {
    return this.#all.database.url;
  }

  get pool(): pg.Pool {
    return this.#all.pool;
  }

  get db(): Database {
    return this.#all.db;
  }

  /** An inbox of a consumer of its own. */
  inbox(options: Partial<InboxOptions> = {}): Inbox {
    return createInbox({ database: this.db, consumer: `consumer-${++count}`, ...options });
  }

  /** The ids of these messages in the order in which their work was done. */
  async effects(messages: readonly Message[]): Promise<string[]> {
    const text = 'select id from effects where id = any ($1) order by place';
    const { rows } = await this.pool.query<{ id: string }>(text, [messages.map(({ id }) => id)]);
    return rows.map(({ id }) => id);
  }

  /** The row of a message. */
  async row({ consumer }: Inbox, { id }: Message): Promise<Record<string, unknown> | undefined> {
    const text = 'select * from backstitch.inbox where consumer = $1 and message_id = $2';
    return (await this.pool.query<Record<string, unknown>>(text, [consumer, id])).rows[0];
  }

  /** As if everything that was handled had been handled so many days before. */
  async age({ consumer }: Inbox, days: number): Promise<void> {
    const text =
      'update backstitch.inbox set handled_at = handled_at - make_interval(days => $2::int) where consumer = $1';
    await this.pool.query(text, [consumer, days]);
  }

  /** Waits until a statement of this database waits for a lock. */
  async untilBlocked(): Promise<void> {
    for (;;) {
      const { rows } = await this.pool.query('select from pg_locks where not granted');
      if (rows.length > 0) return;
      await this.pool.query('select pg_sleep(0.01)');
    }
  }
}

/** One of a list, which has it. */
export function nth<T>(list: readonly T[], at: number): T {
  if (at >= list.length) throw new RangeError(`there is no number ${at}`);
  return list[at] as T;
}

/** The first of each key, then the second of each, and so on. */
export function interleaved(keys: readonly (readonly Message[])[]): Message[] {
  return nth(keys, 0).flatMap((_, at) => keys.map((key) => nth(key, at)));
}

export const idsOf = (messages: readonly Message[]): string[] => messages.map(({ id }) => id);
