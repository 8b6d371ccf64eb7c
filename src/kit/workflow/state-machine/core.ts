import type { FailureNote } from '../failure.js';
import type { Resumed } from './carried.js';
import type { Move, StateMachine } from './definition.js';
import { Deadlines, type KeptDeadlines } from './deadlines.js';
import { isRequestId, requestOf, WRONG_REQUEST_ID } from './ids.js';
import {
  machineFailure,
  MOVED_ELSEWHERE,
  type EventAnswer,
  type EventOrder,
  type MoveOrder,
  type ReadRow,
  type RefusedMessage,
  type Refusal,
} from './protocol.js';

/**
 * What one machine is and remembers: its state, what became of each request, its deadlines. Pure: no Temporal, no clock; what it keeps
 * goes with it when it continues as new.
 *
 * States: those of the table. An event is asked about ({@link MachineCore.ask}) and, once the row was moved, told of
 * ({@link MachineCore.moved}); one that came to nothing is told of too ({@link MachineCore.failed}). What somebody else has made of the
 * row is taken over ({@link MachineCore.resync}).
 *
 * Invariants: the state is one of the table's; it changes by `moved` along a transition of the table, and by `resync`; a request id
 * stands for one event, and is answered the same for as long as it is remembered; asking changes nothing.
 */

/** A request that came to nothing: nothing was moved. */
export interface FailedRequest {
  readonly event: string;
  readonly requestId: string;
  readonly version: number;
  /** One of {@link machineFailure}. */
  readonly type: string;
  readonly message: string;
  readonly refusal: Refusal;
}

/** What is kept from run to run. */
export interface KeptMachine {
  /** The layout: a newer release reads the older ones. */
  readonly layout: 1;
  readonly state: string;
  readonly version: number;
  readonly since: number;
  readonly answers: EventAnswer[];
  readonly failed: FailedRequest[];
  /** Of messages: the request ids that are made of theirs, the oldest first. */
  readonly seen: string[];
  readonly refused: RefusedMessage[];
  readonly deadlines: KeptDeadlines;
  readonly resynced: number;
}

/** What is to be done with an event. */
export type Asked =
  | { readonly kind: 'answered'; readonly answer: EventAnswer }
  | { readonly kind: 'refused'; readonly type: string; readonly message: string; readonly refusal: Refusal }
  | { readonly kind: 'go'; readonly move: Move; readonly requestId: string };

/** Of an event's input, as JSON. */
const MOST_INPUT = 100_000;
/** Of a result, as JSON: a larger one is told once, and not remembered. */
const MOST_RESULT = 4_000;
const MOST_REFUSED = 50;
const MOST_SEEN = 1_000;

export class MachineCore {
  readonly machine: StateMachine;
  readonly id: string;
  readonly deadlines: Deadlines;
  readonly #data: unknown;
  readonly #most: number;
  #kept: Omit<KeptMachine, 'deadlines'>;

  /** @param most answers that are remembered */
  constructor(
    machine: StateMachine,
    { id, data, most }: { readonly id: string; readonly data: unknown; readonly most: number },
    kept?: KeptMachine,
  ) {
    this.machine = machine;
    this.id = id;
    this.#data = data;
    this.#most = most;
    this.deadlines = new Deadlines(machine.deadlines, kept?.deadlines);
    this.#kept = kept ?? {
      ...{ layout: 1, state: machine.initial, version: 0, since: 0, resynced: 0 },
      ...{ answers: [], failed: [], seen: [], refused: [] },
    };
  }

  get kept(): KeptMachine {
    return { ...this.#kept, deadlines: this.deadlines.kept };
  }

  get state(): string {
    return this.#kept.state;
  }

  /** What guards and effects get. */
  get data(): unknown {
    return this.#data;
  }

  /** Whether it has moved more often than it remembers. */
  get forgets(): boolean {
    return this.#kept.answers.length < this.version;
  }

  get version(): number {
    return this.#kept.version;
  }

  get isFinal(): boolean {
    return this.machine.final.includes(this.state);
  }

  get legal(): readonly string[] {
    return this.machine.legalIn(this.state);
  }

  /**
   * Takes over where the row is.
   *
   * @returns whether it was elsewhere than this machine believed
   * @throws if it is where no state of this table is: a worker with another release has to come
   */
  resync({ state, version, since, moves }: ReadRow, now: number): boolean {
    if (!this.machine.states.includes(state)) throw new UnknownState(this.id, state, this.machine);
    const isOther = state !== this.state || version !== this.version;
    const isFirst = this.#kept.since === 0;
    if (!isOther && !isFirst) return false;
    // What has happened since is told by the moves, where they are kept: then deadlines run from when they began.
    const missed = moves.filter((move) => move.version > this.version || isFirst);
    for (const { event, requestId, from, to, version: each, at } of missed) {
      this.deadlines.enter(to, each, at);
      this.#remember({ event, requestId, from, to, version: each, at });
    }
    const began = Math.min(since ?? missed.at(-1)?.at ?? now, now);
    this.deadlines.enter(state, version, began);
    this.#kept = { ...this.#kept, state, version, since: began, resynced: this.#kept.resynced + (isFirst ? 0 : 1) };
    return !isFirst;
  }

  /**
   * Says what is to be done with an event.
   *
   * @param later whether it will be its turn only after what is under way: what is legal then is not known yet
   */
  ask(order: EventOrder, later = false): Asked {
    const { event, requestId, input } = order as Partial<EventOrder>;
    if (typeof event !== 'string' || !this.machine.events.includes(event)) {
      return this.#refuse(
        machineFailure.invalid,
        `there is no event '${String(event)}': ${this.machine.events.join(', ')}`,
      );
    }
    if (requestId !== undefined && !isRequestId(requestId)) {
      return this.#refuse(machineFailure.invalid, WRONG_REQUEST_ID);
    }
    if (input !== undefined && JSON.stringify(input).length > MOST_INPUT) {
      return this.#refuse(machineFailure.invalid, `what '${event}' gets has more than ${MOST_INPUT} characters`);
    }
    if (requestId !== undefined) {
      const known = this.#known(event, requestId);
      if (known !== undefined) return known;
    }
    const move = this.machine.move(event, this.state);
    if (move === undefined) {
      const before = requestId === undefined ? this.#last(event) : undefined;
      if (before !== undefined) return { kind: 'answered', answer: before };
      if (later) return { kind: 'go', move: { event, from: this.state, to: this.state }, requestId: requestId ?? '' };
      return this.#illegal(`'${event}' is illegal in ${this.state}`);
    }
    const why = this.#guarded(move, order);
    if (why !== undefined && !later) return this.#illegal(`'${event}' is refused in ${this.state}: ${why}`);
    const derived = this.#derived(event);
    // What stands is not done again by a repeated command: who wants that says so by an id of its own.
    const stands = requestId === undefined ? this.#known(event, derived) : undefined;
    if (stands?.kind === 'refused') return stands;
    return { kind: 'go', move, requestId: requestId ?? derived };
  }

  /** The guarded move of an event that goes. */
  order({ move, requestId }: { move: Move; requestId: string }, { input, by }: EventOrder, at: number): MoveOrder {
    const { event, from, to } = move;
    return { id: this.id, event, requestId, from, to, version: this.version, at, input, by };
  }

  /** The row was moved. */
  moved(order: MoveOrder, version: number, result?: unknown): EventAnswer {
    const { event, requestId, from, to, at } = order;
    const answer: EventAnswer = { event, requestId, from, to, version, at, ...(result !== undefined && { result }) };
    this.#remember(isLarge(result) ? { ...answer, result: undefined } : answer);
    // Somebody else may have moved it on meanwhile, and been taken over.
    if (version > this.version) {
      this.#kept = { ...this.#kept, state: to, version, since: at };
      this.deadlines.enter(to, version, at);
    }
    return answer;
  }

  /** What the effects of a move returned, which was known by the row's moves only. */
  told(known: EventAnswer, result: unknown): EventAnswer {
    const { answers } = this.#kept;
    const told = result === undefined || isLarge(result) ? known : { ...known, result };
    const place = answers.indexOf(known);
    if (place >= 0) answers[place] = told;
    return told;
  }

  /** A request came to nothing, for good. */
  failed(request: FailedRequest): void {
    const { failed } = this.#kept;
    failed.push(request);
    if (failed.length > this.#most) failed.shift();
  }

  /** Whether a message came before, by the request id that is made of its own. */
  hasSeen(requestId: string): boolean {
    return this.#kept.seen.includes(requestId);
  }

  /** Remembers that a message has come. */
  see(requestId: string): void {
    const { seen } = this.#kept;
    if (seen.includes(requestId)) return;
    seen.push(requestId);
    if (seen.length > MOST_SEEN) seen.shift();
  }

  /** A message that has come is not seen to by this run. */
  unsee(requestId: string): void {
    const { seen } = this.#kept;
    const place = seen.indexOf(requestId);
    if (place >= 0) seen.splice(place, 1);
  }

  /** Takes over what a run has known that was ended from outside, once it is known where the row is. */
  restore({ ends, refused, moved }: Pick<Resumed, 'ends' | 'refused' | 'moved'>): void {
    for (const { move, result, failure, wasLeft } of ends) {
      const isThere = this.state === move.to && this.version === move.version + 1;
      if (failure === undefined || (wasLeft === true && isThere)) this.#restoreResult(move, result);
      // Of one that was left, and of which no moves tell, nobody knows once the row is elsewhere.
      else if (wasLeft !== true || this.version === move.version) this.#restoreEnd(move, failure);
    }
    for (const id of refused) this.see(requestOf(id));
    this.deadlines.restore(moved, this.#kept.since);
  }

  /** Takes the state as it is, under another table than before. @throws if that has not its state: a worker with another release has to come */
  adopt(): void {
    if (!this.machine.states.includes(this.state)) throw new UnknownState(this.id, this.state, this.machine);
    this.deadlines.adopt(this.#kept, this.#kept.answers);
  }

  /** A message was refused. */
  refusedMessage(message: RefusedMessage): void {
    const { refused } = this.#kept;
    refused.push(message);
    if (refused.length > MOST_REFUSED) refused.shift();
  }

  illegalNow(message: string): Asked & { kind: 'refused' } {
    return this.#illegal(message);
  }

  /** What the moves of the row do not tell: what the effects returned; and the move itself, where no moves are kept. */
  #restoreResult({ event, requestId, from, to, version: before, at }: MoveOrder, result: unknown): void {
    const { answers } = this.#kept;
    const version = before + 1;
    const known = answers.find((each) => each.requestId === requestId);
    if (known !== undefined) this.told(known, result);
    else if (answers.some((each) => each.version === version)) {
      // The row's own moves tell that another event has moved it from there.
      const message = `${this.id}: '${event}' has moved nothing, though its saga is committed, and its effects stand`;
      const refusal = { state: this.state, legal: this.legal };
      this.failed({ event, requestId, version: before, type: machineFailure.unmoved, message, refusal });
    } else if (version <= this.version) {
      this.#remember({ event, requestId, from, to, version, at, ...(!isLarge(result) && { result }) });
      answers.sort((one, other) => one.version - other.version);
    }
  }

  /** A request that came to nothing stays so. */
  #restoreEnd({ event, requestId, version }: MoveOrder, { type, message }: FailureNote): void {
    if (this.#known(event, requestId) !== undefined) return;
    const isLate = type === MOVED_ELSEWHERE;
    this.failed({
      ...{ event, requestId, version, type: isLate ? machineFailure.illegal : machineFailure.undone },
      message: `${this.id}: '${event}' came to nothing: ${type}: ${message}`,
      refusal: { state: this.state, legal: this.legal, ...(!isLate && { cause: { type, message } }) },
    });
  }

  /** What is remembered of a request id. */
  #known(event: string, requestId: string): Asked | undefined {
    const { answers, failed } = this.#kept;
    const before =
      answers.find((each) => each.requestId === requestId) ?? failed.find((each) => each.requestId === requestId);
    if (before === undefined) return undefined;
    if (before.event !== event) {
      return this.#refuse(
        machineFailure.other,
        `request ${requestId} was '${before.event}': '${event}' needs an id of its own`,
      );
    }
    if ('to' in before) return { kind: 'answered', answer: before };
    const { type, message, refusal } = before;
    return { kind: 'refused', type, message, refusal };
  }

  /** The newest move, if it was by this event. */
  #last(event: string): EventAnswer | undefined {
    const last = this.#kept.answers.at(-1);
    return last?.event === event && last.version === this.version ? last : undefined;
  }

  /** The same event in the same place is the same request, until one has come to nothing, and nothing of it stands. */
  #derived(event: string): string {
    const base = `${event}.${this.version}`;
    const tries = this.#kept.failed.filter(
      ({ requestId: id, type }) => type !== machineFailure.unmoved && (id === base || id.startsWith(`${base}.`)),
    ).length;
    return tries === 0 ? base : `${base}.${tries}`;
  }

  #guarded({ guard }: Move, { event, input, by }: EventOrder): string | undefined {
    if (guard === undefined) return undefined;
    try {
      return guard({ id: this.id, state: this.state, event, input, data: this.#data, by });
    } catch (error) {
      // A defect of a guard refuses one event, and must not stop the machine.
      return `its guard failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #illegal(what: string): Asked & { kind: 'refused' } {
    const { legal } = this;
    const then = this.isFinal ? 'nothing is, as it is final' : `legal are: ${legal.join(', ')}`;
    return this.#refuse(machineFailure.illegal, `${what}; ${then}`);
  }

  #refuse(type: string, message: string): Asked & { kind: 'refused' } {
    return {
      kind: 'refused',
      type,
      message: `${this.id}: ${message}`,
      refusal: { state: this.state, legal: this.legal },
    };
  }

  #remember(answer: EventAnswer): void {
    const { answers } = this.#kept;
    if (answers.some(({ requestId }) => requestId === answer.requestId)) return;
    answers.push(answer);
    if (answers.length > this.#most) answers.shift();
  }
}

/** Whether a result is told once, and not remembered. */
export function isLarge(result: unknown): boolean {
  return result !== undefined && JSON.stringify(result).length > MOST_RESULT;
}

/** An object is in a state that the table has not: no failure of its, but of the release that the worker has. */
class UnknownState extends Error {
  constructor(id: string, state: string, { name }: StateMachine) {
    super(`${id} is in ${state}, which is no state of '${name}' in this release`);
    this.name = 'UnknownState';
  }
}
