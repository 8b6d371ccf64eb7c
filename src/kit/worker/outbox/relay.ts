import { setMaxListeners } from 'node:events';
import { messageOf } from '../../database/message.js';
import type { Lane, Polled, StreamStore, Waiting } from '../../database/outbox/stream.js';
import { HeldUp, NotYet, Poison, SinkUnavailable, type Delivered, type Sink } from '../../messages/sink.js';
import { deliverBatch, type Batch } from './deliver.js';
import { Chain } from './chain.js';
import { CHAIN, planBatches, type Plan } from './plan.js';
import { Remover } from './remover.js';
import { backoffMs, type RelayRules } from './rules.js';
import type { Wake } from './wake.js';

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

/** Since when a sink takes nothing, in milliseconds since 1970, why, and whether an alarm has told of it. */
export interface Unavailable {
  readonly since: number;
  readonly error: string;
  readonly told: boolean;
}

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

/** What a relay tells of: an alarm. */
export interface RelayTrouble {
  /** `dead-letter`: it was given up; `late`: it is tried on though its window is over; `unavailable`: the sink takes nothing. */
  readonly kind: 'dead-letter' | 'late' | 'unavailable';
  readonly error: string;
  /** Since when, in milliseconds since 1970. */
  readonly since: number;
  /** Absent: it is no message's trouble. */
  readonly message?: Waiting;
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
  /** After so many milliseconds it ends by itself, when what is on its way is delivered. */
  readonly forMs: number;
  readonly onTrouble: (trouble: RelayTrouble) => void;
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
  #delivered = 0;
  #failed = 0;
  #dead = 0;
  #unavailable: (Unavailable & { readonly times: number; readonly until: number }) | undefined;
  /** Numbers that are on their way. */
  readonly #onWay = new Set<number>();
  /** Those that are delivered, and not removed yet. */
  readonly #done = new Set<number>();
  /** Keys and lanes that are on their way. */
  readonly #busy = new Set<string>();
  /** What has become of keys and numbers since the last poll was sent: what that says of them is out of date. */
  #since = { parked: new Set<string>(), removed: new Set<number>() };
  readonly #chain: Chain;
  #flights = 0;
  /** Those of them that drain lanes. */
  #lanes = 0;
  readonly #remover: Remover;
  #nextDueAt = 0;
  #tendAt = 0;
  /** When the next look behind keys that are on their way may begin. */
  #beyondAt = 0;
  /** Something may have come, or may be free. */
  #isDirty = true;
  #failing: { readonly since: number; readonly error: string } | undefined;
  readonly #late = new Set<number>();

  constructor(given: RelayOptions) {
    const options = { ...given, signal: AbortSignal.any([given.signal, this.#over.signal]) };
    this.#given = options;
    // Each delivery listens; Node takes more than ten listeners for a leak.
    setMaxListeners(0, options.signal);
    this.#unavailable = given.unavailable && { ...given.unavailable, times: 0, until: 0 };
    this.#remover = new Remover({
      ...options,
      onRemoved: (seqs) => {
        this.#removed(seqs);
      },
      onLeft: (seqs) => {
        for (const seq of seqs) this.#done.delete(seq);
      },
    });
    this.#chain = new Chain(options.sink.isQueue === true);
  }

  get stats(): RelayStats {
    const { since, error, told } = this.#unavailable ?? {};
    return {
      delivered: this.#delivered,
      failed: this.#failed,
      dead: this.#dead,
      ...(since !== undefined && error !== undefined && { unavailable: { since, error, told: told === true } }),
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
      try {
        if (Date.now() >= this.#tendAt) {
          const { epoch: newest, dueInMs } = await store.tend();
          if (newest !== epoch) {
            end = 'replaced';
            this.#over.abort();
            break;
          }
          this.#tendAt = Date.now() + rules.pollMs;
          this.#nextDueAt = dueInMs === undefined ? Infinity : Date.now() + dueInMs;
          this.#isDirty = true;
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
        const next = Math.min(this.#tendAt, this.#nextDueAt, this.#unavailable?.until ?? Infinity, until);
        if (await wake.wait(Math.max(1, next - Date.now()), signal)) this.#isDirty = true;
        if (Date.now() >= Math.min(this.#nextDueAt, this.#unavailable?.until ?? Infinity)) this.#isDirty = true;
      }
    }
    await this.#land();
    return { ...this.stats, end: end === 'time' && signal.aborted ? 'stopped' : end };
  }

  /** Begins what can be begun. */
  async #work(): Promise<void> {
    if (!this.#isDirty || !this.#hasPlace()) return;
    this.#isDirty = false;
    if (Date.now() >= this.#nextDueAt) await this.#drainLanes();
    if (this.#hasPlace()) await this.#readFront();
  }

  #hasPlace(): boolean {
    if (this.#unavailable !== undefined && Date.now() < this.#unavailable.until) return false;
    return this.#free() > 0;
  }

  /** Batches that may begin. Until it is known that the sink takes something again one tries it. */
  #free(): number {
    return (this.#unavailable === undefined ? this.#places() : 1) - this.#flights;
  }

  #places(): number {
    const { sink, rules } = this.#given;
    return sink.deliverAll ? rules.batches : rules.single;
  }

  async #readFront(): Promise<void> {
    const { store, rules } = this.#given;
    const limit = 2 * rules.batch + this.#onWay.size + this.#done.size;
    this.#since = { parked: new Set(), removed: new Set() };
    this.#chain.asked();
    const rows = await store.poll(limit);
    // With nothing to deliver nobody knows whether the sink takes something again.
    if (rows.length === 0 && this.#flights === 0 && this.#nextDueAt === Infinity) this.#unavailable = undefined;
    const { blocked } = await this.#take(rows, limit);
    // All that is seen waits for keys that are on their way: what is behind them is looked for, now and then, as that takes longer.
    if (blocked.size === 0 || rows.length < limit || !this.#hasPlace() || Date.now() < this.#beyondAt) return;
    const began = Date.now();
    this.#since = { parked: new Set(), removed: new Set() };
    const beyond = await store.poll(limit, [...blocked]);
    this.#beyondAt = Date.now() + (Date.now() - began) * (1 / BEYOND_SHARE - 1);
    await this.#take(beyond, limit);
  }

  /** Begins to deliver what may go of what was read, and sees to the rest. */
  async #take(rows: readonly Polled[], limit: number): Promise<Plan> {
    const { store, rules, sink } = this.#given;
    const plan = planBatches(rows, {
      size: sink.deliverAll ? rules.batch : 1,
      places: this.#free(),
      isOnWay: (seq) => this.#onWay.has(seq),
      isDone: (seq) => this.#done.has(seq) || this.#since.removed.has(seq),
      isBusy: (key) => this.#busy.has(`k:${key}`) || this.#since.parked.has(key),
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
    const places = Math.min(this.#free(), Math.max(1, Math.floor(this.#places() / 2)) - this.#lanes);
    if (places <= 0) return;
    const lanes = await store.due([...this.#busy], places, CHAIN);
    for (const lane of lanes) this.#send({ messages: lane.messages, attempts: lane.attempts }, lane);
    if (lanes.length >= places) return;
    // The others' time is asked for; what comes back from the sink sets its own.
    this.#nextDueAt = Infinity;
    if (lanes.length > 0) this.#tendAt = 0;
  }

  /** Gives a batch to the sink, and sees to what becomes of it. */
  #send(batch: Batch, lane?: Lane): void {
    const { sink, rules, signal } = this.#given;
    const keys = batch.messages.flatMap(({ key }) => (key === undefined ? [] : [`k:${key}`]));
    // A message by itself goes outside its key's order, whatever else of that is on its way.
    const names = new Set(lane === undefined ? keys : [lane.name]);
    for (const name of names) this.#busy.add(name);
    if (lane !== undefined) this.#lanes++;
    else for (const { seq } of batch.messages) this.#onWay.add(seq);
    this.#flights++;
    const linked = { ...batch, messages: this.#chain.link(batch.messages) };
    void deliverBatch(sink, linked, rules.deliverMs, signal)
      .then(
        (became) => this.#came(batch, became, lane),
        (error: unknown) => {
          this.#cannot(error);
          this.#release(batch, lane);
        },
      )
      // The database could not be told: what was delivered is delivered again.
      .catch(() => {
        this.#release(batch, lane);
      })
      .finally(() => {
        for (const name of names) this.#busy.delete(name);
        if (lane !== undefined) this.#lanes--;
        this.#flights--;
        this.#isDirty = true;
        this.#given.wake.ring();
      });
  }

  #release({ messages }: Batch, lane: Lane | undefined): void {
    if (lane === undefined) for (const { seq } of messages) this.#onWay.delete(seq);
  }

  async #came(batch: Batch, became: readonly Delivered[], lane: Lane | undefined): Promise<void> {
    const { store, signal } = this.#given;
    const done = batch.messages.filter((_, place) => became[place] === undefined);
    this.#delivered += done.length;
    this.#chain.delivered(done);
    if (done.length > 0) this.#unavailable = undefined;
    const wrong = became.find((error) => error instanceof SinkUnavailable);
    if (wrong !== undefined) this.#cannot(wrong);
    const seqs = done.map(({ seq }) => seq);
    // The first of each key that could not be delivered; what was only held up behind it is found again.
    const failed = signal.aborted
      ? []
      : batch.messages.flatMap((message, place) => {
          const error = became[place];
          if (error === undefined || error instanceof HeldUp || error instanceof SinkUnavailable) return [];
          return [{ message, error }];
        });
    if (lane !== undefined) {
      const [first] = failed;
      if (seqs.length === 0 && first === undefined) return;
      const judged = first && { seq: first.message.seq, ...this.#judge(first, lane) };
      await store.drained(lane, seqs, judged);
      this.#chain.noted(seqs);
      judged?.tell();
      this.#dueIn(judged === undefined ? 0 : judged.againInMs);
      return;
    }
    // Before anything of theirs goes aside: what was delivered must not come to lie in front of it.
    if (failed.length > 0 && seqs.length > 0) {
      await store.delivered(seqs);
      this.#removed(seqs);
    }
    for (const each of failed) {
      const { key, seq } = each.message;
      const judged = this.#judge(each);
      const behind = batch.messages.flatMap((message, place) =>
        message.key !== undefined && message.key === key && became[place] instanceof HeldUp ? [message.seq] : [],
      );
      await store.parkFailed(seq, judged, behind);
      judged.tell();
      this.#dueIn(judged.againInMs);
      if (key !== undefined) this.#since.parked.add(key);
    }
    this.#release(batch, undefined);
    if (failed.length > 0) return;
    for (const seq of seqs) this.#done.add(seq);
    this.#remover.remove(seqs);
  }

  #removed(seqs: readonly number[]): void {
    for (const seq of seqs) {
      this.#done.delete(seq);
      this.#since.removed.add(seq);
    }
    this.#chain.noted(seqs);
  }

  /** A lane is due in so many milliseconds; never, if it waits for a person. */
  #dueIn(ms: number | undefined): void {
    if (ms !== undefined) this.#nextDueAt = Math.min(this.#nextDueAt, Date.now() + ms);
  }

  /** When a message that could not be delivered is tried again, or that it never is. */
  #judge({ message, error }: { message: Waiting; error: Error }, lane?: Lane) {
    const { rules, onTrouble } = this.#given;
    this.#failed++;
    const isSame = lane?.messages[0]?.seq === message.seq;
    const attempts = isSame ? lane.attempts + 1 : 1;
    const failedForMs = isSame ? (lane.failedForMs ?? 0) : 0;
    const since = Date.now() - failedForMs;
    const isOver = failedForMs >= rules.windowMs;
    const text = messageOf(error);
    // Time in which nothing could be delivered counts, too: so it takes some attempts as well.
    const isGivenUp = isOver && attempts >= rules.leastAttempts && !(error instanceof NotYet);
    const isDead = error instanceof Poison || isGivenUp;
    /** Once it is stored. */
    const tell = () => {
      if (isDead) {
        this.#dead++;
        onTrouble({ kind: 'dead-letter', message, error: text, since });
      } else if (isOver && error instanceof NotYet && !this.#late.has(message.seq)) {
        this.#late.add(message.seq);
        onTrouble({ kind: 'late', message, error: text, since });
      }
    };
    return { error: text, againInMs: isDead ? undefined : backoffMs(rules, attempts), tell };
  }

  /** The sink takes nothing: it is left alone for a while, longer each time. */
  #cannot(thrown: unknown): void {
    const { rules, onTrouble, signal } = this.#given;
    if (signal.aborted) return;
    const now = Date.now();
    // What was under way when it began says nothing new.
    if (this.#unavailable !== undefined && now < this.#unavailable.until) return;
    const { since = now, times = 0, told = false } = this.#unavailable ?? {};
    const isLong = now - since >= rules.windowMs;
    const error = messageOf(thrown);
    this.#unavailable = {
      since,
      error,
      times: times + 1,
      until: now + backoffMs(rules, times + 1),
      told: told || isLong,
    };
    if (isLong && !told) onTrouble({ kind: 'unavailable', error, since });
  }

  /** Waits until nothing is on its way any more, which takes no longer than a delivery may. */
  async #land(): Promise<void> {
    const { wake } = this.#given;
    while (this.#flights > 0) await wake.wait(1_000);
    await this.#remover.done();
  }
}
