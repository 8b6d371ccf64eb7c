import type { ApplicationFailure } from '@temporalio/common';
import { CancellationScope, sleep } from '@temporalio/workflow';
import { FORWARD_WINDOW_MS } from '../retry.js';
import { awaitSaga, runSaga } from './child.js';
import type { Asked, MachineCore } from './core.js';
import { branchOf } from './ids.js';
import type { Jobs } from './jobs.js';
import {
  machineFailure,
  MOVED_ELSEWHERE,
  type EffectOrder,
  type EventAnswer,
  type EventOrder,
  type MoveOrder,
  type Moved,
  type UnderWay,
} from './protocol.js';
import { isSame, join, refusal, tell, type Turn, type Turns } from './queue.js';
import type { Rows } from './rows.js';
import { SAGA_GONE, type SagaEnd } from './saga-end.js';
import type { Telling } from './telling.js';

/**
 * The transitions of a machine, one at a time.
 *
 * States of an event that has its turn: asked → refused, or under way → the row has moved, and the machine with it; or it has not, and the
 * machine is where the row is. Under way for long: whoever waits is told so, and it goes on.
 *
 * Invariant: the machine follows the row, never the other way round: it is told of a move only when the row has made it.
 */

/** No person decides so soon about a saga, in milliseconds. */
const SURE_MS = 10_000;

/** What is under way, and whose turn it is. */
interface Current {
  readonly turn: Turn;
  readonly underWay: UnderWay;
}

/** Something that came to nothing. */
export type Refused = Asked & { readonly kind: 'refused' };

/** What transitions need of their machine. */
interface Machine {
  readonly id: string;
  readonly patienceMs: number;
  readonly rows: Rows;
  readonly jobs: Jobs;
  readonly turns: Turns;
  readonly telling: Telling;
  readonly show: () => void;
  /** Takes over where the row is. */
  readonly resync: (core: MachineCore) => Promise<void>;
  /** Whether a message waits for the next run, as one before it does. */
  readonly holds: (core: MachineCore, turn: Turn) => boolean;
  /** Told of a message that was refused. */
  readonly refused: (core: MachineCore, turn: Turn, why: Refused) => void;
}

export class Transitions {
  readonly #of: Machine;
  #current: Current | undefined;
  /** What is under way has taken longer than anybody waits. */
  #isSlow = false;

  constructor(of: Machine) {
    this.#of = of;
  }

  get underWay(): UnderWay | undefined {
    return this.#current?.underWay;
  }

  /** Waits for the turn of the same event, if it is under way or waits. */
  joined(order: EventOrder): Promise<EventAnswer> | undefined {
    const current = this.#current?.turn;
    const same = current !== undefined && isSame(current, order) ? current : this.#of.turns.find(order);
    return same && join(same);
  }

  /** @throws why an event cannot wait for its turn, if so */
  refuseWaiting(core: MachineCore, order: EventOrder): void {
    const { state } = core;
    const current = this.#current;
    if (this.#isSlow && current !== undefined) {
      const { event, to, gid } = current.underWay;
      throw refusal(machineFailure.underWay, `${this.#of.id}: '${event}' to ${to} is still under way, and goes on`, {
        state,
        gid,
      });
    }
    const joins = (current !== undefined && isSame(current.turn, order)) || this.#of.turns.find(order) !== undefined;
    if (!joins && this.#of.turns.isFullFor('update')) {
      throw refusal(machineFailure.busy, `${this.#of.id}: ${this.#of.turns.length} events wait for their turn`, {
        state,
      });
    }
  }

  /** Gives a turn to an event: asks about it as things stand now, moves the row, and tells whoever waits. */
  async take(core: MachineCore, turn: Turn): Promise<void> {
    const { resumes } = turn;
    if (this.#of.holds(core, turn)) return;
    const asked = core.ask(turn.order);
    // Of one that a run before has begun the row may have moved: what its saga does after that is waited for, as it was in that run.
    if (asked.kind === 'answered' && resumes === undefined) {
      tell(turn, asked.answer);
      return;
    }
    if (asked.kind === 'refused' && resumes === undefined) {
      this.#refuse(core, turn, asked);
      return;
    }
    const order = resumes?.move ?? core.order(asked as Asked & { kind: 'go' }, turn.order, Date.now());
    const effect = asked.kind === 'go' ? asked.move.effect : undefined;
    const { event, requestId, from, to, at: since } = order;
    const gid = effect === undefined && resumes === undefined ? undefined : `${this.#of.id}.${branchOf(order)}`;
    this.#current = { turn, underWay: { event, requestId, from, to, since, gid } };
    this.#of.show();
    const outcome =
      gid === undefined ? await this.#move(core, order) : await this.#effect(core, order, { gid, effect, resumes });
    this.#current = undefined;
    this.#isSlow = false;
    if ('kind' in outcome) {
      if (resumes === undefined) this.#refuse(core, turn, outcome);
      // What had seemed to come from there was somebody else's move: what its state begins was kept waiting for this.
      else this.#of.jobs.enter(core.state, core.version);
      return;
    }
    tell(turn, outcome);
    if (outcome.version === core.version) this.#of.jobs.enter(outcome.to, outcome.version, turn.order);
  }

  /** Moves the row, and nothing else. */
  async #move(core: MachineCore, order: MoveOrder): Promise<EventAnswer | Refused> {
    for (let windowMs = this.#of.patienceMs; ; windowMs = FORWARD_WINDOW_MS) {
      const answer = await this.#of.rows.move(order, branchOf(order), windowMs);
      if (answer.how === 'moved') return this.#follow(core, order, answer.moved);
      if (answer.how === 'refused') {
        if (answer.type === MOVED_ELSEWHERE) return this.#lost(core, order);
        const type = answer.isOther ? machineFailure.other : machineFailure.undone;
        return this.#nothing(
          core,
          order,
          type,
          `'${order.event}' was refused: ${answer.type}: ${answer.message}`,
          answer,
        );
      }
      this.#tooSlow(core, order);
      this.#of.telling.alarm(
        'stuck',
        `move.${order.version}`,
        `'${order.event}' is not decided yet: ${answer.message}`,
      );
    }
  }

  /** The row has moved, now or when the same request came before. */
  async #follow(core: MachineCore, order: MoveOrder, moved: Moved): Promise<EventAnswer> {
    const { from, state: to, since: at, version, result } = moved;
    const answer = core.moved({ ...order, from, to, at }, version, result);
    if (version !== order.version + 1) await this.#of.resync(core);
    return answer;
  }

  /** Runs the saga whose pivot moves the row. */
  async #effect(
    core: MachineCore,
    order: MoveOrder,
    { gid, effect, resumes }: { gid: string; effect: string | undefined; resumes: EffectOrder | undefined },
  ): Promise<EventAnswer | Refused> {
    const { id, event, requestId, from, to, input, by } = order;
    const given: EffectOrder = { id, event, requestId, from, to, input, by, data: core.data, move: order };
    const summary = `${event} ${id}: ${from} to ${to}`;
    const began = Date.now();
    const end = await this.#patiently(core, order, () =>
      effect === undefined || resumes !== undefined ? awaitSaga(gid) : runSaga(effect, gid, given, summary),
    );
    // Who says at its desk that the row has moved may be wrong: one that took so long that somebody may have said so is looked after.
    const isSure = end.how === 'committed' && end.joined !== true && Date.now() - began < SURE_MS;
    if (isSure && order.version === core.version) {
      return core.moved(order, order.version + 1, end.result);
    }
    return this.#ended(core, order, gid, end);
  }

  /** How a saga ended that may have moved the row or not: the row tells. */
  async #ended(core: MachineCore, order: MoveOrder, gid: string, end: SagaEnd): Promise<EventAnswer | Refused> {
    const { event, requestId, version, to } = order;
    await this.#of.resync(core);
    const known = core.ask({ event, requestId });
    if (known.kind === 'answered') return end.how === 'committed' ? core.told(known.answer, end.result) : known.answer;
    const isThere = core.state === to && core.version === version + 1;
    if (end.how === 'committed') {
      if (core.version > version) return core.moved(order, isThere ? version + 1 : core.version, end.result);
      const what = `'${event}' has moved nothing, though ${gid} is committed, and its effects stand: it is in ${core.state} still`;
      this.#of.telling.alarm('failed', `unmoved.${branchOf(order)}`, what);
      return this.#nothing(core, order, machineFailure.unmoved, what, undefined, gid);
    }
    const { failure, report } = end;
    // Past its pivot: the row has moved, and what was to follow was left to a person.
    if ((report?.state === 'failed' || failure.type === SAGA_GONE) && isThere) return core.moved(order, version + 1);
    if (failure.type === MOVED_ELSEWHERE) return this.#lost(core, order, gid);
    const what = `'${event}' came to nothing: ${failure.type}: ${failure.message}`;
    return this.#nothing(core, order, machineFailure.undone, what, failure, gid);
  }

  /** Somebody else has moved the row: the machine takes its state. */
  async #lost(core: MachineCore, order: MoveOrder, gid?: string): Promise<Refused> {
    await this.#of.resync(core);
    const { message } = core.illegalNow(`'${order.event}' came too late: it is in ${core.state} by now`);
    return this.#nothing(core, order, machineFailure.illegal, message, undefined, gid);
  }

  #nothing(
    core: MachineCore,
    { event, requestId, version }: MoveOrder,
    type: string,
    what: string,
    cause?: { readonly type: string; readonly message: string },
    gid?: string,
  ): Refused {
    const note = cause && { type: cause.type, message: cause.message };
    const refused = {
      state: core.state,
      legal: core.legal,
      ...(gid !== undefined && { gid }),
      ...(note && { cause: note }),
    };
    const message = what.startsWith(`${this.#of.id}: `) ? what : `${this.#of.id}: ${what}`;
    core.failed({ event, requestId, version, type, message, refusal: refused });
    return { kind: 'refused', type, message, refusal: refused };
  }

  async #patiently<T>(core: MachineCore, order: MoveOrder, work: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    scope
      .run(() => sleep(this.#of.patienceMs, { summary: 'patience' }))
      .then(
        () => {
          this.#tooSlow(core, order);
        },
        () => undefined,
      );
    try {
      return await work();
    } finally {
      scope.cancel();
    }
  }

  /** Whoever waits is told so; what is under way goes on. */
  #tooSlow(core: MachineCore, { event, to }: MoveOrder): void {
    this.#isSlow = true;
    const gid = this.#current?.underWay.gid;
    const why = () =>
      refusal(machineFailure.underWay, `${this.#of.id}: '${event}' to ${to} is still under way, and goes on`, {
        ...{ state: core.state, gid },
      });
    if (this.#current !== undefined) tell(this.#current.turn, why());
    this.#of.turns.giveUp(why);
  }

  #refuse(core: MachineCore, turn: Turn, why: Refused): void {
    tell(turn, failureOf(why));
    turn.refused?.(why);
    if (turn.via === 'message') this.#of.refused(core, turn, why);
  }
}

export function failureOf({ type, message, refusal: details }: Refused): ApplicationFailure {
  return refusal(type, message, details);
}
