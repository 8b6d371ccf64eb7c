import { IllegalStateError } from '@temporalio/common';
import type { DirectWatcher } from '../client/direct-lane.js';
import { decidedBy } from '../database/decided.js';
import { NotBegun } from '../database/not-begun.js';
import { DrivenElsewhere } from '../database/rejection.js';
import type { Announcements } from '../database/announcement/announcements.js';
import type { Operation } from '../workflow/branch.js';
import type { Complete } from '../workflow/complete.js';
import { MetDriver, type CauseNote } from '../workflow/failure.js';
import { participantOf } from '../workflow/participant.js';
import type { Call, Judgement, SagaDriver } from '../workflow/saga/driver.js';
import { FirstStep } from './first-step.js';
import { HandOver, NotSent, within } from './hand-over.js';
import type { ParticipantFunction } from './participants.js';

/** A definite answer of a participant that is no success. */
class Decision extends Error {
  readonly judgement: Judgement;
  constructor(judgement: Judgement, cause: unknown) {
    super(judgement.message, { cause });
    this.judgement = judgement;
  }
}

/** What a direct driver works with. */
export interface DirectDriverOptions {
  readonly gid: string;
  /** Its name in the announcement and in the guards' rows: `direct:<call>`. */
  readonly owner: string;
  readonly who: string;
  /** What a workflow would be started with: a `StartOrder` as JSON text. */
  readonly start: string;
  readonly deadlineMs: number | undefined;
  readonly overdue: string;
  /** After so many milliseconds a worker takes the transaction over. */
  readonly takeOverMs: number;
  /** One call may take so long, in milliseconds. */
  readonly callMs: number;
  /** The function of an operation, if this process has it. */
  readonly functionOf: (name: string) => ParticipantFunction | undefined;
  readonly announcementsOf: (participant: string) => Announcements | undefined;
  readonly watcher: DirectWatcher | undefined;
}

/**
 * Drives a saga in this process: a call is a call of the participant's own function, one after the other. What is anything
 * but done or refused for good (no answer, an error, too slow, a person needed) ends it: a workflow takes over.
 *
 * The first step that is applied announces the transaction. From there it is this driver's only while the announcement
 * names it: it decides to undo, and its caller to commit, by changing that row.
 */
export class DirectDriver implements SagaDriver {
  readonly gid: string;
  readonly isAlone = true;
  readonly sharesMemory = true as const;
  readonly deadlineAt: number | undefined;
  /** The participant in whose database the transaction is announced, or may be. */
  home: string | undefined;
  /** Whether it certainly is. */
  announced = false;
  readonly #options: DirectDriverOptions;
  readonly #began = performance.now();
  readonly #over = new AbortController();
  #waiting = false;
  /** Why nothing more is called. */
  #broken: Error | undefined;
  /** Calls that were asked for and have not ended. */
  #calls = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Ends the run with nothing decided. */
  onBreak: (why: Error) => void = () => undefined;

  constructor(options: DirectDriverOptions) {
    this.#options = options;
    this.gid = options.gid;
    this.deadlineAt = options.deadlineMs === undefined ? undefined : Date.now() + options.deadlineMs;
  }

  get owner(): string {
    return this.#options.owner;
  }

  /**
   * Decides in the database of home, for a limited time: all calls are over in the first half of the time until the take-over, a
   * decision may take a quarter of it, and giving the transaction up another quarter.
   *
   * @returns nothing where nothing was announced, or may be
   * @throws what leaves it unknown
   */
  decide(what: (announcements: Announcements, timeoutMs: number) => Promise<boolean>): Promise<boolean> | undefined {
    const { announcementsOf, callMs, takeOverMs } = this.#options;
    const announcements = this.home === undefined ? undefined : announcementsOf(this.home);
    if (announcements === undefined) return undefined;
    const timeoutMs = Math.max(Math.min(callMs, takeOverMs / 4), 1);
    return within(timeoutMs, `the database of '${this.home ?? ''}'`, what(announcements, timeoutMs));
  }

  /** Whether it has taken longer than all that may take. */
  get isOverdue(): boolean {
    return performance.now() - this.#began > (this.#options.takeOverMs * 3) / 4;
  }

  /** Ends the run with nothing decided, and calls nothing more. */
  breakOff(why: Error): void {
    this.#broken ??= why;
    this.onBreak(why);
  }

  /** Tells a call that is still under way that nobody waits for it any more. */
  stop(): void {
    if (this.#waiting) this.#over.abort();
  }

  now(): number {
    return Date.now();
  }

  call(call: Call): Promise<unknown> {
    const begin = () => this.#call(call);
    const isAlone = this.#calls++ === 0;
    const made = isAlone ? begin() : this.#last.then(begin, begin);
    this.#last = made;
    return made;
  }

  async #call(call: Call): Promise<unknown> {
    let operation: Operation | undefined;
    try {
      // What waited for its turn is not begun once the transaction is given up.
      if (this.#broken !== undefined) throw this.#broken;
      const work = this.#workOf(call);
      operation = this.#operationOf(call);
      const { announcement } = operation;
      if (announcement !== undefined) this.home = participantOf(call.operation);
      this.#waiting = true;
      const result = await within(operation.timeoutMs, operation.function, work(operation, ...call.args));
      this.#waiting = false;
      if (announcement instanceof FirstStep && announcement.at !== 'written') {
        throw new HandOver(
          `${operation.function} has not announced the transaction: it does not use the guard of a database`,
        );
      }
      if (!this.announced) {
        this.announced = true;
        this.#options.watcher?.announced();
      }
      return result;
    } catch (error) {
      if (operation === undefined) throw this.#given(error as Error); // Nothing was asked.
      // What gave no answer in time may still be at it.
      this.#waiting = error instanceof HandOver;
      throw this.#failed(error, operation, call.operation);
    } finally {
      this.#calls--;
    }
  }

  /** @throws {@link HandOver} for what this process does not do */
  #workOf({ branch, operation, options }: Call): ParticipantFunction {
    const name = `${operation}.${branch.op}`;
    if (branch.settle) throw new HandOver(`${name} is only to be looked at: a workflow does that`);
    if (options.long === true) throw new HandOver(`${name} may take long`);
    const work = this.#options.functionOf(name);
    if (work === undefined) throw new HandOver(`this process has no ${name}`);
    return work;
  }

  /** @throws {@link HandOver} for what there is no time for, and for a first step that cannot announce */
  #operationOf({ branch, operation }: Call): Operation {
    const { owner, who, start, takeOverMs, callMs, announcementsOf } = this.#options;
    const name = `${operation}.${branch.op}`;
    // What is left is for the call, and for the decision after it.
    const leftMs = takeOverMs / 2 - (performance.now() - this.#began);
    if (leftMs <= 0) throw new HandOver(`${name} was not begun: the transaction takes too long`);
    const announces = !this.announced && branch.op === 'action';
    const participant = participantOf(operation);
    if (announces && announcementsOf(participant) === undefined) {
      throw new HandOver(`${name} comes first, and this process was not given the database of '${participant}'`);
    }
    const complete: Complete<Operation> = {
      gid: branch.gid,
      branch: branch.branch,
      op: branch.op,
      scheme: branch.scheme,
      seq: branch.seq,
      succeeded: branch.succeeded,
      settle: branch.settle,
      single: branch.single,
      adopted: branch.adopted,
      corrected: branch.corrected,
      function: name,
      driver: owner,
      who,
      attempt: 1,
      timeoutMs: Math.min(callMs, leftMs),
      signal: this.#over.signal,
      announcement: announces ? new FirstStep(start, takeOverMs) : undefined,
      opening: undefined,
    };
    return complete;
  }

  /** Nothing more is called after this. */
  #given<T extends Error>(why: T): T {
    this.#broken ??= why;
    return why;
  }

  #failed(error: unknown, operation: Operation, name: string): Error {
    if (error instanceof DrivenElsewhere) return this.#given(new MetDriver(participantOf(name)));
    const decision = error instanceof Error ? decidedBy(error, operation.op) : undefined;
    if (decision === undefined) return this.#given(this.#handOver(error, operation));
    const { type, detail } = decision;
    if (detail.backstitch === 'decided') return this.#given(new MetDriver(participantOf(name), detail.fate));
    return new Decision(
      {
        ...{ knowledge: 'rejected', type, message: (error as Error).message },
        ...(detail.backstitch === 'mismatch' && { mismatch: true }),
        ...(detail.backstitch === 'suspended' && { suspended: true }),
      },
      error,
    );
  }

  #handOver(error: unknown, { function: name, announcement }: Operation): HandOver {
    const message = error instanceof HandOver ? error.message : `${name}: ${String(error)}`;
    const isLate = error instanceof NotBegun || error instanceof HandOver;
    if (isLate && announcement instanceof FirstStep && announcement.at === 'waiting') {
      this.#over.abort(); // Nor is it sent any more.
      this.home = undefined;
      return new NotSent(message, error);
    }
    return error instanceof HandOver ? error : new HandOver(message, error);
  }

  /** @throws {@link HandOver} for what a body may do in a workflow only */
  threw(thrown: unknown): void {
    if (!(thrown instanceof IllegalStateError)) return;
    throw this.#given(new HandOver(`the body does what only a workflow can do: ${thrown.message}`, thrown));
  }

  judge(error: unknown): Judgement {
    if (error instanceof Decision) return error.judgement;
    throw error;
  }

  /** @throws {@link MetDriver} if a workflow has the transaction, {@link HandOver} if that cannot be found out */
  async undoing(cause: CauseNote): Promise<void> {
    if (this.home === undefined || !this.announced) return;
    let won: boolean | undefined;
    try {
      won = await this.decide((at, timeoutMs) => at.undo(this.gid, this.owner, cause, timeoutMs));
    } catch (error) {
      throw new HandOver(`the undo could not be decided: ${String(error)}`, error);
    }
    if (won !== true) throw new MetDriver(this.home);
    this.#options.watcher?.undoing();
  }

  stuck(): void {
    this.breakOff(new HandOver('a person has to decide'));
  }

  shielded<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  group<T>(work: (cancel: () => void) => Promise<T>): Promise<T> {
    return work(() => undefined);
  }

  resumed(): undefined {
    return undefined;
  }

  cancelled(): boolean {
    return false;
  }

  changed(): void {
    // Nobody watches.
  }

  windowPassed(): undefined {
    return undefined;
  }

  overdue(): string {
    return this.#options.overdue;
  }
}
