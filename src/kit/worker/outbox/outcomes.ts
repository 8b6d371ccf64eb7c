import type { Lane, StreamStore, Waiting } from '../../database/outbox/stream.js';
import { HeldUp, SinkUnavailable, type Delivered } from '../../messages/sink.js';
import type { Availability } from './availability.js';
import type { Chain } from './chain.js';
import { NotInTime } from './deliver.js';
import { Remover } from './remover.js';
import type { RelayRules } from './rules.js';
import type { Teller } from './teller.js';
import { verdictOn, type FailedDelivery } from './verdict.js';
import type { Wake } from './wake.js';
import type { Way } from './way.js';

export interface OutcomesOptions {
  readonly store: StreamStore;
  readonly rules: RelayRules;
  readonly wake: Wake;
  readonly signal: AbortSignal;
  readonly way: Way;
  readonly available: Availability;
  readonly chain: Chain;
  readonly teller: Teller;
  /** Told when a lane is due, in milliseconds from now. */
  readonly onDue: (ms: number) => void;
}

/** Sees to what became of deliveries: the database is told, and what could not be delivered goes aside. */
export class Outcomes {
  readonly #given: OutcomesOptions;
  readonly #remover: Remover;
  #delivered = 0;
  #failed = 0;
  #dead = 0;

  constructor(given: OutcomesOptions) {
    this.#given = given;
    this.#remover = new Remover({
      ...given,
      onRemoved: (seqs) => {
        this.#removed(seqs);
      },
      onLeft: (seqs) => {
        given.way.kept(seqs);
      },
    });
  }

  /** So many were delivered; so many deliveries failed; so many became dead letters. */
  get counts(): { readonly delivered: number; readonly failed: number; readonly dead: number } {
    return { delivered: this.#delivered, failed: this.#failed, dead: this.#dead };
  }

  /** Of messages of the front. */
  async ofFront(messages: readonly Waiting[], became: readonly Delivered[]): Promise<void> {
    const { store, way } = this.#given;
    const { done, failed } = this.#sort(messages, became);
    const seqs = seqsOf(done);
    if (failed.length === 0) {
      way.delivered(seqs);
      this.#remover.remove(seqs);
      return;
    }
    // Before anything of theirs goes aside: what was delivered must not come to lie in front of it.
    if (seqs.length > 0) {
      await store.delivered(seqs);
      this.#removed(seqs);
    }
    for (const each of failed) {
      const { key, seq } = each.message;
      const behind = messages.filter(
        (message, place) => key !== undefined && message.key === key && became[place] instanceof HeldUp,
      );
      const verdict = this.#judge(each);
      await store.parkFailed(seq, verdict, seqsOf(behind));
      verdict.tell();
      way.parked(key);
    }
  }

  /** Of messages of a lane. */
  async ofLane(lane: Lane, became: readonly Delivered[]): Promise<void> {
    const { store, chain, onDue } = this.#given;
    const { done, failed } = this.#sort(lane.messages, became);
    const [first] = failed;
    if (done.length === 0 && first === undefined) return;
    const seqs = seqsOf(done);
    const verdict = first && { seq: first.message.seq, ...this.#judge(first, lane) };
    await store.drained(lane, seqs, verdict);
    chain.noted(seqs);
    if (verdict === undefined) onDue(0);
    else verdict.tell();
  }

  /** The sink takes nothing. */
  cannot(thrown: unknown): void {
    const { signal, available } = this.#given;
    if (!signal.aborted) available.cannot(thrown);
  }

  /** Resolves when nothing is to be removed any more, or it could not be. */
  done(): Promise<void> {
    return this.#remover.done();
  }

  /** What was delivered, and the first of each key that could not be; what was only held up behind it is found again. */
  #sort(messages: readonly Waiting[], became: readonly Delivered[]) {
    const { signal, chain, available } = this.#given;
    const done = messages.filter((_, place) => became[place] === undefined);
    this.#delivered += done.length;
    chain.delivered(done);
    const failed = messages.flatMap((message, place): FailedDelivery[] => {
      const error = became[place];
      // What was given up because the relay ends says nothing of the message.
      if (error === undefined || signal.aborted) return [];
      return error instanceof HeldUp || error instanceof SinkUnavailable ? [] : [{ message, error }];
    });
    this.#failed += failed.length;
    // Who says why a message cannot be taken is there, too; who says nothing in time may not be.
    if (done.length > 0 || failed.some(({ error }) => !(error instanceof NotInTime))) available.works();
    const wrong = became.find((error) => error instanceof SinkUnavailable);
    if (wrong !== undefined) this.cannot(wrong);
    return { done, failed };
  }

  #removed(seqs: readonly number[]): void {
    const { way, chain } = this.#given;
    way.removed(seqs);
    chain.noted(seqs);
  }

  #judge(failed: FailedDelivery, lane?: Lane) {
    const { rules, teller, onDue } = this.#given;
    const verdict = verdictOn(failed, lane, rules);
    const { againInMs, isLate } = verdict;
    /** Once it is stored. */
    const tell = () => {
      if (againInMs === undefined) this.#dead++;
      else onDue(againInMs);
      if (againInMs === undefined || isLate) teller.tell();
    };
    return { ...verdict, tell };
  }
}

/** Their numbers. */
export function seqsOf(messages: readonly Waiting[]): number[] {
  return messages.map(({ seq }) => seq);
}
