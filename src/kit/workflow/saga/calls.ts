import type { Branch, Op } from '../branch.js';
import type { SagaCall, StepOptions } from './definition.js';
import type { CallProfile, SagaDriver } from './driver.js';
import { homesOf } from '../fate.js';
import { participantOf } from '../participant.js';
import { recall } from './kept.js';
import { inputOf, type BranchRecord, type StepKind } from './ledger.js';
import { firstOp, undoOp, type Ops } from './scheme.js';

/** How a branch is asked: under which name, with which input, and as which kind of call. */
export class BranchCalls {
  readonly #driver: SagaDriver;
  readonly #retries: number | undefined;
  /** The participants in whose databases this run has taken the transaction over. */
  readonly #adopted: readonly string[];
  readonly #settling: () => boolean;
  readonly #ops: Ops;

  /** @param settling whether steps are only looked at */
  constructor(driver: SagaDriver, { retries, adopt }: SagaCall, ops: Ops, settling: () => boolean) {
    this.#driver = driver;
    this.#ops = ops;
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
      return this.#call(record, firstOp(this.#ops, record.kind), this.#profileOf(record), args, withRetries);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Asks again what a person has looked at. */
  again(record: BranchRecord): Promise<unknown> {
    return this.#again(record, this.#profileOf(record), record.options);
  }

  /** Looks once more at what a person has decided of: what is not there is barred. Another's pivot is asked a single time. */
  lookAgain(record: BranchRecord): Promise<unknown> {
    return this.#isAnothers(record.kind)
      ? this.#again(record, 'checkBack', { ...record.options, retries: 0 })
      : this.#again(record, 'settle', record.options);
  }

  #again(record: BranchRecord, profile: CallProfile, options: StepOptions): Promise<unknown> {
    return this.#call(record, firstOp(this.#ops, record.kind), profile, [recall(inputOf(record))], options);
  }

  /** Whether what a person says of it is found out first: somebody else may be doing it at this moment. */
  asksBeforeResolve({ kind }: BranchRecord): boolean {
    return this.#isAnothers(kind) && (this.#driver.hasChange?.('resolve-looks-first') ?? true);
  }

  /** The same of what a person said in an earlier run, which may have been ended before it was found out. */
  asksBeforeEarlier({ kind }: BranchRecord): boolean {
    return this.#isAnothers(kind) && (this.#driver.hasChange?.('earlier-resolve-looks-first') ?? true);
  }

  /** Asks a branch to undo, for one window. */
  undo(record: BranchRecord, args: unknown[]): Promise<unknown> {
    const { timeout } = record.options;
    return this.#call(record, undoOp(this.#ops, record.options), 'compensation', args, { timeout });
  }

  /**
   * Asks a branch to confirm, for one window. Never as a local activity: a task that is lost after it would leave no trace of the
   * decision, and the next one might decide otherwise.
   */
  confirm(record: BranchRecord, args: unknown[]): Promise<unknown> {
    const { timeout } = record.options;
    return this.#call(record, this.#ops.confirm ?? 'confirm', 'forward', args, { timeout, long: true });
  }

  /** Whether it is looked at what became of a step, instead of doing it. */
  isLookedAt({ kind, verify }: BranchRecord): boolean {
    return kind !== 'forward' && (verify === true || this.#settling() || this.#isAnothers(kind));
  }

  #isAnothers(kind: StepKind): boolean {
    return kind === 'pivot' && this.#ops.looksAtPivot === true;
  }

  #profileOf(record: BranchRecord): CallProfile {
    const { kind } = record;
    if (kind === 'forward') return 'forward';
    if (this.#isAnothers(kind)) return 'checkBack';
    if (this.isLookedAt(record)) return 'settle';
    return kind === 'step' ? 'action' : 'pivot';
  }

  #call(record: BranchRecord, op: Op, profile: CallProfile, args: unknown[], options: StepOptions): Promise<unknown> {
    const { operation } = record;
    return this.#driver.call({
      branch: this.#branch(record, op, profile),
      operation,
      profile,
      args,
      summary: this.#summaryOf(record, op, profile),
      options,
    });
  }

  #summaryOf({ kind, summary }: BranchRecord, op: Op, profile: CallProfile): string {
    if (profile === 'checkBack') return `check back: ${summary}`;
    if (op === firstOp(this.#ops, kind)) return profile === 'settle' ? `settle: ${summary}` : summary;
    return op === this.#ops.confirm ? `${op}: ${summary}` : `undo: ${summary}`;
  }

  #branch(record: BranchRecord, op: Op, profile: CallProfile): Branch {
    const { step, seq, kind, state, operation, corrected, renewals } = record;
    const branch: Branch = {
      gid: this.#driver.gid,
      // A definite no stays what it is: a branch that is begun anew after it has a name of its own.
      branch: renewals === 0 ? step : `${step}~${renewals + 1}`,
      op,
      scheme: this.#ops.scheme,
      seq,
      ...(this.#adopted.includes(participantOf(operation)) && { adopted: true }),
      // What cannot be undone has no second phase either.
      ...(kind === 'pivot' && this.#ops.confirm !== undefined && { single: true }),
    };
    if (profile === 'settle' || profile === 'checkBack') return { ...branch, settle: true };
    if (op === firstOp(this.#ops, kind)) return branch;
    return {
      ...branch,
      ...(state === 'succeeded' && { succeeded: true }),
      ...(corrected !== undefined && { corrected: true }),
    };
  }
}
