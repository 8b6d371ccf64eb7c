import {
  createInbox,
  createOutbox,
  inboxMigrations,
  inboxSink,
  migrate,
  outboxMigrations,
  pgDatabase,
} from '../../src/kit/database/index.js';
import { streamStore } from '../../src/kit/database/outbox/stream.js';
import { Listeners } from '../../src/kit/worker/outbox/listener.js';
import { StreamRelay, type RelayEnd } from '../../src/kit/worker/outbox/relay.js';
import { defaultRelayRules } from '../../src/kit/worker/outbox/rules.js';
import { Wake } from '../../src/kit/worker/outbox/wake.js';
import { fillDelayed } from './fill.js';
import type { MessageStage, MessageSystem } from './system.js';

/** The kit: outbox, relay, inbox. */
export function outboxSystem({ producer, consumer }: MessageStage): MessageSystem {
  const [from, to] = [pgDatabase(producer), pgDatabase(consumer)];
  const outbox = createOutbox({ name: 'bench' });
  const store = streamStore(from, outbox, { name: 'bench/all/0' });
  let over = new AbortController();
  let ended: Promise<RelayEnd> | undefined;
  let leave: () => void = () => undefined;
  return {
    async open() {
      await migrate(from, 'outbox', outboxMigrations);
      await migrate(to, 'inbox', inboxMigrations);
    },
    async produce(id, key) {
      await from.transaction(async (sql) => {
        await sql('insert into sales (id) values ($1)', [id]);
        await outbox.add(sql, { topic: 'sold', ...(key !== null && { key }), payload: { id } });
      });
    },
    start(onHandled) {
      const inner = inboxSink({
        inbox: createInbox({ database: to, consumer: 'bench' }),
        handlers: {
          sold: (sql, { payload }) => sql('insert into effects (id) values ($1)', [(payload as { id: number }).id]),
        },
      });
      const wake = new Wake();
      over = new AbortController();
      leave = new Listeners().join(from, 'bench/all/0', wake);
      ended = new StreamRelay({
        ...{ store, wake, owner: 'bench', signal: over.signal, forMs: 3_600_000, rules: defaultRelayRules },
        sink: {
          async deliver(message, signal) {
            await inner.deliver(message, signal);
            onHandled((message.payload as { id: number }).id);
          },
          async deliverAll(messages, signal) {
            const became = await inner.deliverAll(messages, signal);
            became.forEach((error, place) => {
              if (error === undefined) onHandled((messages[place]?.payload as { id: number }).id);
            });
            return became;
          },
        },
        onTrouble: ({ error }) => {
          console.error(error);
          return Promise.resolve();
        },
      }).run();
      return Promise.resolve();
    },
    async stop() {
      over.abort();
      leave();
      await ended;
    },
    async fill(count) {
      await fillDelayed(producer, 'bench/all/0', count);
    },
  };
}
