import {
  createInbox,
  createOutbox,
  inboxMigrations,
  inboxSink,
  migrate,
  outboxMigrations,
  pgDatabase,
  type Message,
  type Sink,
} from '../../src/kit/database/index.js';
import { streamStore } from '../../src/kit/database/outbox/stream.js';
import { Listeners } from '../../src/kit/worker/outbox/listener.js';
import { StreamRelay, type RelayEnd } from '../../src/kit/worker/outbox/relay.js';
import { defaultRelayRules } from '../../src/kit/worker/outbox/rules.js';
import { Wake } from '../../src/kit/worker/outbox/wake.js';
import { fillDelayed } from './fill.js';
import type { MessageStage, MessageSystem } from './system.js';

/** Hands a sink's messages on, and tells of each that is handled. */
function told(inner: ReturnType<typeof inboxSink>, onHandled: (id: number) => void): Required<Bulk> {
  const tell = ({ payload }: Message) => {
    onHandled((payload as { id: number }).id);
  };
  return {
    async deliver(message, signal) {
      await inner.deliver(message, signal);
      tell(message);
    },
    async deliverAll(messages, signal) {
      const became = await inner.deliverAll(messages, signal);
      messages.forEach((message, place) => {
        if (became[place] === undefined) tell(message);
      });
      return became;
    },
  };
}

type Bulk = Pick<Sink, 'deliver' | 'deliverAll'>;

/** What messages go through on their way from the relay to the inbox; nothing: the relay hands them to it. */
export interface Carrier {
  open(): Promise<void>;
  /** Begins to hand them to the inbox. @returns the relay's sink */
  start(inbox: Required<Bulk>): Promise<Sink>;
  stop(): Promise<void>;
}

/** The kit: outbox, relay, inbox. */
export function outboxSystem({ producer, consumer }: MessageStage, carrier?: Carrier): MessageSystem {
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
      await carrier?.open();
    },
    async produce(id, key) {
      await from.transaction(async (sql) => {
        await sql('insert into sales (id) values ($1)', [id]);
        await outbox.add(sql, { topic: 'sold', ...(key !== null && { key }), payload: { id } });
      });
    },
    async start(onHandled) {
      const inner = inboxSink({
        inbox: createInbox({ database: to, consumer: 'bench' }),
        handlers: {
          sold: (sql, { payload }) => sql('insert into effects (id) values ($1)', [(payload as { id: number }).id]),
        },
      });
      const inbox = told(inner, onHandled);
      const sink = (await carrier?.start(inbox)) ?? inbox;
      const wake = new Wake();
      over = new AbortController();
      leave = new Listeners().join(from, 'bench/all/0', wake);
      ended = new StreamRelay({
        ...{ store, wake, owner: 'bench', signal: over.signal, forMs: 3_600_000, rules: defaultRelayRules },
        sink,
        onTrouble: ({ error }) => {
          console.error(error);
          return Promise.resolve();
        },
      }).run();
    },
    async stop() {
      over.abort();
      leave();
      await ended;
      await carrier?.stop();
    },
    async fill(count) {
      await fillDelayed(producer, 'bench/all/0', count);
    },
  };
}
