import { setMaxListeners } from 'node:events';
import { messageOf } from '../../database/message.js';
import { within } from '../../database/within.js';
import type { Lane, Polled, StreamStore } from '../../database/outbox/stream.js';
import type { Sink } from '../../messages/sink.js';
import { Availability, type Unavailable } from './availability.js';
import { Chain } from './chain.js';
import { deliverBatch, type Batch } from './deliver.js';
import { Outcomes, seqsOf } from './outcomes.js';
import { CHAIN, planBatches, type Plan } from './plan.js';
import type { RelayRules } from './rules.js';
import { Teller, type OnTrouble } from './teller.js';
import type { Wake } from './wake.js';
import { Way } from './way.js';

/**
 * A relay: delivers the messages of one stream, for as long as it runs.
 *
 * It polls the stream's front, gives what it finds to the sink in batches, several at a time, and removes what was delivered. No two
 * batches have messages of one key, but for a batch of its own in which they are in order. What cannot be delivered begins a lane of
 * its key, and what comes after it goes there: the front stays free. A lane is tried again with backoff, and drained in order.
 *
 * Invariant: a message is removed only after the sink has taken it, and none is given to the sink before those of its key with lower
 * numbers. If the relay dies anywhere, what was delivered and not removed is delivered again, first.
 *
 * A relay that finds another one in its place ends: two for a moment deliver some messages twice, which whoever gets them tells by
 * their ids.
 */

/** What a relay has done, and how its stream stands. */
export interface RelayStats {
  readonly delivered: number;
  /** Deliveries that failed. */
  readonly failed: number;
  /** Messages that became dead letters. */
  readonly dead: number;
  /** Since when the sink takes nothing. */
  readonly unavailable?: Unavailable;
  /** Since when the outbox's own database cannot be used, and why. */
  readonly failing?: { readonly since: number; readonly error: string };
}

export interface RelayOptions {
  readonly store: StreamStore;
  readonly sink: Sink;
  readonly rules: RelayRules;
  readonly wake: Wake;
  /** Who it is, for whoever looks. */
  readonly owner: string;
  /** Ends it: what is on its way is given up, and delivered again by the next. */
  readonly signal: AbortSignal;
  /** After so many milliseconds it ends by itself, when what is on its way is delivered, or was waited for as long as it may take. */
  readonly forMs: number;
  /** Tells people of what needs them: again, until it could. */
  readonly onTrouble: OnTrouble;
  /** What the one before it has found of the sink. */
  readonly unavailable?: Unavailable;
}

/** How a relay ended. */
export type RelayEnd = RelayStats & { readonly end: 'time' | 'stopped' | 'replaced' };

/** Its database has to have failed for so long before a relay gives up, in milliseconds. */
const PATIENCE_MS = 30_000;
/** The look for what is behind keys that are on their way may take this part of the time. */
const BEYOND_SHARE = 0.2;

export class StreamRelay {
  readonly #given: RelayOptions;
  /** Ends what is on its way: another has this one's place, or it gives up. */
  readonly #over = new AbortController();
  readonly #way = new Way();
  readonly #available: Availability;
  readonly #chain: Chain;
  readonly #teller: Teller;
  readonly #outcomes: Outcomes;
  #nextDueAt = 0;
  /** Whether there is any lane, due or not. */
  #hasLanes = true;
  #tendAt = 0;
  /** When the next look behind keys that are on their way may begin. */
  #beyondAt = 0;
  /** Something may have come, or may be free. */
  #isDirty = true;
  #failing: { readonly since: number; readonly error: string } | undefined;

  constructor(given: RelayOptions) {
    const options = { ...given, signal: AbortSignal.any([given.signal, this.#over.signal]) };
    this.#given = options;
    // Each delivery listens; Node takes more than ten listeners for a leak.
    setMaxListeners(0, options.signal);
    this.#available = new Availability({
      rules: given.rules,
      found: given.unavailable,
      onLong: ({ error, since }) => given.onTrouble({ kind: 'unavailable', error, since, at: Date.now() }),
    });
    this.#chain = new Chain(given.sink.isQueue === true);
    this.#teller = new Teller(options);
    this.#outcomes = new Outcomes({
      ...options,
      ...{ way: this.#way, available: this.#available, chain: this.#chain, teller: this.#teller },
      onDue: (ms) => {
        this.#dueIn(ms);
      },
    });
  }

  get stats(): RelayStats {
    const unavailable = this.#available.found;
    return {
      ...this.#outcomes.counts,
      ...(unavailable && { unavailable }),
      ...(this.#failing && { failing: this.#failing }),
    };
  }

  /** Delivers until it is to end. @throws the database's error, if it could not be used for half a minute */
  async run(): Promise<RelayEnd> {
    const { store, owner, signal, forMs, wake, rules } = this.#given;
    const epoch = await store.takeOver(owner);
    const until = Date.now() + forMs;
    let end: RelayEnd['end'] = 'time';
    const isToEnd = () => signal.aborted || Date.now() >= until;
    while (!isToEnd()) {
      const lookedAt = Date.now();
      try {
        if (Date.now() >= this.#tendAt) {
          const { epoch: newest, dueInMs, isUntold } = await store.tend();
          if (newest !== epoch) {
            end = 'replaced';
            this.#over.abort();
            break;
          }
          this.#tendAt = Date.now() + rules.pollMs;
          this.#hasLanes = dueInMs !== undefined;
          this.#nextDueAt = dueInMs === undefined ? Infinity : Date.now() + dueInMs;
          this.#isDirty = true;
          if (isUntold) this.#teller.tell();
        }
        await this.#work();
        this.#failing = undefined;
      } catch (error) {
        const { since = Date.now() } = this.#failing ?? {};
        this.#failing = { since, error: messageOf(error) };
        if (Date.now() - since > PATIENCE_MS) {
          this.#over.abort();
          throw error;
        }
        await wake.pause(Math.min(rules.pollMs, 500), signal);
        continue;
      }
      if (isToEnd()) break;
      if (!this.#isDirty || !this.#hasPlace()) {
        const next = Math.min(this.#tendAt, this.#ownAt(lookedAt), until);
        if (await wake.wait(Math.max(1, next - Date.now()), signal)) this.#isDirty = true;
        if (Date.now() >= this.#ownAt(lookedAt)) this.#isDirty = true;
      }
    }
    if (end === 'time' && signal.aborted) end = 'stopped';
    await this.#land();
    return { ...this.stats, end };
  }

  /** When something is due by itself. What was due at the last look waits for a place: whatever ends rings. */
  #ownAt(lookedAt: number): number {
    return Math.min(...[this.#nextDueAt, this.#available.againAt ?? Infinity].filter((at) => at >= lookedAt));
  }

  /** Begins what can be begun. */
  async #work(): Promise<void> {
    if (!this.#isDirty || !this.#hasPlace()) return;
    this.#isDirty = false;
    if (Date.now() >= this.#nextDueAt) await this.#drainLanes();
    if (this.#hasPlace()) await this.#readFront();
  }

  #hasPlace(): boolean {
    return this.#free() > 0;
  }

  /** Batches that may begin. */
  #free(): number {
    return this.#available.places(this.#places()) - this.#way.flights;
  }

  #places(): number {
    const { sink, rules } = this.#given;
    return sink.deliverAll ? rules.batches : rules.single;
  }

  /** Bytes of one delivery. */
  #share(): number {
    return Math.max(1, Math.floor(this.#given.rules.bytes / this.#places()));
  }

  async #readFront(): Promise<void> {
    const limit = 2 * this.#given.rules.batch + this.#way.known.seqs.length;
    this.#chain.asked();
    const isIdle = this.#way.flights === 0 && !this.#hasLanes;
    const rows = await this.#look(limit);
    // With nothing to deliver nobody knows whether the sink takes something again.
    if (isIdle && rows.length === 0) this.#available.works();
    const { blocked } = await this.#take(rows, limit);
    // All that is seen waits for keys that are on their way: what is behind them is looked for, now and then, as that takes longer.
    if (blocked.size === 0 || rows.length < limit || !this.#hasPlace() || Date.now() < this.#beyondAt) return;
    const began = Date.now();
    const beyond = await this.#look(limit, [...blocked]);
    this.#beyondAt = Date.now() + (Date.now() - began) * (1 / BEYOND_SHARE - 1);
    await this.#take(beyond, limit);
  }

  /** Reads the front: payloads only of what may go, and no more than there are places for. */
  #look(limit: number, except: readonly string[] = []): Promise<Polled[]> {
    this.#way.looked();
    const key = this.#share();
    return this.#given.store.poll(limit, { except, known: this.#way.known, bytes: { all: this.#free() * key, key } });
  }

  /** Begins to deliver what may go of what was read, and sees to the rest. */
  async #take(rows: readonly Polled[], limit: number): Promise<Plan> {
    const { store, rules, sink } = this.#given;
    const plan = planBatches(rows, {
      size: sink.deliverAll ? rules.batch : 1,
      places: this.#free(),
      bytes: this.#share(),
      isOnWay: (seq) => this.#way.isOnWay(seq),
      isDone: (seq) => this.#way.isDone(seq),
      isBusy: (key) => this.#way.isBusy(key),
    });
    const { batches, held, isMore } = plan;
    for (const batch of batches) this.#send({ messages: batch, attempts: 0 });
    if (held.length > 0) {
      await store.park(held);
      this.#dueIn(0);
    }
    if ((rows.length >= limit && batches.length > 0) || isMore || held.length > 0) this.#isDirty = true;
    return plan;
  }

  async #drainLanes(): Promise<void> {
    const { store } = this.#given;
    // What has failed before may take long: it gets no more than half of all places.
    const places = Math.min(this.#free(), Math.max(1, Math.floor(this.#places() / 2)) - this.#way.lanes);
    if (places <= 0) return;
    // The others' time is asked for; what comes back from the sink, meanwhile too, sets its own.
    this.#nextDueAt = Infinity;
    const lanes = await store.due(this.#way.names, places, CHAIN, this.#share());
    for (const lane of lanes) this.#send({ messages: lane.messages, attempts: lane.attempts }, lane);
    if (lanes.length >= places) this.#dueIn(0);
    else if (lanes.length > 0) this.#tendAt = 0;
  }

  /** Gives a batch to the sink, and sees to what becomes of it. */
  #send(batch: Batch, lane?: Lane): void {
    const { sink, rules, signal, wake } = this.#given;
    const linked = { ...batch, messages: this.#chain.link(batch.messages) };
    const end = this.#way.begin(batch, lane);
    void deliverBatch(sink, linked, rules.deliverMs, signal)
      .then(
        (became) =>
          lane === undefined ? this.#outcomes.ofFront(batch.messages, became) : this.#outcomes.ofLane(lane, became),
        (error: unknown) => {
          this.#outcomes.cannot(error);
        },
      )
      // The database could not be told: what was delivered is delivered again.
      .catch(() => undefined)
      .finally(() => {
        if (lane === undefined) this.#way.left(seqsOf(batch.messages));
        end();
        this.#isDirty = true;
        wake.ring();
      });
  }

  /** A lane is due in so many milliseconds. */
  #dueIn(ms: number): void {
    this.#hasLanes = true;
    this.#nextDueAt = Math.min(this.#nextDueAt, Date.now() + ms);
  }

  /** Waits until nothing is on its way any more: as long as a delivery may take, and as long again for what is given up then. */
  async #land(): Promise<void> {
    if (await this.#hasLanded()) return;
    // What hangs is delivered again by the next.
    this.#over.abort();
    await this.#hasLanded();
  }

  /** Whether nothing is on its way any more, waiting for that as long as a delivery may take. */
  async #hasLanded(): Promise<boolean> {
    const { wake, rules } = this.#given;
    const until = Date.now() + rules.deliverMs;
    while (this.#way.flights > 0 && Date.now() < until) await wake.wait(until - Date.now());
    return within(Math.max(1, until - Date.now()), this.#outcomes.done()).then(
      () => this.#way.flights === 0,
      () => false,
    );
  }
}
