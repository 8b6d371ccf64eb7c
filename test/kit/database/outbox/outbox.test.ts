import assert from 'node:assert/strict';
import pg from 'pg';
import postgres from 'postgres';
import { postgresJsDatabase, type Sql } from '../../../../src/kit/database/index.js';
import { createOutbox } from '../../../../src/kit/database/outbox/outbox.js';
import { outboxOf, OutboxStage } from './stage.js';
import { until } from '../../../support/until.js';

describe('the outbox', () => {
  const stage = new OutboxStage();
  const outbox = outboxOf();
  const payloads = async (stream?: string) =>
    (await stage.store(outbox, stream).poll(1_000)).map(({ payload }) => payload);

  it('keeps what a transaction has added when it is committed, and nothing of one that is not', async () => {
    await stage.db.transaction((sql) => outbox.add(sql, { topic: 'a', payload: 1 }));
    await assert.rejects(
      stage.db.transaction(async (sql) => {
        await outbox.add(sql, { topic: 'a', payload: 2 });
        throw new Error('no');
      }),
      /^Error: no$/,
    );
    assert.deepEqual(await payloads(), [1]);
  });

  it('gives a message back as it was given: id, topic, key, payload, where and when', async () => {
    const payload = { b: [1, 'ä\n"', null, { deep: true }], a: 1.5 };
    const id = await stage.db.transaction((sql) => outbox.add(sql, { topic: 'a.b', key: 'k', payload, id: 'mine' }));
    assert.equal(id, 'mine');
    const [row] = await stage.store(outbox).poll(10);
    assert.ok(row !== undefined && row.seq > 0 && Math.abs(row.addedAt - Date.now()) < 3_600_000);
    assert.deepEqual(
      { ...row, seq: 0, addedAt: 0 },
      {
        ...{ id: 'mine', topic: 'a.b', key: 'k', payload, source: 'shop', seq: 0, addedAt: 0 },
        ...{ isHeld: false, isRead: true, bytes: Buffer.byteLength(JSON.stringify(payload)) },
      },
    );
    await stage.db.transaction((sql) => outbox.add(sql, { topic: 'a', payload: undefined }));
    assert.equal((await stage.store(outbox).poll(10))[1]?.payload, undefined);
  });

  it('adds the same by postgres.js', async () => {
    const client = postgres(stage.url, { max: 1, onnotice: () => undefined });
    try {
      const db = postgresJsDatabase(client as never);
      await db.transaction((sql) =>
        outbox.addAll(sql, [
          { topic: 'a', payload: { x: 1 }, key: 'k' },
          { topic: 'a', payload: 2 },
        ]),
      );
    } finally {
      await client.end();
    }
    assert.deepEqual(await payloads(), [{ x: 1 }, 2]);
  });

  it('keeps the order in which several are added by one call', async () => {
    const many = Array.from({ length: 100 }, (_, n) => ({
      topic: 'a',
      payload: n,
      ...(n % 3 === 0 && { key: `k${n % 5}` }),
    }));
    await stage.db.transaction((sql) => outbox.addAll(sql, many));
    assert.deepEqual(
      await payloads(),
      many.map(({ payload }) => payload),
    );
  });

  for (const [what, message, says] of [
    ['no topic', { topic: '' }, /a message's topic is "": it must be 1 to 200 characters/],
    ['a topic that is too long', { topic: 'x'.repeat(201) }, /topic is "x+": it must be/],
    ['an empty key', { topic: 'a', key: '' }, /a message's key is ""/],
    ['a key with a zero character', { topic: 'a', key: 'a\0b' }, /a message's key is "a\\u0000b"/],
    ['an empty id', { topic: 'a', id: '' }, /a message's id is ""/],
    [
      'a payload that JSON does not carry',
      { topic: 'a', id: 'm', payload: { n: 1n } },
      /the payload of message m of topic 'a' cannot be sent: 'n' is "1"/,
    ],
    [
      'a payload that holds itself',
      { topic: 'a', id: 'm', payload: circular() },
      /the payload of message m of topic 'a' cannot be sent: .*circular/i,
    ],
    [
      'a payload that is too large',
      { topic: 'a', id: 'm', payload: 'x'.repeat(1_000_000) },
      /has 1000002 bytes: at most 1000000 are sent/,
    ],
    [
      'a time that is none',
      { topic: 'a', id: 'm', deliverAfter: 1.5 },
      /deliverAfter of message m is 1\.5: it must be milliseconds/,
    ],
  ] as const) {
    it(`refuses ${what} in one line, and adds nothing`, async () => {
      await stage.db.transaction(async (sql) => {
        await assert.rejects(outbox.addAll(sql, [{ topic: 'a', payload: 'before' }, message]), (error: Error) => {
          assert.match(error.message, says);
          assert.doesNotMatch(error.message.slice(0, 300), /\n.*\n.*\n.*\n/);
          return error instanceof TypeError;
        });
      });
      assert.deepEqual(await payloads(), []);
    });
  }

  it('refuses a topic that nobody takes, and options that cannot be', async () => {
    const picky = createOutbox({ name: 'picky', subscribers: { mail: ['order.placed'], points: ['order.completed'] } });
    await stage.db.transaction(async (sql) => {
      await assert.rejects(
        picky.add(sql, { topic: 'order.complete' }),
        /nobody takes the topic 'order\.complete' of the outbox 'picky': name it at one of its subscribers \(mail, points\)/,
      );
    });
    for (const wrong of [
      { name: 'A' },
      { name: '' },
      { partitions: 0 },
      { partitions: 1.5 },
      { keepDays: -1 },
      { subscribers: {} },
      { subscribers: { 'a b': '*' } },
    ] as const) {
      assert.throws(() => outboxOf(wrong as never), RangeError);
    }
  });

  it('adds a message once for each subscriber of its topic, to the partition of its key', async () => {
    const both = createOutbox({ name: 'both', subscribers: { all: '*', mail: ['b'] }, partitions: 4 });
    assert.equal(both.streams.length, 8);
    await stage.db.transaction((sql) =>
      both.addAll(
        sql,
        Array.from({ length: 40 }, (_, n) => ({ topic: n % 2 ? 'b' : 'a', key: `k${n % 10}`, payload: n })),
      ),
    );
    const found = new Map<string, Set<string>>();
    let [all, mail] = [0, 0];
    for (const { name, subscriber } of both.streams) {
      for (const { key = '' } of await stage.store(both, name).poll(1_000)) {
        if (subscriber === 'all') all++;
        else mail++;
        found.set(`${subscriber} ${key}`, (found.get(`${subscriber} ${key}`) ?? new Set()).add(name));
      }
    }
    assert.deepEqual([all, mail], [40, 20]);
    for (const [key, streams] of found) assert.equal(streams.size, 1, key);
  });

  it('skips nothing of a transaction that took its number first and commits last, with hundreds around it', async () => {
    const store = stage.store(outbox);
    const first = await held(stage.pool, (sql) => outbox.add(sql, { topic: 'a', payload: 'first' }));
    const seen: unknown[] = [];
    for (let n = 0; n < 300; n++) {
      await stage.add(outbox, { topic: 'a', payload: n, key: `k${n % 7}` });
      if (n % 50 === 49) {
        const rows = await store.poll(1_000);
        seen.push(...rows.map(({ payload }) => payload));
        await store.delivered(rows.map(({ seq }) => seq));
      }
    }
    await first.commit();
    const last = await store.poll(1_000);
    seen.push(...last.map(({ payload }) => payload));
    assert.equal(seen.at(-1), 'first');
    assert.equal(new Set(seen).size, 301);
  });

  it('is not held up by a prepared transaction that is open in another database', async () => {
    const other = new OutboxDatabase(stage.pool);
    await other.open();
    try {
      await other.prepare('left-open');
      await stage.add(outbox, { topic: 'a', payload: 1 }, { topic: 'a', payload: 2 });
      assert.deepEqual(await payloads(), [1, 2]);
    } finally {
      await other.close('left-open');
    }
  });

  it('numbers the messages of a key in the order of their commits: a later one waits for who has the key', async () => {
    const first = await held(stage.pool, (sql) => outbox.add(sql, { topic: 'a', key: 'k', payload: 'first' }));
    const second = stage.db.transaction((sql) => outbox.add(sql, { topic: 'a', key: 'k', payload: 'second' }));
    // Others do not wait.
    await stage.add(outbox, { topic: 'a', key: 'other', payload: 'other' });
    await waiting(stage.pool);
    await first.commit();
    await second;
    const keyed = (await stage.store(outbox).poll(10)).filter(({ key }) => key === 'k');
    assert.deepEqual(
      keyed.map(({ payload }) => payload),
      ['first', 'second'],
    );
  });

  it('takes the keys of one call in one order: two that add the same in different orders do not block each other', async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const keys = Array.from({ length: 10 }, (_, k) => ({ topic: 'a', key: `k${k}`, payload: `${n}-${k}` }));
        return stage.db.transaction((sql) => outbox.addAll(sql, n % 2 ? keys.reverse() : keys));
      }),
    );
    assert.equal((await payloads()).length, 200);
  });

  it('can be added to in a transaction that is prepared: visible only after its commit, its key held until then', async () => {
    const client = await stage.pool.connect();
    const sql: Sql = async (text, values) => (await client.query(text, values as unknown[])).rows as never;
    try {
      await client.query('begin');
      await client.query("select set_config('backstitch.prepared', 'on', true)");
      await outbox.add(sql, { topic: 'a', key: 'k', payload: 'prepared' });
      await client.query("prepare transaction 'outbox-test'");
      assert.deepEqual(await payloads(), []);
      const next = stage.db.transaction((sql) => outbox.add(sql, { topic: 'a', key: 'k', payload: 'next' }));
      await waiting(stage.pool);
      await client.query("commit prepared 'outbox-test'");
      await next;
    } finally {
      client.release();
    }
    assert.deepEqual(await payloads(), ['prepared', 'next']);
  });

  it('keeps what is to be delivered later aside, until it is due', async () => {
    const now = Date.now();
    await stage.add(
      outbox,
      { topic: 'a', payload: 'later', deliverAfter: now + 3_600_000 },
      { topic: 'a', payload: 'due', key: 'k', deliverAfter: now - 1_000 },
    );
    await stage.add(outbox, { topic: 'a', key: 'k', payload: 'now' });
    assert.deepEqual(await payloads(), ['now']);
    const due = await stage.store(outbox).due([], 10, 10);
    assert.deepEqual(
      due.map(({ messages }) => messages.map(({ payload }) => payload)),
      [['due']],
    );
    const { dueInMs = 0 } = await stage.store(outbox).tend();
    assert.ok(dueInMs < 0);
  });
});

function circular(): unknown {
  const one: { self?: unknown } = {};
  one.self = one;
  return one;
}

/** A transaction that has done something and is not committed. */
async function held(pool: pg.Pool, work: (sql: Sql) => Promise<unknown>) {
  const client = await pool.connect();
  await client.query('begin');
  await work(async (text, values) => (await client.query(text, values as unknown[])).rows as never);
  return {
    async commit() {
      await client.query('commit');
      client.release();
    },
  };
}

/** Resolves once somebody waits for an advisory lock. */
async function waiting(pool: pg.Pool): Promise<void> {
  const waiting =
    "select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())";
  await until(async () => (await pool.query(waiting)).rowCount !== 0);
}

/** A second database on the same server. */
class OutboxDatabase {
  readonly #pool: pg.Pool;
  #client: pg.Client | undefined;
  readonly #name = `other_${process.pid}`;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async open(): Promise<void> {
    await this.#pool.query(`create database ${this.#name}`);
    const url = new URL(String(this.#pool.options.connectionString));
    url.pathname = `/${this.#name}`;
    this.#client = new pg.Client({ connectionString: url.href });
    await this.#client.connect();
  }

  async prepare(name: string): Promise<void> {
    await this.#client?.query(`begin; create table t (); prepare transaction '${name}'`);
  }

  async close(name: string): Promise<void> {
    await this.#client?.query(`rollback prepared '${name}'`);
    await this.#client?.end();
    await this.#pool.query(`drop database ${this.#name} with (force)`);
  }
}
