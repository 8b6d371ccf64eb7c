import { ApplicationFailure, type Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineUpdate,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { judge } from '../calls.js';
import { OPERATE_UPDATE, wrongOrder, type OperatorNote, type OperatorOrder } from '../operate.js';
import { participantOf } from '../participant.js';
import { GrammarError, type TransactionReport } from '../failure.js';
import { inOrder } from '../two-phase/two-phase.js';
import { wrongDuration } from '../saga/options.js';
import { failureOf } from '../saga/report.js';
import { showRefused } from '../saga/shown.js';
import { DECISION_UPDATE, type Decision, type TransactionView } from '../view.js';
import type { ThreePhaseAsked, ThreePhaseCall, ThreePhaseOptions, ThreePhaseWorkflow } from './definition.js';
import type {
  AgentOrder,
  AgentStatus,
  BranchName,
  CompareOrder,
  Telling,
  ThreePhaseBranch,
  Times,
} from './protocol.js';
import type { Settle } from '../saga/definition.js';
import type { BranchRecord, ThreePhaseDriver } from './record.js';
import { ThreePhaseRun } from './run.js';
import { refuse, Seat } from './seat.js';
import { findComparison, tell, tellPatiently } from './tell.js';

const OPTIONS: readonly string[] = ['answer', 'timeout', 'window', 'deadline'] satisfies (keyof ThreePhaseOptions)[];
/** The change since which a split that was compared elsewhere is asked for there. */
const ONE_CASE = 'three-phase-one-case';
const DEFAULTS = { answer: '10 seconds', timeout: '30 seconds', window: '30 minutes' } as const;

/**
 * Defines a three-phase commit: all participants are asked whether they could, then prepare, then commit; one that hears nothing
 * for too long decides by itself. The rules are those of {@link ThreePhaseRun} and of the participants' `Agent`.
 *
 * The returned function is the workflow: export it from the module that the worker loads, and `threePhaseAgent` from those that the
 * participants' workers load. It resolves to what the body returned when every participant has committed.
 *
 * @param branches says what each participant is asked, in any order; a participant is named once, and does all that is asked of
 * it in one transaction of its own
 * @param result what the workflow resolves to once all have committed. Default: nothing
 * @throws ApplicationFailure of type `TransactionCompensated` (all aborted, or a person has mended a split) or `TransactionFailed`
 * (a person has left a split as it is; see its report), as a saga does
 *
 * @example
 * ```ts
 * export const transfer = threePhaseCommit({}, ({ from, to, amount }: Transfer) => [
 *   canCommit(bankA.move, { account: from, amount: -amount }),
 *   canCommit(bankB.move, { account: to, amount }),
 * ]);
 * ```
 */
export function threePhaseCommit<Input, Result = void>(
  options: ThreePhaseOptions,
  branches: (input: Input) => readonly ThreePhaseAsked[],
  result?: (input: Input) => Result,
): ThreePhaseWorkflow<Input, Result> {
  return async (input, overrides = {}) => {
    const call: ThreePhaseCall = { ...options, ...overrides };
    await coordinate(
      workflowInfo().workflowId,
      begun(call, () => branches(input)),
      call,
    );
    return result?.(input) as Result;
  };
}

/** What each participant is asked, in the order of all transactions. What makes no sense ends before anything has happened. */
function begun(call: ThreePhaseCall, branches: () => readonly ThreePhaseAsked[]): ThreePhaseBranch[] {
  try {
    const wrong = wrongCall(call);
    if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'InvalidOptions');
    const asked = inOrder(branches());
    if (asked.length === 0) throw new GrammarError('no participant is asked anything: name one at least');
    return asked.map(([branch, { operation, input, summary = branch }]) => ({ branch, operation, input, summary }));
  } catch (error) {
    showRefused('3pc');
    throw error instanceof Error ? ApplicationFailure.fromError(error, { nonRetryable: true }) : error;
  }
}

/**
 * Compares what the agents of a transaction decided whose coordinator is gone for good: there is no run that could be settled, or
 * nobody who runs it. Differences wait for a person, at the desk of this workflow. The scan starts it.
 *
 * @throws the failure that the transaction would have had, unless all have committed
 */
export async function compareAgents({ gid, of, reason }: CompareOrder, call: ThreePhaseCall = {}): Promise<void> {
  const branches = of.map(({ branch, operation }) => ({ branch, operation, summary: branch, input: undefined }));
  const settle: Settle = { failedAt: Date.now(), reason };
  await coordinate(gid, branches, { settle, ...call });
}

/** Runs the transaction to its end. @throws its failure */
async function coordinate(gid: string, branches: readonly ThreePhaseBranch[], call: ThreePhaseCall): Promise<void> {
  const driver = new Coordinator(gid, branches, call);
  const { run } = driver;
  const scope = CancellationScope.current();
  scope.cancelRequested.catch(() => {
    driver.stop('the transaction was cancelled by a request');
  });
  await CancellationScope.nonCancellable(async () => {
    await run.execute();
    // A caller that asked for the decision must get it before the workflow closes.
    await condition(allHandlersFinished);
  });
  const { report } = run;
  if (report !== undefined) throw failureOf(report, undefined);
}

/** Carries a run as the workflow that this is. */
class Coordinator implements ThreePhaseDriver {
  readonly gid: string;
  readonly run: ThreePhaseRun;
  readonly times: Times;
  readonly deadlineAt: number | undefined;
  readonly #seat: Seat;
  readonly #startedAt = workflowInfo().startTime.getTime();
  readonly #operations: OperatorNote[] = [];
  readonly #of: readonly BranchName[];

  constructor(gid: string, branches: readonly ThreePhaseBranch[], call: ThreePhaseCall) {
    this.gid = gid;
    this.#of = branches.map(({ branch, operation }) => ({ branch, operation }));
    this.times = timesOf(call);
    const { deadline, settle } = call;
    // What settles has its time behind it.
    this.deadlineAt = deadline === undefined || settle ? undefined : this.#startedAt + msToNumber(deadline);
    const state = () => this.run.state;
    this.#seat = new Seat({ gid, state, view: () => this.#view() }, settle?.decisions);
    this.#seat.list();
    this.run = new ThreePhaseRun(this, branches, settle);
    this.#seat.serve();
    setHandler(defineUpdate<Decision>(DECISION_UPDATE), async () => {
      await CancellationScope.nonCancellable(() => condition(() => this.run.state !== 'running'));
      return { state: this.run.state, report: this.run.report };
    });
    setHandler(defineUpdate<OperatorNote, [OperatorOrder]>(OPERATE_UPDATE), (order) => this.#operate(order), {
      validator: (order: OperatorOrder) => {
        refuse(this.#wrongOrder(order));
      },
    });
  }

  get desk() {
    return this.#seat.desk;
  }

  now(): number {
    return Date.now();
  }

  judge = judge;

  tell(record: BranchRecord, message: Telling['message'], within: number | 'patiently'): Promise<AgentStatus> {
    const { branch, seq, operation, input, summary } = record;
    const { gid, times } = this;
    const order: AgentOrder = { gid, branch, seq, operation, input, summary, ...times, of: this.#of };
    const participant = participantOf(operation);
    // Who settles has an agent started that is not there; who knows no inputs cannot.
    const starts = message === 'canCommit' || (message === 'outcome' && input !== undefined);
    const telling: Telling = { message, gid, branch, participant, ...(starts && { order }) };
    return within === 'patiently' ? tellPatiently(telling, times.windowMs) : tell(telling, within);
  }

  /** The comparison itself has no other desk; runs that began before there was a question do not ask it. */
  elsewhere(): Promise<TransactionReport | undefined> {
    const { gid, times } = this;
    if (workflowInfo().workflowId !== gid || !patched(ONE_CASE)) return Promise.resolve(undefined);
    const participants = [...new Set(this.#of.map(({ operation }) => participantOf(operation)))];
    return findComparison({ gid, participants }, times.windowMs);
  }

  changed(): void {
    this.#seat.changed();
  }

  stop(message: string): void {
    this.run.stop({ type: 'Cancelled', message });
  }

  #wrongOrder(order: OperatorOrder): string | undefined {
    if (order.action !== 'cancel') {
      return `'${order.action}' does not fit a three-phase commit: its participants do not wait for it; cancel it, or let it end`;
    }
    return wrongOrder(order, { now: this.now(), paused: undefined, beyondStop: this.run.beyondStop });
  }

  #operate(order: OperatorOrder): OperatorNote {
    const note: OperatorNote = { ...order, at: this.now() };
    this.#operations.push(note);
    this.stop(`cancelled by ${order.actor}: ${order.reason}`);
    return note;
  }

  #view(): TransactionView {
    const { state, records, report } = this.run;
    const { cases, notes } = this.desk;
    return {
      ...{ gid: this.gid, scheme: '3pc', state, lane: 'durable', startedAt: this.#startedAt },
      deadlineAt: this.deadlineAt,
      branches: records.map(({ branch, seq, operation, summary, vote, failure, startedAt, endedAt, second }) => {
        return { branch, seq, operation, summary, state: vote, failure, startedAt, endedAt, second };
      }),
      ...{ report, desk: cases, decisions: notes, operations: this.#operations },
    };
  }
}

function wrongCall(call: ThreePhaseCall): string | undefined {
  const wrong =
    wrongDuration('answer', call.answer) ??
    wrongDuration('timeout', call.timeout) ??
    wrongDuration('window', call.window) ??
    wrongDuration('deadline', call.deadline);
  if (wrong !== undefined) return wrong;
  const { answerMs, timeoutMs } = timesOf(call);
  if (timeoutMs < 2 * answerMs) {
    return `option timeout is ${timeoutMs} ms: give at least twice answer, which is ${answerMs} ms`;
  }
  const other = Object.keys(call).find((name) => !OPTIONS.includes(name) && name !== 'settle' && name !== 'lane');
  return other && `a three-phase commit has no option ${other}: it has ${OPTIONS.join(', ')}`;
}

function timesOf({
  answer = DEFAULTS.answer,
  timeout = DEFAULTS.timeout,
  window = DEFAULTS.window,
}: ThreePhaseOptions): Times {
  const ms = (duration: Duration) => msToNumber(duration);
  return { answerMs: ms(answer), timeoutMs: ms(timeout), windowMs: ms(window) };
}
