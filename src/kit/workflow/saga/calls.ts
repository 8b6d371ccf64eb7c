import type { Branch, Op } from '../branch.js';
import type { SagaCall, StepOptions } from './definition.js';
import type { CallProfile, SagaDriver } from './driver.js';
import { homesOf } from '../fate.js';
import { participantOf } from '../participant.js';
import { recall } from './kept.js';
import { inputOf, type BranchRecord } from './ledger.js';

/** How a branch is asked: under which name, with which input, and as which kind of call. */
export class BranchCalls {
  readonly #driver: SagaDriver;
  readonly #retries: number | undefined;
  /** The participants in whose databases this run has taken the transaction over. */
  readonly #adopted: readonly string[];
  readonly #settling: () => boolean;

  /** @param settling whether steps are only looked at */
  constructor(driver: SagaDriver, { retries, adopt }: SagaCall, settling: () => boolean) {
    this.#driver = driver;
    this.#retries = retries;
    this.#adopted = adopt === undefined ? [] : homesOf(adopt);
    this.#settling = settling;
  }

  /** Asks for a step for the first time in this run of the body. */
  send(record: BranchRecord, input: unknown): Promise<unknown> {
    const { options, corrected } = record;
    try {
      const isOwn = corrected !== undefined || this.#driver.sharesMemory === true;
      const args = [isOwn ? recall(inputOf(record)) : input];
      const retries = options.retries ?? this.#retries;
      const withRetries = retries === options.retries ? options : { ...options, retries };
      return this.#call(record, 'action', this.#profileOf(record), args, withRetries);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Asks again what a person has looked at. */
  again(record: BranchRecord, profile = this.#profileOf(record)): Promise<unknown> {
    return this.#call(record, 'action', profile, [recall(inputOf(record))], record.options);
  }

  /** Asks a branch to undo, for one window. */
  undo(record: BranchRecord, args: unknown[]): Promise<unknown> {
    const op = record.options.amends === true ? 'amends' : 'compensation';
    return this.#call(record, op, 'compensation', args, { timeout: record.options.timeout });
  }

  /** Whether it is looked at what became of a step, instead of doing it. */
  isLookedAt({ kind, verify }: BranchRecord): boolean {
    return kind !== 'forward' && (verify === true || this.#settling());
  }

  #profileOf(record: BranchRecord): CallProfile {
    const { kind } = record;
    if (kind === 'forward') return 'forward';
    if (this.isLookedAt(record)) return 'settle';
    return kind === 'step' ? 'action' : 'pivot';
  }

  #call(record: BranchRecord, op: Op, profile: CallProfile, args: unknown[], options: StepOptions): Promise<unknown> {
    const { operation, summary } = record;
    return this.#driver.call({
      branch: this.#branch(record, op, profile),
      operation,
      profile,
      args,
      summary: op === 'action' ? (profile === 'settle' ? `settle: ${summary}` : summary) : `undo: ${summary}`,
      options,
    });
  }

  #branch(record: BranchRecord, op: Op, profile: CallProfile): Branch {
    const { step, seq, state, operation, corrected, renewals } = record;
    const branch: Branch = {
      gid: this.#driver.gid,
      // A definite no stays what it is: a branch that is begun anew after it has a name of its own.
      branch: renewals === 0 ? step : `${step}~${renewals + 1}`,
      op,
      scheme: 'saga',
      seq,
      ...(this.#adopted.includes(participantOf(operation)) && { adopted: true }),
    };
    if (profile === 'settle') return { ...branch, settle: true };
    if (op === 'action') return branch;
    return {
      ...branch,
      ...(state === 'succeeded' && { succeeded: true }),
      ...(corrected !== undefined && { corrected: true }),
    };
  }
}
