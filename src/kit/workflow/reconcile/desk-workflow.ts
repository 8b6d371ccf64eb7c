import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { ApplicationFailure } from '@temporalio/common';
import { raiseAlarm } from '../alarms-workflow.js';
import type { TransactionState } from '../branch.js';
import { Desk, DECIDE_UPDATE, type DeskAction, type DeskNote, type DeskOrder } from '../desk.js';
import { refuseEarlyLooks } from '../early-look.js';
import { OPERATE_UPDATE } from '../operate.js';
import { ShownState } from '../saga/shown.js';
import { describeView, TRANSACTION_QUERY, type TransactionView } from '../view.js';
import { findingId, type DriftCase, type Finding, type ReconcileActivities } from './reconcile.js';

/**
 * A finding that waits for a person, as a workflow under the finding's own id: so that the desk, the list and the alarms are those of
 * all schemes, and the next day's run finds it there.
 *
 * States: stuck → (retry) looked at again, and repaired where there is a repair → gone, or stuck again; stuck → (resolve: a person has
 * put it right) looked at again → gone, or stuck again; stuck → (skip) left as it is, for good.
 *
 * Invariant: it is closed as gone only when the databases agree; what was left is not opened again by later runs.
 */

/** How a case has ended. */
export type DriftEnd = 'gone' | 'left';

const FITS: readonly DeskAction[] = ['retry', 'resolve', 'skip'];
const BRANCH = 'drift';

const { 'backstitch.judgePair': judge, 'backstitch.repairDrift': repair } = proxyActivities<ReconcileActivities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds', maximumAttempts: 5 },
});

export async function reconcileDesk(order: DriftCase): Promise<DriftEnd> {
  refuseEarlyLooks();
  return CancellationScope.nonCancellable(() => new DriftDesk(order).run());
}

class DriftDesk {
  readonly #shown = new ShownState('reconcile');
  readonly #desk: Desk;
  readonly #youngMs: number | undefined;
  readonly #startedAt = workflowInfo().startTime.getTime();
  #finding: Finding;
  #state: TransactionState = 'running';

  constructor({ finding, youngMs }: DriftCase) {
    this.#finding = finding;
    this.#youngMs = youngMs;
    this.#desk = new Desk(
      () => Date.now(),
      (opened) => {
        this.#changed(this.#desk.isEmpty ? 'running' : 'stuck');
        if (opened !== undefined) this.#alarm(opened.since);
      },
    );
    setHandler(defineQuery<TransactionView>(TRANSACTION_QUERY), () => this.#view());
    setHandler(defineUpdate<DeskNote, [DeskOrder]>(DECIDE_UPDATE), (decided) => this.#desk.decide(decided), {
      validator: (decided: DeskOrder) => {
        const why = this.#desk.wrong(decided);
        if (why !== undefined) throw ApplicationFailure.nonRetryable(why, 'DoesNotFit');
      },
    });
    setHandler(defineUpdate<undefined>(OPERATE_UPDATE), () => undefined, {
      validator: () => {
        throw ApplicationFailure.nonRetryable('a finding is no transaction: decide of it', 'DoesNotFit');
      },
    });
  }

  async run(): Promise<DriftEnd> {
    for (;;) {
      const end = await this.#decided();
      if (end === undefined) continue;
      this.#changed(end === 'gone' ? 'committed' : 'failed');
      await condition(allHandlersFinished);
      return end;
    }
  }

  async #decided(): Promise<DriftEnd | undefined> {
    const { class: name, key, detail, note } = this.#finding;
    const decided = await this.#desk.park({
      ...{ branch: BRANCH, op: 'amends', operation: `reconcile.${name}`, summary: `${name} of ${key}` },
      input: this.#finding,
      failure: { type: name, message: note === undefined ? detail : `${detail}; ${note}` },
      ...{ takesInput: false, fits: () => FITS },
    });
    if (decided === undefined) return undefined;
    if (decided.action === 'skip') return 'left';
    const { actor, reason } = decided;
    return (await this.#lookAgain(decided.action === 'retry' ? { actor, reason } : undefined)) ? 'gone' : undefined;
  }

  /** Whether nothing is left of it. @param by who repairs it, where it can be */
  async #lookAgain(by: { readonly actor: string; readonly reason: string } | undefined): Promise<boolean> {
    try {
      const { pair, key, class: name } = this.#finding;
      const { findings, inFlight } = await judge(
        { pair, asked: true, ...(this.#youngMs !== undefined && { youngMs: this.#youngMs }) },
        [key],
      );
      const found = findings.find((each) => each.class === name);
      if (found === undefined) {
        if (inFlight === 0) return true;
        this.#finding = { ...this.#finding, note: 'a transaction of it is on its way: decide when that has ended' };
        return false;
      }
      this.#finding = found;
      if (by === undefined || found.state !== 'repairable') return false;
      const [repaired = found] = await repair({
        pair,
        findings: [found],
        asked: true,
        ...(this.#youngMs !== undefined && { youngMs: this.#youngMs }),
        ...by,
      });
      this.#finding = repaired;
      return repaired.state === 'repaired';
    } catch (error) {
      this.#finding = { ...this.#finding, note: `it could not be looked at: ${String(error)}` };
      return false;
    }
  }

  #view(): TransactionView {
    const { detail } = this.#finding;
    const isOpen = this.#state === 'stuck';
    return {
      ...{ gid: workflowInfo().workflowId, scheme: 'reconcile', state: this.#state, lane: 'reconcile' },
      startedAt: this.#startedAt,
      branches: [
        {
          ...{ branch: BRANCH, operation: `reconcile.${this.#finding.class}`, summary: detail, seq: 1 },
          ...{ startedAt: this.#startedAt, state: isOpen ? 'parked' : 'running' },
        },
      ],
      desk: this.#desk.cases,
      decisions: this.#desk.notes,
      operations: [],
    };
  }

  #changed(state: TransactionState): void {
    this.#state = state;
    this.#shown.show(state, this.#desk.cases);
    setCurrentDetails(describeView(this.#view()));
  }

  #alarm(since: number): void {
    // Of a case that is opened again after a decision nobody needs to be told: whoever has decided sees it.
    if (this.#desk.notes.length > 0) return;
    const { class: name, key, detail } = this.#finding;
    const id = `${findingId({ class: name, key })}/${workflowInfo().runId}`;
    void raiseAlarm({
      id,
      kind: 'drift',
      gid: workflowInfo().workflowId,
      at: since,
      message: `${name} of ${key}: ${detail}`,
    });
  }
}
