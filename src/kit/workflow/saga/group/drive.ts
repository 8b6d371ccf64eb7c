import { ApplicationFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  CancellationScope,
  ParentClosePolicy,
  setCurrentDetails,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { initialAttributes } from '../../attributes.js';
import { refuseEarlyLooks } from '../../early-look.js';
import { MetDriver } from '../../failure.js';
import { groupDriver, type Fate } from '../../fate.js';
import type { GroupMember, GroupOrder, GroupResult, MemberOutcome } from '../../group.js';
import type { SagaBody, SagaCall, SagaOptions } from '../definition.js';
import { wrongSagaOption } from '../options.js';
import { describeReport } from '../report.js';
import { announce } from '../adopt.js';
import { SagaRun, type SagaOutcome } from '../run.js';
import { Conflict, GroupDriver, Leaving } from './driver.js';
import { Turns } from './turns.js';
import { describeGroup, type ViewedMember } from './view.js';

/** What the answers of a group may take together, in bytes: one answer of a workflow carries 2 MB. */
const RESULT_BYTES = 1_000_000;
/** Characters of why a member has left, at most. */
const WHY = 1_000;

/** The saga that a group's members are runs of. */
interface GroupSaga {
  readonly options: SagaOptions;
  readonly body: SagaBody<unknown, unknown>;
}

/**
 * Runs many transactions side by side in this workflow, each for itself. One that meets trouble leaves: it is started as a
 * workflow of its own, which takes it over, and the group asks for nothing more for it.
 *
 * Invariant: a member's transaction ends in the group only by a change of its first step's row that names the member as
 * its driver. So it has one end, whoever else drives it too: another group, a workflow, a caller's process.
 */
export async function driveGroup(
  saga: GroupSaga,
  { group, ...overrides }: SagaCall & { readonly group: GroupOrder },
): Promise<GroupResult> {
  refuseEarlyLooks();
  const options: SagaCall = { ...saga.options, ...overrides };
  const wrong = wrongSagaOption(options);
  if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'InvalidOptions');
  const driven = new DrivenGroup(saga, options, overrides, group.members);
  return { members: await driven.run() };
}

class DrivenGroup {
  readonly #saga: GroupSaga;
  readonly #options: SagaCall;
  readonly #overrides: SagaCall;
  readonly #members: readonly GroupMember[];
  readonly #turns = new Turns(() => {
    this.#show();
  });
  readonly #views: ViewedMember[];
  #resultBytes = 0;

  constructor(saga: GroupSaga, options: SagaCall, overrides: SagaCall, members: readonly GroupMember[]) {
    this.#saga = saga;
    this.#options = options;
    this.#overrides = overrides;
    this.#members = members;
    this.#views = members.map(({ gid }) => ({ gid, state: 'running', note: '' }));
  }

  async run(): Promise<MemberOutcome[]> {
    const outcomes = await Promise.all(this.#members.map((member, index) => this.#drive(member, index)));
    this.#show();
    return outcomes;
  }

  async #drive(member: GroupMember, index: number): Promise<MemberOutcome> {
    const { gid, inputHash, input } = member;
    const beganAt = begunAt(member);
    const { deadline } = this.#options;
    const view = this.#views[index] ?? { gid, state: 'running', note: '' };
    const { workflowId } = workflowInfo();
    const driver = new GroupDriver({
      ...{ gid, inputHash, turns: this.#turns },
      driver: groupDriver(workflowId, index),
      deadlineAt: deadline === undefined ? undefined : beganAt + msToNumber(deadline),
      overdue: `not past its pivot within ${typeof deadline === 'number' ? `${deadline} ms` : (deadline ?? '')}`,
    });
    const run = new SagaRun<unknown, unknown>(driver, this.#options);
    view.run = run;
    driver.breakOff = (why) => {
      run.breakOff(why);
    };
    let outcome: MemberOutcome;
    try {
      outcome = await this.#conclude(member, driver, run, await run.execute(this.#saga.body, input));
    } catch (why) {
      outcome = await this.#broken(member, driver, why);
    }
    view.run = undefined;
    view.state = outcome.how === 'ended' ? outcome.fate.state : outcome.how;
    view.note = noteOf(outcome);
    return outcome;
  }

  /** Ends a transaction whose run has ended, if that is its group's to do. */
  async #conclude(
    { inputHash }: GroupMember,
    driver: GroupDriver,
    { report }: Pick<SagaRun<unknown, unknown>, 'report'>,
    outcome: SagaOutcome<unknown>,
  ): Promise<MemberOutcome> {
    const from = { transaction: workflowInfo().workflowType, inputHash, lane: 'grouped' };
    let fate: Fate;
    if (outcome.committed) fate = { ...from, state: 'committed', result: outcome.result };
    else if (report?.state === 'compensated') {
      fate = { ...from, state: 'compensated', report, message: describeReport(report) };
    } else throw new Leaving(`it can neither be completed nor undone: ${report?.cause.message ?? ''}`);
    this.#count(fate);
    const { opened, name } = driver;
    // Nothing was applied: what is stored answers everybody alike.
    if (opened === undefined) return { how: 'ended', fate };
    const ends = {
      kind: 'end',
      driver: name,
      from: outcome.committed ? 'running' : 'undoing',
      fate,
      ...opened,
    } as const;
    const { how } = await this.#turns.ask(ends);
    if (how !== 'won') throw new Leaving('its end is not for its group to decide any more');
    return { how: 'ended', fate };
  }

  /** @throws {@link Leaving} for what a group's answer cannot carry */
  #count(fate: Fate): void {
    let bytes: number;
    try {
      bytes = new TextEncoder().encode(JSON.stringify(fate)).length;
    } catch (error) {
      throw new Leaving(`JSON does not carry its result: ${String(error)}`);
    }
    if (this.#resultBytes + bytes > RESULT_BYTES) throw new Leaving('its result is too long for its group');
    this.#resultBytes += bytes;
  }

  /** A run that has ended with nothing decided. */
  async #broken(member: GroupMember, driver: GroupDriver, why: unknown): Promise<MemberOutcome> {
    const { home, opened, mayBeOpen } = driver;
    if (why instanceof Conflict) return { how: 'conflict' };
    if (why instanceof MetDriver && why.fate !== undefined) {
      const { fate } = why;
      const isOther = fate.inputHash !== member.inputHash || fate.transaction !== workflowInfo().workflowType;
      if (!isOther) return { how: 'ended', fate };
      // What it has done itself has to be undone.
      if (opened === undefined) return { how: 'conflict' };
    } else if (!(why instanceof Leaving)) throw why; // A defect: the task is tried again with a mended worker.
    await CancellationScope.nonCancellable(() => this.#leave(member, driver));
    return { how: 'left', home, ...(mayBeOpen && { open: true }), why: why.message.slice(0, WHY) };
  }

  /**
   * Starts the workflow that goes on with a transaction. One that was started before has it already; unless that was refused,
   * or is another transaction's: a relay starts it again, or tells of that.
   */
  async #leave(member: GroupMember, { home, mayBeOpen }: GroupDriver): Promise<void> {
    const { gid, input, inputHash, summary, details } = member;
    const overrides: SagaCall = { ...this.#overrides, beganAt: begunAt(member) };
    const { workflowType, taskQueue } = workflowInfo();
    try {
      await startChild(workflowType, {
        workflowId: gid,
        args: [input, home === undefined ? overrides : { ...overrides, adopt: { home } }],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        parentClosePolicy: ParentClosePolicy.ABANDON,
        memo: { inputHash },
        typedSearchAttributes: initialAttributes('saga'),
        staticSummary: summary,
        staticDetails: details,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      if (home === undefined || !mayBeOpen) return;
      const transaction = { transaction: workflowType, scheme: 'saga', taskQueue, inputHash, input } as const;
      await announce({ gid, home, start: { ...transaction, summary, details, overrides } });
    }
  }

  #show(): void {
    setCurrentDetails(describeGroup(this.#views));
  }
}

/** When a member was asked for, by the server's clock. */
function begunAt({ waitedMs = 0 }: GroupMember): number {
  return workflowInfo().startTime.getTime() - waitedMs;
}

function noteOf(outcome: MemberOutcome): string {
  if (outcome.how === 'left') return outcome.why;
  if (outcome.how === 'conflict') return 'another transaction has its gid, with other content';
  return outcome.fate.state === 'committed' ? '' : outcome.fate.message;
}
