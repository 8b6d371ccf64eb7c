import assert from 'node:assert/strict';
import { HeldUp, type Database, type Message } from '../../../../src/kit/database/index.js';
import { listLetters } from '../../../../src/kit/database/outbox/letters.js';
import { streamStore } from '../../../../src/kit/database/outbox/stream.js';
import { Listeners } from '../../../../src/kit/worker/outbox/listener.js';
import { StreamRelay, type RelayEnd, type RelayOptions } from '../../../../src/kit/worker/outbox/relay.js';
import { defaultRelayRules, type RelayRules } from '../../../../src/kit/worker/outbox/rules.js';
import type { RelayTrouble } from '../../../../src/kit/worker/outbox/teller.js';
import { Wake } from '../../../../src/kit/worker/outbox/wake.js';
import { until } from '../../../support/until.js';
import { outboxOf, OutboxStage, Recorder } from '../../database/outbox/stage.js';

/** A relay that runs; ended when the test is over. */
export interface Running {
  readonly relay: StreamRelay;
  readonly ended: Promise<RelayEnd>;
  readonly stop: () => Promise<RelayEnd>;
  readonly troubles: RelayTrouble[];
}

/** What a test gives a relay besides its sink and its rules. */
export type Given = Partial<Pick<RelayOptions, 'forMs' | 'onTrouble'>> & { readonly database?: Database };

/** A database with the outbox `shop`, and its relays. */
export class RelayStage extends OutboxStage {
  readonly outbox = outboxOf();
  #running: Running[] = [];

  constructor() {
    super();
    afterEach(async () => {
      await Promise.all(this.#running.map(({ stop }) => stop().catch(() => undefined)));
      this.#running = [];
    });
  }

  /** Pauses are short, and nothing but what rings wakes it sooner than the tests' limit, unless one says so. */
  start(
    sink: Recorder,
    rules: Partial<RelayRules> = {},
    { database = this.db, forMs = 3_600_000, onTrouble = () => Promise.resolve() }: Given = {},
  ): Running {
    const over = new AbortController();
    const wake = new Wake();
    const leave = new Listeners().join(database, 'shop/all/0', wake);
    const troubles: RelayTrouble[] = [];
    const { isLinked } = { isLinked: (sink as { isQueue?: boolean }).isQueue };
    const relay = new StreamRelay({
      store: streamStore(database, this.outbox, { name: 'shop/all/0' }, { isLinked }),
      ...{ sink, wake, owner: 'test', signal: over.signal, forMs },
      rules: { ...defaultRelayRules, backoffMs: 10, mostBackoffMs: 50, ...rules },
      onTrouble: (trouble) => {
        troubles.push(trouble);
        return onTrouble(trouble);
      },
    });
    const ended = relay.run();
    const stop = async () => {
      over.abort();
      try {
        return await ended;
      } finally {
        leave();
      }
    };
    ended.catch(() => undefined);
    const one = { relay, ended, stop, troubles };
    this.#running.push(one);
    return one;
  }

  /** The database, where each statement goes by this first. */
  through(before: (text: string) => Promise<void>): Database {
    const { run } = this.db;
    return {
      run: async (text, values, ms) => {
        await before(text);
        return run(text, values, ms);
      },
      transaction: (work, ms) =>
        this.db.transaction(async (sql) => {
          await before('begin');
          return work(sql);
        }, ms),
    };
  }

  /** Adds messages to the outbox, each in a transaction of its own. */
  send(...messages: Parameters<OutboxStage['add']>[1][]): Promise<void> {
    return this.add(this.outbox, ...messages);
  }

  /** What was to be delivered later is due now. */
  async makeDue(): Promise<void> {
    await this.pool.query('update backstitch.outbox_lanes set due_at = now() where due_at > now()');
  }

  /** Waits until nothing is left in these tables. */
  async empty(...tables: Parameters<OutboxStage['count']>[0][]): Promise<void> {
    for (const table of tables) await until(async () => (await this.count(table)) === 0);
  }

  dead() {
    return listLetters(this.db);
  }
}

/** Messages of one key. */
export const keyed = (key: string, ...payloads: unknown[]) => payloads.map((payload) => ({ topic: 'a', key, payload }));

/** Takes many at once; after one that fails the later ones of its key are held up. */
export class BatchRecorder extends Recorder {
  async deliverAll(messages: readonly Message[], signal: AbortSignal): Promise<(Error | undefined)[]> {
    const failed = new Set<string>();
    const became: (Error | undefined)[] = [];
    for (const message of messages) {
      try {
        if (message.key !== undefined && failed.has(message.key)) throw new HeldUp();
        await this.deliver(message, signal);
        became.push(undefined);
      } catch (error) {
        if (message.key !== undefined) failed.add(message.key);
        became.push(error as Error);
      }
    }
    return became;
  }
}

/** Of each key the numbers rise, but for what comes again. */
export function assertOrdered(got: readonly Message[]): void {
  const last = new Map<string, number>();
  for (const { key = '', seq } of got) {
    assert.ok(seq > (last.get(key) ?? 0), `key ${key}: ${seq} after ${last.get(key)}`);
    last.set(key, seq);
  }
}
