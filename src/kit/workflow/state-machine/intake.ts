import { condition } from '@temporalio/workflow';
import type { Came } from './carried.js';
import type { MachineCore } from './core.js';
import { requestOf } from './ids.js';
import {
  machineFailure,
  type EventAnswer,
  type EventOrder,
  type MachineMessage,
  type RefusedMessage,
} from './protocol.js';
import { join, refusal, type Turn, type Turns } from './queue.js';
import type { Rows } from './rows.js';
import type { Telling } from './telling.js';
import { failureOf, type Refused, type Transitions } from './transitions.js';

/** What the intake needs of its machine. */
interface Machine {
  /** This run goes by an earlier table than the newest one. */
  readonly isOld: boolean;
  /** Has the run continue as new as soon as nothing is under way: by the newest table. */
  readonly goOver: () => void;
  /** Absent: it is not known yet where the row is. */
  readonly core: () => MachineCore | undefined;
  /** Its history is far longer than it should be: nothing more begins before the next run. */
  readonly isOverlong: () => boolean;
  /** Why it cannot begin at all. */
  readonly failure: () => Error | undefined;
  readonly onMessage: ((message: unknown) => MachineMessage | undefined) | undefined;
  readonly turns: Turns;
  readonly transitions: Transitions;
  readonly rows: Rows;
  readonly telling: Telling;
}

/** Of a message's id. */
const MOST_ID = 500;
/** What another table may say otherwise. */
const OF_TABLE: readonly string[] = [machineFailure.illegal, machineFailure.invalid];
/** So many moves are looked through for a request that is not remembered. */
const MOST_MOVES = 1_000;

/**
 * How events come to a machine: as updates, which can be refused, and as messages, which cannot.
 *
 * States of a message: come → dropped, as it was seen before; or waiting for its turn, and remembered → happened, ignored or refused; or, where an
 * earlier table refuses it, held for the next run, as all that come after it, so that their sequence stays. One that finds no room is refused and
 * not remembered: the same message may be sent again.
 */
export class Intake {
  readonly #of: Machine;
  /** Messages for the next run. */
  readonly #held: Came[] = [];
  /** Messages that came before it was known where the row is. */
  readonly #early: Came[] = [];

  constructor(of: Machine) {
    this.#of = of;
  }

  /** Refuses an event before it is accepted: nothing of it is left in the history. */
  validate(order: EventOrder): void {
    const core = this.#of.core();
    if (core === undefined) return;
    const asked = core.ask(order, this.#isBusy);
    if (asked.kind === 'refused' && !mayLookUp(core, asked, order)) throw this.#failureOf(asked);
    if (asked.kind !== 'go') return;
    this.#of.transitions.refuseWaiting(core, order);
    if (this.#of.isOverlong()) {
      throw refusal(machineFailure.busy, `${core.id}: it is about to continue as new`, { renewing: true });
    }
  }

  /** Takes an event of an update, and answers when it has happened. */
  async update(order: EventOrder): Promise<EventAnswer> {
    const { turns, transitions } = this.#of;
    const at = Date.now();
    const core = await this.begun();
    const asked = core.ask(order, this.#isBusy);
    if (asked.kind === 'answered') return asked.answer;
    if (asked.kind === 'refused') {
      const found = mayLookUp(core, asked, order) ? await this.#lookUp(order) : undefined;
      if (found !== undefined) return found;
      throw this.#failureOf(asked);
    }
    transitions.refuseWaiting(core, order);
    const joined = transitions.joined(order);
    if (joined !== undefined) return joined;
    const turn: Turn = { via: 'update', order, at, waiters: [] };
    turns.push(turn);
    return join(turn);
  }

  /**
   * Takes an event of a message. A signal cannot be refused: what is wrong with it is noted and told.
   *
   * @param wasTaken a run before had taken it, which was ended from outside: it has its place, however many there are
   */
  message(came: Came, wasTaken = false): void {
    const core = this.#of.core();
    if (core === undefined) {
      this.#early.push(came);
      return;
    }
    const { at, message: given } = came;
    const { onMessage, turns, telling } = this.#of;
    const message = onMessage === undefined ? given : onMessage(given);
    if (message === undefined) return;
    const { id, event, input, by } = (message ?? {}) as Partial<MachineMessage>;
    if (typeof id !== 'string' || id.length > MOST_ID || typeof event !== 'string') {
      telling.log('a signal that is no message for a state machine was ignored', given);
      return;
    }
    const requestId = requestOf(id);
    if (core.hasSeen(requestId)) return;
    const turn: Turn = {
      ...{ via: 'message', order: { event, requestId, input, by }, at, messageId: id, given: came, waiters: [] },
    };
    if (this.holds(core, turn)) return;
    if (!wasTaken && turns.isFullFor('message')) {
      this.#refusedBusy(core, turn);
      return;
    }
    core.see(requestId);
    turns.push(turn);
  }

  /** Messages for the next run, in their sequence. */
  get held(): readonly Came[] {
    return this.#held;
  }

  /** Whether a message waits for the next run, as one before it does. */
  holds(core: MachineCore, turn: Turn): boolean {
    if (this.#held.length === 0 || turn.given === undefined) return false;
    this.#hold(core, turn);
    return true;
  }

  /** Takes what came too early. */
  takeEarly(): void {
    for (const came of this.#early.splice(0)) this.message(came);
  }

  /**
   * Notes a message that was refused, and raises an alarm, unless the table says that it is ignored. What an earlier table refuses the newest
   * one may take: it waits for the next run, which begins as soon as nothing is under way.
   */
  refused(core: MachineCore, turn: Turn, why: { readonly type: string; readonly message: string }): void {
    if (this.#of.isOld && turn.given !== undefined && OF_TABLE.includes(why.type)) {
      this.#hold(core, turn);
      this.#of.goOver();
      return;
    }
    const { state, machine } = core;
    if (machine.ignored[turn.order.event]?.has(state) === true) return;
    this.#note(core, turn, why);
    // Who takes a run over that was ended from outside knows by it that this message was refused.
    this.#of.telling.alarm('event-refused', turn.messageId ?? '', `a message was refused: ${why.message}`);
  }

  /** Waits until it is known where the row is. @throws why it cannot begin */
  async begun(): Promise<MachineCore> {
    const { core, failure } = this.#of;
    if (core() === undefined) await condition(() => core() !== undefined || failure() !== undefined);
    const begun = core();
    if (begun === undefined) throw failure() ?? new Error('a machine that has not begun has failed');
    return begun;
  }

  /** What an earlier table refuses the newest one may take: whoever asks has the run go over, and asks again. */
  #failureOf(asked: Refused): Error {
    return failureOf(this.#of.isOld ? { ...asked, refusal: { ...asked.refusal, outdated: true } } : asked);
  }

  #hold(core: MachineCore, turn: Turn): void {
    core.unsee(turn.order.requestId ?? '');
    const isFull = this.#held.length >= this.#of.turns.mostOf('message');
    if (turn.given !== undefined && !isFull) this.#held.push(turn.given);
    else this.#refusedBusy(core, turn);
  }

  #refusedBusy(core: MachineCore, turn: Turn): void {
    const { messageId = '' } = turn;
    this.#note(core, turn, { type: machineFailure.busy, message: 'too many messages wait' });
    const what = `message ${messageId} was not taken, as too many wait: it has to be sent again`;
    this.#of.telling.alarm('event-busy', messageId, what);
  }

  #note(core: MachineCore, { order, messageId = '', at }: Turn, why: Pick<RefusedMessage, 'type' | 'message'>): void {
    core.refusedMessage({
      id: messageId,
      event: order.event,
      state: core.state,
      at,
      type: why.type,
      message: why.message,
    });
  }

  get #isBusy(): boolean {
    return this.#of.transitions.underWay !== undefined || this.#of.turns.length > 0;
  }

  async #lookUp({ event, requestId }: EventOrder): Promise<EventAnswer | undefined> {
    const row = await this.#of.rows.read(MOST_MOVES);
    return row?.moves.find((move) => move.requestId === requestId && move.event === event);
  }
}

/** Whether a request that is illegal now may have been made before this machine's memory begins. */
function mayLookUp(core: MachineCore, { type }: Refused, { requestId }: EventOrder): boolean {
  return type === machineFailure.illegal && requestId !== undefined && core.forgets;
}
