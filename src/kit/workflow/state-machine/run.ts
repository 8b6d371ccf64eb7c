import { ApplicationFailure } from '@temporalio/common';
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { AlarmClock } from '../alarm-clock.js';
import { TX_SCHEME, TX_STATE } from '../attributes.js';
import type { Carried, Resumed } from './carried.js';
import { MachineCore } from './core.js';
import type { StateMachine } from './definition.js';
import { passDeadline } from './due.js';
import { Intake } from './intake.js';
import { Jobs, type Job } from './jobs.js';
import { fetchMissed } from './missed.js';
import { Opening } from './opening.js';
import {
  type DeadlineNote,
  type DeadlineOrder,
  type MachineResult,
  type MachineStart,
  type MachineView,
  type RunOrder,
} from './protocol.js';
import { refusal, Turns } from './queue.js';
import { Rows } from './rows.js';
import { Telling } from './telling.js';
import { Transitions } from './transitions.js';
import { describeMachine, viewOfMachine } from './view.js';
import type { MachineOptions } from './workflow.js';

/**
 * One run of a machine's workflow.
 *
 * States: reading (where the row is) → open, and there one thing at a time: an event, a deadline, or nothing → ended, in a final state, when
 * all that it has begun has ended, and its last alarms are handed over; or the next run, when nothing is under way and the history is long or
 * somebody has asked for it.
 *
 * Transitions of an event: it comes (update, message, deadline) → refused at once, or it has its turn → it is asked about as things stand
 * then → the row is moved, by one call or by a saga's pivot → the machine follows the row, and whoever waits is told.
 *
 * Invariant: the machine is nowhere but where it has seen the row. What it believes may be old; a move from there loses its race in the
 * database, is told as illegal, and the machine takes the row's state.
 */

/** After a run that was ended from outside a move of its own may still be on its way: the row is read again so much later, in milliseconds. */
const RECHECK_MS = 30_000;
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
  readonly #transitions: Transitions;
  readonly #opening: Opening;
  /** Takes what comes by updates and signals. */
  readonly intake: Intake;
  readonly #clock = new AlarmClock(() => {
    this.#wind();
  });
  /** Absent: it is not known yet where the row is. */
  #core: MachineCore | undefined;
  /** Why it cannot begin at all. */
  #failure: ApplicationFailure | undefined;
  #recheckAt: number | undefined;
  /** Somebody wants it to continue as new. */
  #isAsked = false;
  #shownState = workflowInfo().typedSearchAttributes.get(TX_STATE);

  constructor(
    { machine, newest }: { readonly machine: StateMachine; readonly newest: StateMachine },
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
    this.#transitions = new Transitions({
      ...{ id: this.#id, patienceMs: this.#options.patienceMs, rows: this.#rows, jobs: this.#jobs },
      ...{ turns: this.#turns, telling: this.#telling },
      show: () => {
        this.#show();
      },
      resync: (core) => this.#resync(core),
      holds: (core, turn) => this.intake.holds(core, turn),
      refused: (core, turn, why) => {
        this.intake.refused(core, turn, why);
      },
    });
    this.intake = new Intake({
      isOld: machine !== newest,
      goOver: () => {
        this.wake();
      },
      isOverlong: () => workflowInfo().historyLength >= 2 * this.#options.historyEvents,
      ...{ core: () => this.#core, failure: () => this.#failure, onMessage: this.#options.onMessage },
      ...{ turns: this.#turns, transitions: this.#transitions, rows: this.#rows, telling: this.#telling },
    });
    for (const alarm of this.#carried.alarms ?? []) this.#telling.raise(alarm);
    const { kept, resumed } = this.#carried;
    const { begin, remembered } = this.#options;
    this.#opening = new Opening({ id: this.#id, machine, rows: this.#rows, remembered, begin, data: this.#data, kept });
    if (kept !== undefined && resumed === undefined) this.#open(this.#opening.fromBefore(kept));
  }

  async run(): Promise<MachineResult> {
    if (this.#core === undefined) await this.#begin();
    const core = this.#core;
    if (core === undefined || this.#failure !== undefined) return this.#fail();
    for (;;) {
      this.#show();
      this.#wind();
      const isReady = () => this.#next(core) !== undefined;
      if (!isReady()) await condition(isReady);
      switch (this.#next(core)) {
        case 'turn': {
          const turn = this.#turns.take();
          if (turn !== undefined) await this.#transitions.take(core, turn);
          break;
        }
        case 'deadline': {
          const due = core.deadlines.take(Date.now());
          if (due !== undefined) await passDeadline(core, due, this.#parts);
          break;
        }
        case 'recheck':
          this.#recheckAt = undefined;
          await this.#resync(core);
          break;
        case 'end':
          return this.#result(core);
        case 'continue':
          await this.#continue(core);
      }
    }
  }

  view(): MachineView {
    const { runs } = this.#carried;
    const core = this.#core ?? new MachineCore(this.#machine, { id: this.#id, data: undefined, most: 1 });
    const hasBegun = this.#core !== undefined;
    const [underWay, waiting] = [this.#transitions.underWay, this.#turns.length];
    return viewOfMachine(core, { hasBegun, underWay, waiting, running: this.#jobs.names, runs });
  }

  /** Has it continue as new as soon as nothing is under way. */
  wake(): void {
    this.#isAsked = true;
  }

  wrongDeadline(order: DeadlineOrder): string | undefined {
    return this.#core?.deadlines.wrong(order, Date.now());
  }

  async moveDeadline(order: DeadlineOrder): Promise<DeadlineNote> {
    const core = await this.intake.begun();
    const wrong = core.deadlines.wrong(order, Date.now());
    if (wrong !== undefined) throw refusal('DoesNotFit', wrong, {});
    const note = core.deadlines.move(order, Date.now());
    this.#clock.set(core.deadlines.wakeAt);
    this.#show();
    return note;
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
    if (!allHandlersFinished()) return undefined;
    // What an earlier table has refused the newest one is asked, though it is only for a word of it; what was begun before ends here.
    if (core.isFinal && this.intake.held.length === 0 && this.#jobs.all.length === 0) {
      return this.#telling.pending === 0 ? 'end' : undefined;
    }
    if (!this.#isLong) return undefined;
    // Those that cannot be handed over for long go along: a history has its bound.
    const goAlong = this.#telling.events >= this.#options.historyEvents / 2;
    return this.#telling.pending === 0 || goAlong ? 'continue' : undefined;
  }

  get #isLong(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return this.#isAsked || continueAsNewSuggested || historyLength >= this.#options.historyEvents;
  }

  /** Sets the clock to what comes next; again when it has rung for what was due before, and is not any more. */
  #wind(): void {
    const now = Date.now();
    // What is due already has its turn when what is under way has ended.
    for (const at of [this.#core?.deadlines.wakeAt, this.#recheckAt])
      if (at !== undefined && at > now) this.#clock.set(at);
  }

  /** Finds out where the row is, or has it made. */
  async #begin(): Promise<void> {
    const { resumed } = this.#carried;
    // Before the row is read: it may take long, and the row may be moved meanwhile by what is on its way still.
    const missed = resumed?.more === undefined ? [] : await fetchMissed(this.#id, resumed.more, this.#telling);
    const opened = await this.#opening.fromRow();
    if (opened instanceof ApplicationFailure) {
      this.#failure = opened;
      return;
    }
    this.#open(opened);
    if (resumed !== undefined) this.#resume(opened, { ...resumed, messages: [...resumed.messages, ...missed] });
    this.intake.takeEarly();
    // What has brought it here may be under way still: then what its state begins comes after that.
    const isComing = resumed?.effects.some(
      ({ move }) => move.version + 1 === opened.version && move.to === opened.state,
    );
    if (isComing !== true) this.#jobs.enter(opened.state, opened.version);
  }

  #open(core: MachineCore): void {
    this.#core = core;
    for (const job of this.#carried.jobs) this.#jobs.start(job);
    for (const message of this.#carried.messages ?? []) this.intake.message(message);
  }

  /** Goes on with what was under way, or had come, in a run that was ended from outside. */
  #resume(core: MachineCore, resumed: Resumed): void {
    core.restore(resumed);
    for (const order of resumed.effects) {
      const { event, requestId, input, by } = order;
      // The next turn, before all that comes from now on.
      this.#turns.push({ via: 'update', order: { event, requestId, input, by }, at: 0, waiters: [], resumes: order });
    }
    for (const message of resumed.messages) this.intake.message(message, true);
    this.#recheckAt = Date.now() + RECHECK_MS;
  }

  /** Takes over where the row is now. */
  async #resync(core: MachineCore): Promise<void> {
    if (await this.#opening.again(core)) this.#jobs.enter(core.state, core.version);
  }

  get #parts() {
    return { transitions: this.#transitions, jobs: this.#jobs, telling: this.#telling };
  }

  #runOrder({ name, state, version, round, entered }: Job): RunOrder {
    return { id: this.#id, why: name, state, version, round, data: this.#core?.data, entered };
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

  #result(core: MachineCore): MachineResult {
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
    const { held } = this.intake;
    const alarms = this.#telling.carried;
    const carried: Carried = {
      ...{ kept: core.kept, runs: this.#carried.runs + 1, jobs: this.#jobs.all },
      ...(core.data !== undefined && { data: core.data }),
      ...(held.length > 0 && { messages: held }),
      ...(alarms.length > 0 && { alarms }),
    };
    return continueAsNew<(start: MachineStart | undefined, carried: Carried) => Promise<MachineResult>>(
      undefined,
      carried,
    );
  }
}
