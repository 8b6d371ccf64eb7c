import { ApplicationFailure } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  makeContinueAsNewFunc,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { AlarmClock } from '../alarm-clock.js';
import { TX_SCHEME, TX_STATE } from '../attributes.js';
import { FORWARD_WINDOW_MS } from '../retry.js';
import { awaitSaga, runSaga } from './child.js';
import type { SagaEnd } from './saga-end.js';
import { MachineCore, type Asked, type KeptMachine } from './core.js';
import type { DueDeadline } from './deadlines.js';
import { Jobs, type Job } from './jobs.js';
import {
  machineFailure,
  MOVED_ELSEWHERE,
  type DeadlineNote,
  type DeadlineOrder,
  type EffectOrder,
  type EventAnswer,
  type EventOrder,
  type MachineMessage,
  type MachineResult,
  type MachineStart,
  type MachineView,
  type MoveOrder,
  type Moved,
  type ReadRow,
  type RunOrder,
  type UnderWay,
} from './protocol.js';
import { isSame, join, refusal, tell, Turns, type Turn } from './queue.js';
import { Rows } from './rows.js';
import { describeMachine, viewOfMachine } from './view.js';
import { Telling } from './telling.js';
import type { StateMachine } from './definition.js';
import type { MachineOptions } from './workflow.js';

/**
 * One run of a machine's workflow.
 *
 * States: reading (where the row is) → open, and there one thing at a time: an event, a deadline, or nothing → ended, in a final state; or the
 * next run, when nothing is under way and the history is long or a newer version of the code is there.
 *
 * Transitions of an event: it comes (update, message, deadline) → refused at once, or it has its turn → it is asked about as things stand
 * then → the row is moved, by one call or by a saga's pivot → the machine follows the row, and whoever waits is told.
 *
 * Invariant: the machine is nowhere but where it has seen the row. What it believes may be old; a move from there loses its race in the
 * database, is told as illegal, and the machine takes the row's state.
 */

/** What a run hands to the next one. */
export interface Carried {
  readonly kept?: KeptMachine;
  readonly data?: unknown;
  /** How many runs there were. */
  readonly runs: number;
  readonly jobs: readonly Job[];
  /** Of a run that was ended from outside: what its history tells beyond what it was started with. */
  readonly resumed?: Resumed;
}

/** What was under way, or had come, in a run that was ended from outside. */
export interface Resumed {
  /** Sagas of transitions that it had started, and whose end it had not seen. */
  readonly effects: readonly EffectOrder[];
  /** Messages that had come: those that it had seen to are known by what became of them. */
  readonly messages: readonly unknown[];
  readonly moved: readonly DeadlineNote[];
}

/** What is under way, and whose turn it is. */
interface Current {
  readonly turn: Turn;
  readonly underWay: UnderWay;
}

/** Something that came to nothing. */
type Refused = Asked & { readonly kind: 'refused' };

/** After a run that was ended from outside a move of its own may still be on its way: the row is read again so much later, in milliseconds. */
const RECHECK_MS = 30_000;
/** How long an end waits for its alarms to be handed over. */
const LAST_ALARMS_MS = 10_000;
const DEFAULTS = { queue: 20, patienceMs: 60_000, remembered: 100, historyEvents: 4_000 };

export class MachineRun {
  readonly #machine: StateMachine;
  readonly #options: MachineOptions & typeof DEFAULTS;
  readonly #carried: Carried;
  readonly #data: unknown;
  readonly #id = workflowInfo().workflowId;
  readonly #turns: Turns;
  readonly #jobs: Jobs;
  readonly #rows: Rows;
  readonly #telling: Telling;
  readonly #clock = new AlarmClock(() => undefined);
  /** Absent: it is not known yet where the row is. */
  #core: MachineCore | undefined;
  #current: Current | undefined;
  /** What is under way has taken longer than anybody waits. */
  #isSlow = false;
  /** Why it cannot begin at all. */
  #failure: ApplicationFailure | undefined;
  #recheckAt: number | undefined;
  #shownState = workflowInfo().typedSearchAttributes.get(TX_STATE);

  constructor(
    machine: StateMachine,
    options: MachineOptions,
    start: MachineStart | undefined,
    carried: Carried | undefined,
  ) {
    this.#machine = machine;
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = { ...DEFAULTS, ...(Object.fromEntries(given) as unknown as MachineOptions) };
    this.#carried = carried ?? { runs: 0, jobs: [] };
    this.#data = start?.data ?? this.#carried.data;
    this.#turns = new Turns(this.#options.queue);
    this.#telling = new Telling(this.#id);
    this.#rows = new Rows(this.#id, options.rows, this.#telling);
    this.#jobs = new Jobs(this.#id, machine, this.#telling, {
      fire: (turn) => {
        this.#turns.push(turn);
      },
      order: (job) => this.#runOrder(job),
    });
    const { kept, resumed } = this.#carried;
    if (kept !== undefined && resumed === undefined) this.#open(kept);
  }

  async run(): Promise<MachineResult> {
    if (this.#core === undefined) await this.#begin();
    const core = this.#core;
    if (core === undefined || this.#failure !== undefined) return this.#fail();
    for (;;) {
      this.#show();
      this.#clock.set(core.deadlines.wakeAt);
      this.#clock.set(this.#recheckAt);
      const isReady = () => this.#next(core) !== undefined;
      if (!isReady()) await condition(isReady);
      switch (this.#next(core)) {
        case 'turn':
          await this.#turn(core, this.#turns.take() as Turn);
          break;
        case 'deadline':
          await this.#deadline(core, core.deadlines.take(Date.now()) as DueDeadline);
          break;
        case 'recheck':
          this.#recheckAt = undefined;
          await this.#resync(core);
          break;
        case 'end':
          return this.#end(core);
        case 'continue':
          await this.#continue(core);
      }
    }
  }

  view(): MachineView {
    const { runs } = this.#carried;
    const core = this.#core ?? new MachineCore(this.#machine, { id: this.#id, data: undefined, most: 1 });
    const hasBegun = this.#core !== undefined;
    const [underWay, waiting] = [this.#current?.underWay, this.#turns.length];
    return viewOfMachine(core, { hasBegun, underWay, waiting, running: this.#jobs.names, runs });
  }

  /** Refuses an event before it is accepted: nothing of it is left in the history. */
  validate(order: EventOrder): void {
    const core = this.#core;
    if (core === undefined) return;
    const asked = core.ask(order, this.#isBusy);
    if (asked.kind === 'refused' && !this.#mayLookUp(core, asked, order)) throw failureOf(asked);
    if (asked.kind === 'go') this.#refuseWaiting(core, order);
  }

  /** Takes an event of an update, and answers when it has happened. */
  async update(order: EventOrder): Promise<EventAnswer> {
    if (this.#core === undefined) await condition(() => this.#core !== undefined || this.#failure !== undefined);
    const core = this.#core;
    if (core === undefined) throw this.#failure ?? new Error('a machine that has not begun has failed');
    const asked = core.ask(order, this.#isBusy);
    if (asked.kind === 'answered') return asked.answer;
    if (asked.kind === 'refused') {
      const found = this.#mayLookUp(core, asked, order) ? await this.#lookUp(order) : undefined;
      if (found !== undefined) return found;
      throw failureOf(asked);
    }
    this.#refuseWaiting(core, order);
    const current = this.#current?.turn;
    const same = current !== undefined && isSame(current, order) ? current : this.#turns.find(order);
    if (same !== undefined) return join(same);
    const turn: Turn = { via: 'update', order, at: Date.now(), waiters: [] };
    this.#turns.push(turn);
    return join(turn);
  }

  /** Takes an event of a message. A signal cannot be refused: what is wrong with it is noted and told. */
  message(given: unknown): void {
    const core = this.#core;
    if (core === undefined) {
      this.#early.push(given);
      return;
    }
    const message = this.#options.onMessage === undefined ? given : this.#options.onMessage(given);
    if (message === undefined) return;
    const { id, event, input, by } = message as Partial<MachineMessage>;
    if (typeof id !== 'string' || typeof event !== 'string') {
      this.#telling.log('a signal that is no message for a state machine was ignored', given);
      return;
    }
    if (!core.isNew(id)) return;
    const order: EventOrder = { event, requestId: requestOf(id), input, by };
    const turn: Turn = { via: 'message', order, at: Date.now(), messageId: id, waiters: [] };
    if (this.#turns.isFullFor('message'))
      this.#refuseMessage(core, turn, { type: machineFailure.busy, message: 'too many messages wait' });
    else this.#turns.push(turn);
  }

  /** Messages that came before it was known where the row is. */
  readonly #early: unknown[] = [];

  wrongDeadline(order: DeadlineOrder): string | undefined {
    return this.#core?.deadlines.wrong(order, Date.now());
  }

  async moveDeadline(order: DeadlineOrder): Promise<DeadlineNote> {
    await condition(() => this.#core !== undefined || this.#failure !== undefined);
    const core = this.#core;
    const wrong = core === undefined ? 'it has not begun' : core.deadlines.wrong(order, Date.now());
    if (core === undefined || wrong !== undefined) throw refusal('DoesNotFit', wrong ?? '', {});
    const note = core.deadlines.move(order, Date.now());
    this.#clock.set(core.deadlines.wakeAt);
    this.#show();
    return note;
  }

  get #isBusy(): boolean {
    return this.#current !== undefined || this.#turns.length > 0;
  }

  /** What is to be done next, if anything is. */
  #next(core: MachineCore): 'turn' | 'deadline' | 'recheck' | 'end' | 'continue' | undefined {
    const now = Date.now();
    const { wakeAt } = core.deadlines;
    const { first } = this.#turns;
    // What came before a deadline had passed comes first, though it had to wait.
    if (wakeAt !== undefined && wakeAt <= now && (first === undefined || wakeAt < first.at)) return 'deadline';
    if (first !== undefined) return 'turn';
    if (this.#recheckAt !== undefined && this.#recheckAt <= now) return 'recheck';
    if (core.isFinal) return 'end';
    return this.#isLong && allHandlersFinished() && this.#telling.pending === 0 ? 'continue' : undefined;
  }

  get #isLong(): boolean {
    const { continueAsNewSuggested, historyLength, targetWorkerDeploymentVersionChanged } = workflowInfo();
    return (
      continueAsNewSuggested || historyLength >= this.#options.historyEvents || targetWorkerDeploymentVersionChanged
    );
  }

  /** Finds out where the row is, or has it made. */
  async #begin(): Promise<void> {
    const { begin, remembered } = this.#options;
    const { resumed, jobs } = this.#carried;
    let row = await this.#rows.read(remembered);
    if (row === null && begin !== undefined) {
      const order: RunOrder = {
        ...{ id: this.#id, why: 'begin', state: this.#machine.initial, version: 0, round: 1, data: this.#data },
      };
      const end = await runSaga(begin, `${this.#id}.begin`, order, `begin ${this.#machine.name} ${this.#id}`);
      if (end.how === 'ended') {
        const { failure, report } = end;
        const details = report === undefined ? [] : [report];
        this.#failure = ApplicationFailure.create({ ...failure, nonRetryable: true, details });
        return;
      }
      row = await this.#rows.read(remembered);
    }
    if (row === null) {
      this.#failure = refusal('NoSuchRow', `there is no row of ${this.#id}: nothing to begin with`, {});
      return;
    }
    const core = this.#open(this.#carried.kept, row);
    for (const order of resumed?.effects ?? []) {
      const { event, requestId, input, by } = order;
      // The next turn, before all that comes from now on.
      this.#turns.push({ via: 'update', order: { event, requestId, input, by }, at: 0, waiters: [], resumes: order });
    }
    core.deadlines.restore(resumed?.moved ?? []);
    for (const message of [...(resumed?.messages ?? []), ...this.#early]) this.message(message);
    if (resumed !== undefined) this.#recheckAt = Date.now() + RECHECK_MS;
    if (jobs.every(({ key }) => key !== `${core.state}.${core.version}`)) this.#jobs.enter(core.state, core.version);
  }

  #open(kept: KeptMachine | undefined, row?: ReadRow): MachineCore {
    const data = this.#data ?? row?.data;
    const core = new MachineCore(this.#machine, { id: this.#id, data, most: this.#options.remembered }, kept);
    if (row !== undefined) this.#takeOver(core, row);
    this.#core = core;
    for (const job of this.#carried.jobs) this.#jobs.start(job);
    return core;
  }

  /** @throws if the row is where no state of this table is: a worker with another release of it has to come */
  #takeOver(core: MachineCore, row: ReadRow): boolean {
    if (!this.#machine.states.includes(row.state)) {
      throw new Error(`${this.#id} is in ${row.state}, which is no state of '${this.#machine.name}' in this release`);
    }
    return core.resync(row, Date.now());
  }

  /** Takes over where the row is now. */
  async #resync(core: MachineCore): Promise<void> {
    const row = await this.#rows.read(this.#options.remembered);
    if (row === null || !this.#takeOver(core, row)) return;
    this.#jobs.enter(core.state, core.version);
  }

  async #turn(core: MachineCore, turn: Turn): Promise<void> {
    const { resumes } = turn;
    const asked = core.ask(turn.order);
    if (asked.kind === 'answered') {
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
    const gid = effect === undefined && resumes === undefined ? undefined : `${this.#id}.${branchOf(order)}`;
    this.#current = { turn, underWay: { event, requestId, from, to, since, gid } };
    this.#show();
    const outcome =
      gid === undefined ? await this.#move(core, order) : await this.#effect(core, order, { gid, effect, resumes });
    this.#current = undefined;
    this.#isSlow = false;
    if ('kind' in outcome) {
      if (resumes === undefined) this.#refuse(core, turn, outcome);
      return;
    }
    tell(turn, outcome);
    if (outcome.version === core.version) this.#jobs.enter(outcome.to, outcome.version, turn.order);
  }

  /** Moves the row, and nothing else. */
  async #move(core: MachineCore, order: MoveOrder): Promise<EventAnswer | Refused> {
    for (let windowMs = this.#options.patienceMs; ; windowMs = FORWARD_WINDOW_MS) {
      const answer = await this.#rows.move(order, branchOf(order), windowMs);
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
      this.#telling.alarm('stuck', `move.${order.version}`, `'${order.event}' is not decided yet: ${answer.message}`);
    }
  }

  /** The row has moved, now or when the same request came before. */
  async #follow(core: MachineCore, order: MoveOrder, moved: Moved): Promise<EventAnswer> {
    const { from, state: to, since: at, version, result } = moved;
    const answer = core.moved({ ...order, from, to, at }, version, result);
    if (version !== order.version + 1) await this.#resync(core);
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
    const end = await this.#patiently(core, order, () =>
      effect === undefined || resumes !== undefined ? awaitSaga(gid) : runSaga(effect, gid, given, summary),
    );
    if (end.how === 'committed' && end.joined !== true && order.version === core.version) {
      return core.moved(order, order.version + 1, end.result);
    }
    return this.#ended(core, order, gid, end);
  }

  /** How a saga ended that may have moved the row or not: the row tells. */
  async #ended(core: MachineCore, order: MoveOrder, gid: string, end: SagaEnd): Promise<EventAnswer | Refused> {
    const { event, requestId, version, to } = order;
    await this.#resync(core);
    const known = core.ask({ event, requestId });
    if (known.kind === 'answered') return known.answer;
    const isThere = core.state === to && core.version === version + 1;
    if (end.how === 'committed') return core.moved(order, isThere ? version + 1 : core.version, end.result);
    const { failure, report } = end;
    // Past its pivot: the row has moved, and what was to follow was left to a person.
    if (report?.state === 'failed' && isThere) return core.moved(order, version + 1);
    if (failure.type === MOVED_ELSEWHERE) return this.#lost(core, order, gid);
    const what = `'${event}' came to nothing: ${failure.type}: ${failure.message}`;
    return this.#nothing(core, order, machineFailure.undone, what, failure, gid);
  }

  /** Somebody else has moved the row: the machine takes its state. */
  async #lost(core: MachineCore, order: MoveOrder, gid?: string): Promise<Refused> {
    await this.#resync(core);
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
    const message = what.startsWith(`${this.#id}: `) ? what : `${this.#id}: ${what}`;
    core.failed({ event, requestId, version, type, message, refusal: refused });
    return { kind: 'refused', type, message, refusal: refused };
  }

  async #patiently<T>(core: MachineCore, order: MoveOrder, work: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    scope
      .run(() => sleep(this.#options.patienceMs, { summary: 'patience' }))
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
      refusal(machineFailure.underWay, `${this.#id}: '${event}' to ${to} is still under way, and goes on`, {
        ...{ state: core.state, gid },
      });
    if (this.#current !== undefined) tell(this.#current.turn, why());
    this.#turns.giveUp(why);
  }

  #refuseWaiting(core: MachineCore, order: EventOrder): void {
    const { state } = core;
    const current = this.#current;
    if (this.#isSlow && current !== undefined) {
      const { event, to, gid } = current.underWay;
      throw refusal(machineFailure.underWay, `${this.#id}: '${event}' to ${to} is still under way, and goes on`, {
        state,
        gid,
      });
    }
    const joins = (current !== undefined && isSame(current.turn, order)) || this.#turns.find(order) !== undefined;
    if (!joins && this.#turns.isFullFor('update')) {
      throw refusal(machineFailure.busy, `${this.#id}: ${this.#turns.length} events wait for their turn`, { state });
    }
  }

  #refuse(core: MachineCore, turn: Turn, why: Refused): void {
    tell(turn, failureOf(why));
    turn.refused?.(why);
    if (turn.via === 'message') this.#refuseMessage(core, turn, why);
  }

  #refuseMessage(
    core: MachineCore,
    { order, messageId = '', at }: Turn,
    { type, message }: { type: string; message: string },
  ): void {
    const { state } = core;
    if (this.#machine.ignored[order.event]?.has(state) === true) return;
    core.refusedMessage({ id: messageId, event: order.event, state, at, type, message });
    this.#telling.alarm('event-refused', messageId, `a message was refused: ${message}`);
  }

  async #deadline(core: MachineCore, due: DueDeadline): Promise<void> {
    const { rule, running, round } = due;
    const { name, fires, runs, alarm, times } = rule;
    const key = `${name}.${running.version}`;
    if (fires !== undefined) {
      const requestId = `${key}${running.failed === 0 ? '' : `.${running.failed}`}`;
      await this.#turn(core, {
        ...{ via: 'deadline', at: Date.now(), waiters: [] },
        order: { event: fires, requestId, input: rule.input, by: { actor: 'deadline', reason: name } },
        refused: ({ message }) => {
          if (!core.deadlines.again(due, Date.now())) return;
          this.#telling.alarm(
            'deadline-failed',
            key,
            `deadline '${name}' has come to nothing, and is tried again: ${message}`,
          );
        },
      });
    } else if (alarm !== undefined) {
      this.#telling.alarm(alarm, key, `deadline '${name}' has passed: it is in ${core.state} still`);
    } else if (runs !== undefined && round <= times) {
      this.#jobs.start({
        kind: 'deadline',
        name,
        state: core.state,
        version: running.version,
        round,
        key: `${key}.${round}`,
      });
    } else {
      this.#telling.alarm(
        'deadline-passed',
        key,
        `deadline '${name}' has run ${times} times: it is in ${core.state} still`,
      );
    }
  }

  #runOrder({ name, state, version, round, entered }: Job): RunOrder {
    return { id: this.#id, why: name, state, version, round, data: this.#core?.data, entered };
  }

  /** Whether a request that is illegal now may have been made before this machine's memory begins. */
  #mayLookUp(core: MachineCore, { type }: Refused, { requestId }: EventOrder): boolean {
    return type === machineFailure.illegal && requestId !== undefined && core.forgets;
  }

  async #lookUp({ event, requestId }: EventOrder): Promise<EventAnswer | undefined> {
    const row = await this.#rows.read(1_000);
    return row?.moves.find((move) => move.requestId === requestId && move.event === event);
  }

  /** What the server's list and the Web UI say of it: one event, and that only when the state is another. */
  #show(): void {
    setCurrentDetails(describeMachine(this.view()));
    const state = this.#core?.state;
    if (state === undefined || state === this.#shownState) return;
    this.#shownState = state;
    const scheme = workflowInfo().typedSearchAttributes.get(TX_SCHEME);
    upsertSearchAttributes([
      ...(scheme === undefined ? [{ key: TX_SCHEME, value: 'machine' }] : []),
      { key: TX_STATE, value: state },
    ]);
  }

  async #end(core: MachineCore): Promise<MachineResult> {
    this.#show();
    const isQuiet = () => allHandlersFinished() && this.#telling.pending === 0;
    if (!isQuiet()) await condition(isQuiet, LAST_ALARMS_MS);
    const { state, version, since, answers } = core.kept;
    return { state, version, since, transitions: answers };
  }

  /** It has not begun: nothing of it is there. */
  async #fail(): Promise<never> {
    const failure = this.#failure ?? new Error('a machine that has not begun has failed');
    upsertSearchAttributes([{ key: TX_STATE, value: 'failed' }]);
    await condition(allHandlersFinished);
    throw failure;
  }

  async #continue(core: MachineCore): Promise<never> {
    const { currentDeploymentVersion } = workflowInfo();
    const next = makeContinueAsNewFunc<(start: MachineStart | undefined, carried: Carried) => Promise<MachineResult>>(
      // Each run stays with the code that it began with; the next one begins with the newest.
      currentDeploymentVersion === undefined ? {} : { initialVersioningBehavior: 'AUTO_UPGRADE' },
    );
    const carried: Carried = {
      ...{ kept: core.kept, runs: this.#carried.runs + 1, jobs: this.#jobs.all },
      ...(core.data !== undefined && { data: core.data }),
    };
    return next(undefined, carried);
  }
}

/** The branch of an event in the guard's rows, and with the machine's id the id of its saga: a request id that was derived names its event. */
export function branchOf({ event, requestId }: { readonly event: string; readonly requestId: string }): string {
  return requestId.startsWith(`${event}.`) ? requestId : `${event}.${requestId}`;
}

/** The request id of a message: its own where that fits. */
function requestOf(messageId: string): string {
  const plain = messageId.replaceAll(/[^A-Za-z0-9._:-]/g, '_');
  if (plain === messageId && plain.length <= 80) return `m-${plain}`;
  // Those that are cut or changed would be the same for several ids.
  let hash = 0xcbf29ce484222325n;
  for (const char of messageId) hash = BigInt.asUintN(64, (hash ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n);
  return `m-${plain.slice(0, 60)}-${hash.toString(36)}`;
}

function failureOf({ type, message, refusal: details }: Refused): ApplicationFailure {
  return refusal(type, message, details);
}
