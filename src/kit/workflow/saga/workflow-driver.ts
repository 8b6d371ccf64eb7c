import { msToNumber } from '@temporalio/common/lib/time.js';
import { CancellationScope, condition, setCurrentDetails, sleep, workflowInfo } from '@temporalio/workflow';
import type { AlarmKind } from '../alarms.js';
import { raiseAlarm } from '../alarms-workflow.js';
import type { TransactionState } from '../branch.js';
import {
  callActivity,
  callLocally,
  callMoved,
  callPatiently,
  isOverdue,
  isTriedLocally,
  judge,
  localMs,
  type LocalCall,
} from '../calls.js';
import type { DeskCase } from '../desk.js';
import type { FailureNote, TransactionReport } from '../failure.js';
import { wrongOrder, type OperatorNote, type OperatorOrder } from '../operate.js';
import { COMPENSATION_WINDOW_MS, FORWARD_WINDOW_MS } from '../retry.js';
import { describeView, type TransactionView } from '../view.js';
import type { Lane, SagaCall } from './definition.js';
import type { Call, SagaDriver } from './driver.js';
import type { SagaRun } from './run.js';
import type { Ops } from './scheme.js';
import { ShownState } from './shown.js';

/** When a deadline counts as near: this part of the time to it is over. */
const NEAR = 0.8;
/** How long a transaction that has failed waits until its alarm is handed over. */
const FAILED_ALARM_MS = 10_000;

/**
 * Drives a saga as a workflow: calls are activities, the deadline is a timer, cancellation is Temporal's. The body runs
 * in the workflow's root scope, and the deadline cancels that: a scope of its own would make the worker track the
 * context of every promise.
 */
export class WorkflowDriver implements SagaDriver {
  readonly gid = workflowInfo().workflowId;
  readonly lane: Lane;
  readonly startedAt: number;
  readonly operations: OperatorNote[] = [];
  #options: SagaCall;
  readonly #root = CancellationScope.current();
  #run: Pick<SagaRun<unknown, unknown>, 'state' | 'stop' | 'beyondStop' | 'desk'> | undefined;
  #view: (() => TransactionView) | undefined;
  #deadlineAt: number | undefined;
  #paused: OperatorNote | undefined;
  readonly #shown: ShownState;
  readonly #warns: boolean;

  /** @param startedAt when the transaction began, in milliseconds since 1970 */
  constructor(ops: Ops, options: SagaCall, startedAt = workflowInfo().startTime.getTime()) {
    this.#shown = new ShownState(ops.scheme);
    this.#warns = !ops.hasShortDeadline;
    const { lane = 'durable', deadline, settle } = options;
    this.#options = options;
    this.#notePromotion();
    this.lane = lane;
    this.startedAt = startedAt;
    // What settles has its time behind it.
    this.#deadlineAt = deadline === undefined || settle ? undefined : this.startedAt + msToNumber(deadline);
  }

  /** A task that was lost, or the process that drove it before, may have made calls too. */
  get isAlone(): boolean {
    return this.lane !== 'lean' && this.#options.adopt === undefined;
  }

  /** Goes on with other options, as the run that begins now takes over from another driver. */
  restart(options: SagaCall): void {
    this.#options = options;
    this.#notePromotion();
    if (options.settle !== undefined) this.#deadlineAt = undefined;
  }

  #notePromotion(): void {
    const { promoted } = this.#options.adopt ?? {};
    if (promoted !== undefined) this.operations.push({ action: 'promote', ...promoted });
  }

  get deadlineAt(): number | undefined {
    return this.#deadlineAt;
  }

  get paused(): OperatorNote | undefined {
    return this.#paused;
  }

  /** Tells `run` of the deadline and of a cancellation, before what is running hears of it. */
  observe(
    run: Pick<SagaRun<never, never>, 'state' | 'stop' | 'beyondStop' | 'desk'>,
    view: () => TransactionView,
  ): void {
    const isFirst = this.#run === undefined;
    this.#run = run;
    this.#view = view;
    if (this.#root.consideredCancelled) run.stop('Cancelled');
    if (!isFirst) return;
    this.#root.cancelRequested.catch(() => {
      this.#run?.stop('Cancelled');
    });
    this.#watchDeadline();
  }

  #watchDeadline(): void {
    const until = this.#deadlineAt;
    if (until === undefined) return;
    const now = this.now();
    const near = this.startedAt + Math.round((until - this.startedAt) * NEAR);
    // A worker may have come late: the deadline counts from the start.
    const next = this.#warns && now < near ? near : until;
    sleep(Math.max(next - now, 1), { summary: 'deadline' }).then(
      () => {
        // It was moved: another timer has its place.
        if (this.#deadlineAt !== until) return;
        if (next === until) {
          this.#run?.stop('DeadlineExceeded');
          this.#root.cancel();
          return;
        }
        if (this.#run?.beyondStop === undefined) {
          void this.#alarm('deadline-near', `not past its pivot, and has until ${new Date(until).toISOString()}`);
        }
        this.#watchDeadline();
      },
      () => undefined, // Cancelled by a request.
    );
  }

  now(): number {
    return Date.now();
  }

  overdue(): string {
    const { deadline = 0 } = this.#options;
    const moved = this.operations.findLast(({ action }) => action === 'deadline');
    if (moved !== undefined) return `not past its pivot by ${new Date(moved.deadlineAt ?? 0).toISOString()}`;
    return `not past its pivot within ${typeof deadline === 'number' ? `${deadline} ms` : deadline}`;
  }

  windowPassed(): FailureNote | undefined {
    const { settle } = this.#options;
    const window = this.#compensationWindow();
    if (settle === undefined || this.now() <= settle.failedAt + window) return undefined;
    const ended = new Date(settle.failedAt).toISOString();
    return {
      type: 'WindowPassed',
      message: `its run was ended at ${ended} (${settle.reason}), and no program undoes anything ${window} ms later`,
    };
  }

  resumed(): Promise<void> | undefined {
    return this.#paused === undefined ? undefined : condition(() => this.#paused === undefined);
  }

  call(call: Call): Promise<unknown> {
    if (this.#paused === undefined) return this.#call(call);
    const resumed = () => condition(() => this.#paused === undefined);
    return CancellationScope.nonCancellable(resumed).then(() => this.call(call));
  }

  #call(call: Call): Promise<unknown> {
    switch (call.profile) {
      case 'pivot':
        return call.branch.single === true ? this.#untilStopped(call) : this.#unstopped(call);
      case 'forward':
      case 'settle':
        return this.#unstopped(call);
      case 'checkBack':
        return CancellationScope.nonCancellable(() => callActivity(call));
      case 'compensation':
        return callPatiently(call, this.#compensationWindow());
      case 'action':
        return isTriedLocally(call, this.lane) ? this.#tryLocally(call) : callActivity(call);
    }
  }

  /**
   * Asks a single participant, which does all at once: it can be stopped like those that prepare. What became of it is looked at
   * then, and what was not done is barred.
   */
  #untilStopped(call: Call): Promise<unknown> {
    return this.#insist(call).catch((error: unknown) => {
      if (!this.cancelled() || judge(error).knowledge === 'rejected') throw error;
      const look = { ...call, profile: 'settle', branch: { ...call.branch, settle: true } } as const;
      return this.#unstopped({ ...look, summary: `settle: ${call.summary}` });
    });
  }

  #unstopped(call: Call): Promise<unknown> {
    return CancellationScope.nonCancellable(() => this.#insist(call));
  }

  /** A local activity hears nothing of a timer while it runs: it is short, and ends with the deadline by itself. */
  #tryLocally(call: LocalCall): Promise<unknown> {
    const startedAt = this.now();
    const leftMs = this.#deadlineAt === undefined ? Infinity : Math.max(this.#deadlineAt - startedAt, 1);
    return callLocally(call, leftMs).catch((error: unknown) => {
      if (isOverdue(error) && leftMs <= localMs(call)) {
        this.#run?.stop('DeadlineExceeded');
        throw error;
      }
      const moved = callMoved(call, error, this.now() - startedAt);
      if (moved === undefined) throw error;
      return moved;
    });
  }

  #insist(call: Call): Promise<unknown> {
    const { forwardWindow } = this.#options;
    const window = forwardWindow === undefined ? FORWARD_WINDOW_MS : msToNumber(forwardWindow);
    if (!isTriedLocally(call, this.lane)) return callPatiently(call, window);
    return callLocally(call).catch((error: unknown) => {
      if (judge(error).knowledge === 'rejected') throw error;
      return callPatiently(call, window);
    });
  }

  #compensationWindow(): number {
    const { compensationWindow } = this.#options;
    return compensationWindow === undefined ? COMPENSATION_WINDOW_MS : msToNumber(compensationWindow);
  }

  judge = judge;

  shielded<T>(work: () => Promise<T>): Promise<T> {
    return CancellationScope.nonCancellable(work);
  }

  group<T>(work: (cancel: () => void) => Promise<T>): Promise<T> {
    const scope = new CancellationScope({ cancellable: true });
    return scope.run(() =>
      work(() => {
        scope.cancel();
      }),
    );
  }

  cancelled(): boolean {
    return CancellationScope.current().consideredCancelled;
  }

  changed(state?: TransactionState): void {
    if (this.#view) setCurrentDetails(describeView(this.#view()));
    if (state !== undefined) this.#shown.show(state, this.#run?.desk.cases ?? []);
  }

  stuck({ branch, op, since, failure }: DeskCase): void {
    const message = `${op} of branch '${branch}' waits for a person: ${failure.type}: ${failure.message}`;
    void this.#alarm('stuck', message, branch, since);
  }

  /** Tells of an end that nobody has decided on; at most for so long, as the caller waits. */
  async failed({ type, step, message }: TransactionReport['cause']): Promise<void> {
    const what = `ended neither completed nor undone: ${step === undefined ? '' : `${step}: `}${type}: ${message}`;
    await CancellationScope.nonCancellable(() =>
      Promise.race([this.#alarm('failed', what), sleep(FAILED_ALARM_MS, { summary: 'for the alarm to go out' })]),
    );
  }

  /** Says why an operator's order cannot be carried out. */
  wrongOrder(order: Partial<OperatorOrder>): string | undefined {
    return wrongOrder(order, { now: this.now(), paused: this.#paused, beyondStop: this.#run?.beyondStop });
  }

  /** Carries out an order that is not {@link wrongOrder wrong}. */
  operate(order: OperatorOrder): OperatorNote {
    const note: OperatorNote = { ...order, at: this.now() };
    this.operations.push(note);
    switch (order.action) {
      case 'cancel':
        this.#run?.stop('Cancelled', `cancelled by ${order.actor}: ${order.reason}`);
        this.#root.cancel();
        break;
      case 'pause':
        this.#paused = note;
        break;
      case 'resume':
        this.#paused = undefined;
        break;
      case 'deadline':
        this.#deadlineAt = order.deadlineAt;
        this.#watchDeadline();
        break;
    }
    this.changed();
    return note;
  }

  /** Tells those who watch. */
  #alarm(kind: AlarmKind, message: string, branch?: string, at = this.now()): Promise<void> {
    const id = [this.gid, workflowInfo().runId, kind, ...(branch === undefined ? [] : [branch]), at].join('/');
    return raiseAlarm({ id, kind, gid: this.gid, branch, at, message });
  }
}
