import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { NotYet, Poison, SinkUnavailable, type Delivered } from '../messages/sink.js';
import type { RabbitConsumerOptions } from './consumer.js';
import { deliverTo } from './deliver.js';
import { deadHeaders, deliveryOf, idOf, isBehind, type Delivery } from './delivery.js';
import { Intake } from './intake.js';
import { Lanes, type Batch, type Lane } from './lanes.js';
import type { Late } from './late.js';
import { asError, type Linked } from './link.js';
import type { Publisher } from './publisher.js';
import type { ConsumerRules } from './rules.js';
import { within } from './within.js';

/** What a consumer has on its connection: its deliveries come on the one, dead letters go by the other. */
export interface Channels {
  readonly channel: ConfirmChannel;
  readonly dead: Publisher;
}

/** What one connection delivers. Its deliveries can be acknowledged on no other one: the broker delivers them again. */
export class Session {
  readonly #options: RabbitConsumerOptions;
  readonly #rules: ConsumerRules;
  readonly #linked: Linked<Channels>;
  readonly #late: Late;
  readonly #lanes = new Lanes<Delivery>();
  readonly #running = new Set<Promise<void>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #intake: Intake | undefined;
  #isOver = false;
  #isPumping = false;
  /** The sink takes nothing until this one has ended. */
  #pause: NodeJS.Timeout | undefined;
  #pauses = 0;
  #restedMs = 0;

  constructor(options: RabbitConsumerOptions, rules: ConsumerRules, linked: Linked<Channels>, late: Late) {
    this.#options = options;
    this.#rules = rules;
    this.#linked = linked;
    this.#late = late;
  }

  /** Consumes until it is stopped, or the connection is lost. @returns why it was lost */
  async run(stop: AbortSignal, onReady: () => void): Promise<Error | undefined> {
    const { made, lost } = this.#linked;
    const stopped = new Promise<undefined>((resolve) => {
      if (stop.aborted) resolve(undefined);
      else stop.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const gone = new Promise<Error>((resolve) => {
      const onMessage = (raw: ConsumeMessage | null) => {
        if (raw === null) resolve(new Error(`queue '${this.#options.queue}' is gone`));
        else this.#add(raw);
      };
      this.#intake = new Intake(made.channel, this.#options.queue, this.#rules.prefetch, onMessage);
      this.#intake.open().then(onReady, (error: unknown) => {
        resolve(asError(error));
      });
    });
    const why = await Promise.race([stopped, gone, lost]);
    // What runs goes on, as nobody knows how far it is; nothing else is begun. When the connection closes, and not before that, the
    // broker has back what was not acknowledged: another consumer would overtake what runs.
    this.#isOver = true;
    clearTimeout(this.#pause);
    for (const timer of this.#timers) clearTimeout(timer);
    if (why === undefined) this.#intake?.close().catch(() => undefined);
    await Promise.all(this.#running);
    await this.#linked.close(() => made.channel.close());
    return why;
  }

  #add(raw: ConsumeMessage): void {
    if (this.#isOver) return;
    const delivery = deliveryOf(raw, this.#now());
    this.#lanes.add(typeof delivery.message === 'string' ? undefined : delivery.message.key, delivery);
    this.#intake?.fit(this.#lanes.held);
    this.#pump();
  }

  /** Begins what can be begun, when all that has come with the same packet is there. */
  #pump(): void {
    if (this.#isPumping || this.#pause !== undefined) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      while (!this.#isOver && this.#pause === undefined && this.#running.size < this.#rules.concurrency) {
        const batch = this.#lanes.take(this.#rules.batch);
        if (batch.length === 0) return;
        const running = this.#handle(batch).finally(() => {
          this.#running.delete(running);
          this.#pump();
        });
        this.#running.add(running);
      }
    });
  }

  /** The time in milliseconds, without that in which the sink took nothing. */
  #now(): number {
    return performance.now() - this.#restedMs;
  }

  /** Never fails. */
  async #handle(batch: Batch<Delivery>): Promise<void> {
    const became = await this.#deliver(batch);
    const failed = new Map<Lane<Delivery>, Error>();
    const lanes = new Set(batch.map(({ lane }) => lane));
    batch.forEach(({ lane, item }, at) => {
      if (failed.has(lane)) return;
      const error = became[at];
      if (error !== undefined) {
        failed.set(lane, error);
        return;
      }
      this.#acknowledge(item);
      this.#lanes.shift(lane);
      lane.failingSince = undefined;
      this.#pauses = 0;
    });
    await Promise.all([...lanes].map((lane) => this.#settle(lane, failed.get(lane))));
  }

  async #deliver(batch: Batch<Delivery>): Promise<Delivered[]> {
    const { sink } = this.#options;
    const { handleMs } = this.#rules;
    const signal = AbortSignal.timeout(handleMs);
    const late = `it was not handled within ${handleMs} ms`;
    const readable = batch.flatMap(({ lane, item: { message } }) =>
      typeof message === 'string' ? [] : [{ ...message, attempt: message.attempt + lane.tries }],
    );
    let became: Delivered[];
    try {
      became = await within(handleMs, deliverTo(sink, readable, signal), late);
    } catch (error) {
      became = readable.map(() => asError(error));
    }
    const outcomes = became.values();
    return batch.map(({ item: { message } }) =>
      typeof message === 'string' ? new Poison(`what came is no message: ${message}`) : outcomes.next().value,
    );
  }

  /** Says how a lane goes on, of which nothing runs. */
  async #settle(lane: Lane<Delivery>, error: Error | undefined): Promise<void> {
    const { onTrouble } = this.#options;
    const [first] = lane.items;
    if (error === undefined || first === undefined) {
      this.#lanes.free(lane);
      return;
    }
    if (error instanceof SinkUnavailable) {
      onTrouble?.({ kind: 'unavailable', error });
      this.#lanes.free(lane);
      this.#rest();
      return;
    }
    const messageId = String(first.raw.properties.messageId);
    lane.failingSince ??= this.#now();
    // One that waited behind others has waited as long as they have failed: it is tried once, and does not begin anew.
    const isOver = this.#now() - Math.max(lane.failingSince, first.at) >= this.#rules.windowMs;
    if (error instanceof Poison || (isOver && !(error instanceof NotYet))) {
      if (await this.#bury(lane, first, error)) {
        onTrouble?.({ kind: 'dead', error, messageId });
        this.#lanes.shift(lane);
        this.#lanes.free(lane);
        return;
      }
    } else {
      const isLate = isOver && this.#late.add(idOf(first));
      onTrouble?.({ kind: isLate ? 'late' : 'failed', error, messageId });
      if (isOver) {
        this.#giveBack(lane);
        return;
      }
    }
    if (this.#isOver) return;
    // What it waits for may have come after it: a dead letter that is sent again.
    if (error instanceof NotYet) this.#lanes.prefer(lane, (item) => isBehind(first, item));
    lane.tries++;
    this.#lanes.hold(lane);
    this.#intake?.fit(this.#lanes.held);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#lanes.free(lane);
        this.#pump();
      },
      Math.min(this.#rules.firstRetryMs * 2 ** (lane.tries - 1), this.#rules.mostRetryMs),
    );
    this.#timers.add(timer);
  }

  /** Puts a message to the dead letters. @returns whether it is there */
  async #bury(lane: Lane<Delivery>, delivery: Delivery, error: Error): Promise<boolean> {
    const { queue, onTrouble } = this.#options;
    const { deadLetters, handleMs } = this.#rules;
    const { content, properties } = delivery.raw;
    const messageId = String(properties.messageId);
    try {
      const headers = deadHeaders(delivery, queue, error, lane.tries + 1);
      const published = this.#linked.made.dead.publish({
        ...deadLetters,
        ...{ body: content, messageId, properties: { contentType: 'application/json', headers } },
      });
      await within(handleMs, published, `the broker did not confirm within ${handleMs} ms`);
    } catch (failure) {
      const why = `message '${messageId}' cannot be put to the dead letters: ${asError(failure).message}`;
      onTrouble?.({ kind: 'failed', error: new Error(why, { cause: failure }), messageId });
      return false;
    }
    this.#acknowledge(delivery);
    return true;
  }

  /** The queue has a whole lane back, in its place: the broker gives up a consumer that keeps a message for too long. */
  #giveBack(lane: Lane<Delivery>): void {
    for (const { raw } of this.#lanes.empty(lane)) this.#answer(() => this.#linked.made.channel.nack(raw, false, true));
  }

  #acknowledge(delivery: Delivery): void {
    this.#late.delete(idOf(delivery));
    this.#answer(() => this.#linked.made.channel.ack(delivery.raw));
  }

  /** On a channel that is lost nothing can be answered: the message comes again. */
  #answer(send: () => void): void {
    try {
      send();
    } catch {
      // Whoever waits for the connection hears of it.
    }
  }

  /** The sink is let alone for a while. */
  #rest(): void {
    if (this.#pause !== undefined || this.#isOver) return;
    const ms = Math.min(this.#rules.firstRetryMs * 2 ** this.#pauses++, this.#rules.mostRetryMs);
    const began = performance.now();
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#restedMs += performance.now() - began;
      this.#pump();
    }, ms);
  }
}
