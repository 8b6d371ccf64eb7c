import { msToNumber } from '@temporalio/common/lib/time.js';
import { MetDriver, type CauseNote } from '../../failure.js';
import { GROUP_ATTEMPTS, GROUP_CALL_MS, type TurnAnswer, type TurnHome } from '../../group.js';
import { participantOf } from '../../participant.js';
import type { Call, Judgement, SagaDriver } from '../driver.js';
import { never } from '../promises.js';
import type { Turns } from './turns.js';

/** Why a member leaves its group: a workflow of its own goes on with it. */
export class Leaving extends Error {}

/** Another transaction has the gid, with other content. */
export class Conflict extends Error {}

/** The bytes of a group's history after which whoever has not ended yet leaves: a task of a workflow carries 4 MB. */
const HISTORY_BYTES = 1_000_000;

/** A definite no of a participant. */
class Refused extends Error {
  readonly judgement: Judgement;
  constructor(judgement: Judgement) {
    super(judgement.message);
    this.judgement = judgement;
  }
}

/** What a member's driver is made of. */
export interface GroupDriverOptions {
  readonly gid: string;
  readonly inputHash: string;
  /** The member's name in the guards' rows. */
  readonly driver: string;
  readonly turns: Pick<Turns, 'ask' | 'bytes' | 'drop'>;
  readonly deadlineAt: number | undefined;
  readonly overdue: string;
}

/**
 * Drives one member of a group: its calls go with those of the others. Anything but done or refused for good makes it
 * leave the group.
 *
 * The first step that is applied opens the transaction: its guard row says that this driver has it, until a workflow takes
 * it over. The decision to undo and the end change that row, and name the driver. Until there is such a row one call is made
 * after the other.
 */
export class GroupDriver implements SagaDriver {
  readonly gid: string;
  /** A task of the group's workflow that was lost may have made calls too. */
  readonly isAlone = false;
  readonly deadlineAt: number | undefined;
  /** The participant in whose database the transaction was begun, or may be. */
  home: string | undefined;
  readonly #options: GroupDriverOptions;
  /** The step that opened the transaction. */
  #opened: string | undefined;
  #mayBeOpen = false;
  #last: Promise<unknown> | undefined;
  /** Whether its group has nothing more to do for it. */
  #isOver = false;
  /** Ends the run with nothing decided. */
  breakOff: (why: Error) => void = () => undefined;

  constructor(options: GroupDriverOptions) {
    this.#options = options;
    this.gid = options.gid;
    this.deadlineAt = options.deadlineAt;
  }

  /** Its name in the guards' rows. */
  get name(): string {
    return this.#options.driver;
  }

  /** Where the transaction's row is; absent: nothing was applied. */
  get opened(): TurnHome | undefined {
    const { gid, home } = this;
    return this.#opened === undefined || home === undefined ? undefined : { gid, home, branch: this.#opened };
  }

  /** Whether it has opened the transaction, or may have. */
  get mayBeOpen(): boolean {
    return this.#mayBeOpen;
  }

  now(): number {
    return Date.now();
  }

  call(call: Call): Promise<unknown> {
    if (this.#opened !== undefined || call.branch.op !== 'action') return this.#ask(call);
    const made =
      this.#last === undefined
        ? this.#ask(call)
        : this.#last.then(
            () => this.#ask(call),
            () => this.#ask(call),
          );
    this.#last = made;
    return made;
  }

  #ask(call: Call): Promise<unknown> {
    if (this.#isOver) return never();
    const { branch, operation, profile, args, options } = call;
    const name = `${operation}.${branch.op}`;
    const opens = this.#opened === undefined && branch.op === 'action';
    const { driver, turns, inputHash } = this.#options;
    if (profile === 'settle') return this.leave(`what became of ${name} has to be looked at`);
    if (options.long === true) return this.leave(`${name} may take long`);
    if (turns.bytes > HISTORY_BYTES) return this.leave(`the history of its group is too long for ${name}`);
    if (opens) this.home = participantOf(operation);
    const timeoutMs = options.timeout === undefined ? GROUP_CALL_MS : msToNumber(options.timeout);
    const retries = profile === 'action' ? (options.retries ?? Infinity) : Infinity;
    const asked = turns.ask({
      ...{ kind: 'call', driver, branch, function: name, args },
      ...(opens && { opens: { inputHash } }),
      limitMs: Math.min(timeoutMs, GROUP_CALL_MS),
      attempts: Math.min(retries + 1, GROUP_ATTEMPTS),
    });
    return asked.then((answer) => this.#answered(call, name, opens, answer));
  }

  #answered({ branch, operation }: Call, name: string, opens: boolean, answer: TurnAnswer): unknown {
    if (opens) this.#noteOpening(answer);
    switch (answer.how) {
      case 'done':
        if (opens && answer.opened !== true) {
          return this.leave(`${name} comes first, and does not use the guard of a database`);
        }
        // A lost task may have been another release's, and have done what this one does not come to: who takes over looks.
        if (answer.again === true) return this.leave(`${name} was done before, and more may have been`);
        if (opens) this.#opened = branch.branch;
        return answer.result;
      case 'decided': {
        const { type, message, detail, opened } = answer;
        if (detail.backstitch === 'rejected') throw new Refused({ knowledge: 'rejected', type, message });
        if (detail.backstitch === 'decided') return this.#end(new MetDriver(participantOf(operation), detail.fate));
        // With its own row it is the body that has come with another input: what was done is not another's.
        const isOther = detail.backstitch === 'mismatch' && opens && opened !== true;
        if (isOther) return this.#end(new Conflict(message));
        return this.leave(`${type}: ${message}`);
      }
      case 'unknown':
        return this.leave(`${name}: ${answer.type}: ${answer.message}`);
      default:
        throw new TypeError(`a call was answered with '${answer.how}'`);
    }
  }

  /** What a first step's answer says of whether the transaction was opened with it. */
  #noteOpening(answer: TurnAnswer): void {
    const isOpen = 'opened' in answer && answer.opened === true;
    const isUnopened = answer.how === 'unknown' ? answer.uncalled === true : !isOpen;
    if (!isUnopened) this.#mayBeOpen = true;
    // Nothing is there to be taken over.
    else if (answer.how !== 'decided') this.home = undefined;
  }

  /** Leaves the group: nothing of this run goes on, but for what is under way. */
  leave(why: string): Promise<never> {
    return this.#end(new Leaving(why));
  }

  #end(why: Error): Promise<never> {
    this.#isOver = true;
    this.#options.turns.drop(this.name);
    this.breakOff(why);
    return never();
  }

  async undoing(cause: CauseNote): Promise<void> {
    const { opened } = this;
    if (opened === undefined) return;
    const { how } = await this.#options.turns.ask({ kind: 'undo', driver: this.#options.driver, cause, ...opened });
    if (how !== 'won') await this.leave('whether it is to be undone is not for its group to decide any more');
  }

  judge(error: unknown): Judgement {
    if (error instanceof Refused) return error.judgement;
    throw error;
  }

  stuck(): void {
    void this.leave('a person has to decide');
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
    // What is shown is made at each turn.
  }

  windowPassed(): undefined {
    return undefined;
  }

  overdue(): string {
    return this.#options.overdue;
  }
}
