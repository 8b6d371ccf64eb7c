import pg from 'pg';
import { createInbox, inboxSink, pgDatabase } from '../../../src/kit/database/index.js';
import { rabbitConsumer } from '../../../src/kit/rabbitmq/index.js';

/** A consumer in a process of its own, which is killed: it says of each message that it works on it, and stays in it at one. */
const [url = '', queue = '', consumer = '', database = '', stopAt = ''] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: database });
const inbox = createInbox({ database: pgDatabase(pool), consumer, order: 'per-key' });
rabbitConsumer({
  url,
  queue,
  batch: 5,
  sink: inboxSink({
    inbox,
    handlers: {
      'order.completed': async (sql, { id, key, seq }) => {
        await sql('insert into effects (id, key, seq) values ($1, $2, $3)', [id, key ?? null, seq]);
        console.log(`working on ${id}.`);
        if (id === stopAt) await new Promise(() => setInterval(() => undefined, 1_000));
      },
    },
  }),
});
