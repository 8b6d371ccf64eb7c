import assert from 'node:assert/strict';
import pg from 'pg';
import {
  createInbox,
  inboxSink,
  NotYet,
  pgDatabase,
  Poison,
  SinkUnavailable,
  type Inbox,
  type MessageHandler,
} from '../../../../src/kit/database/index.js';
import { idsOf, message, note, Stage } from './support.js';

describe('the inbox as a sink', () => {
  const stage = new Stage();
  const { signal } = new AbortController();
  const sinkOf = (inbox: Inbox, more: Record<string, MessageHandler> = {}) =>
    inboxSink({ inbox, handlers: { 'order.completed': note, ...more } });

  it('handles each message by its topic, once', async () => {
    const sink = sinkOf(stage.inbox());
    const [one, two, three] = [message(), message(), message()];
    await sink.deliver(one, signal);
    await sink.deliver(one, signal);
    assert.deepEqual(await sink.deliverAll([one, two, three], signal), [undefined, undefined, undefined]);
    assert.deepEqual(await stage.effects([one, two, three]), idsOf([one, two, three]));
  });

  it('takes a topic that nobody handles for poison, and lets through what handlers say', async () => {
    const sink = sinkOf(stage.inbox(), { later: () => Promise.reject(new NotYet('out of stock')) });
    const unknown = message({ topic: 'toString' });
    await assert.rejects(sink.deliver(unknown, signal), { name: 'Poison', message: /no handler for topic 'toString'/ });
    await assert.rejects(sink.deliver(message({ topic: 'later' }), signal), NotYet);
    const became = await sink.deliverAll([message(), unknown, message({ topic: 'later' })], signal);
    assert.deepEqual([became[0], became[1] instanceof Poison, became[2] instanceof NotYet], [undefined, true, true]);
  });

  it('says that it is not to be had while its database cannot be reached', async () => {
    const url = new URL(stage.url);
    url.port = '1';
    const pool = new pg.Pool({ connectionString: url.href });
    try {
      const sink = sinkOf(createInbox({ database: pgDatabase(pool), consumer: 'c' }));
      await assert.rejects(sink.deliver(message(), signal), (error: Error) => {
        assert.ok(error instanceof SinkUnavailable);
        assert.match(error.message, /the database of consumer 'c' cannot be used: .*ECONNREFUSED/);
        return true;
      });
      await assert.rejects(sink.deliverAll([message(), message()], signal), SinkUnavailable);
    } finally {
      await pool.end();
    }
  });

  it('says so while no connection is free', async () => {
    const pool = new pg.Pool({ connectionString: stage.url, max: 1, connectionTimeoutMillis: 50 });
    const held = await pool.connect();
    try {
      const sink = sinkOf(createInbox({ database: pgDatabase(pool), consumer: 'c' }));
      await assert.rejects(sink.deliver(message(), signal), SinkUnavailable);
    } finally {
      held.release();
      await pool.end();
    }
  });

  it('blames the message whose work loses its connection while the database is there', async () => {
    const suicide: MessageHandler = (sql) => sql('select pg_terminate_backend(pg_backend_pid())');
    const sink = sinkOf(stage.inbox(), { suicide });
    const bad = message({ topic: 'suicide' });
    await assert.rejects(sink.deliver(bad, signal), (error: Error) => !(error instanceof SinkUnavailable));
    // All together nobody knows whose fault it is: each is to be delivered by itself then.
    await assert.rejects(sink.deliverAll([message(), bad], signal), (error) => !(error instanceof SinkUnavailable));
  });
});
