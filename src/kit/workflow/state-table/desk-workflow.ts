import { ApplicationFailure } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { raiseAlarm } from '../alarms-workflow.js';
import type { TransactionState } from '../branch.js';
import { Desk, DECIDE_UPDATE, leftBy, type DeskAction, type DeskCase, type DeskNote, type DeskOrder } from '../desk.js';
import { refuseEarlyLooks } from '../early-look.js';
import { OPERATE_UPDATE } from '../operate.js';
import { ShownState } from '../saga/shown.js';
import { failureOf } from '../saga/report.js';
import { describeView, TRANSACTION_QUERY, type TransactionView } from '../view.js';
import { ROW_ENDED_SIGNAL, type StateDeskActivities, type StateDeskOrder } from './desk.js';
import type { StateRow, StoredCall } from './row.js';
import { NOT_WRITTEN, stateReport, stateView, transactionStateOf } from './view.js';

/**
 * A row of a transaction state table that waits for a person, as a workflow under an id of its own (`deskIdOf`): so that the desk, the
 * list and the alarms are those of all other schemes.
 *
 * States: stuck → (a person decides) running → stuck again, or the row's end: committed, compensated (refused: nothing of it
 * happened), failed (left as it is). Stuck → the row's end, too, when somebody else's call has succeeded meanwhile: the scan tells it.
 *
 * Invariant: what is decided is written to the row, which alone says how it stands: this workflow reads it at its beginning and gets
 * it with every answer. One that was ended from outside can be started again with the same order.
 */

/** What a guard says of a branch that was done with another input. */
const MISMATCH = 'InputMismatch';

/** Runs that began before a mismatch ended what is tried again go on with all of its rounds. */
const MISMATCH_ENDS_ROUNDS = 'mismatch-ends-rounds';

const FITS: readonly DeskAction[] = ['retry', 'resolve', 'skip'];

const activities = proxyActivities<StateDeskActivities>({
  // Above what the caller's own time is by default, and what a decision takes to bar an operation.
  startToCloseTimeout: '2 minutes',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds' },
});

/**
 * @returns what the operations returned, once all are done
 * @throws ApplicationFailure of type `TransactionCompensated` (the first operation was refused after all: nothing of it happened) or
 * `TransactionFailed` (a person left it as it is), as the other schemes
 */
export async function stateTableDesk(order: StateDeskOrder): Promise<readonly unknown[]> {
  refuseEarlyLooks();
  // Nobody is helped by its cancellation: the row would wait, and nobody would know.
  return CancellationScope.nonCancellable(() => new StateTableDesk(order).run());
}

class StateTableDesk {
  readonly #order: StateDeskOrder;
  readonly #shown = new ShownState('state');
  readonly #desk: Desk;
  readonly #startedAt = workflowInfo().startTime.getTime();
  #state: TransactionState = 'running';
  #row: StateRow | undefined;
  /** It was told that the row has ended: no person has to decide of it any more. */
  #hasEnded = false;

  constructor(order: StateDeskOrder) {
    this.#order = order;
    this.#desk = new Desk(
      () => Date.now(),
      (opened) => {
        this.#changed(this.#desk.isEmpty ? 'running' : 'stuck');
        if (opened !== undefined) this.#alarm(opened);
      },
    );
    setHandler(defineQuery<TransactionView>(TRANSACTION_QUERY), () => this.#view());
    setHandler(defineUpdate<DeskNote, [DeskOrder]>(DECIDE_UPDATE), (decided) => this.#desk.decide(decided), {
      validator: (decided: DeskOrder) => {
        refuse(this.#desk.wrong(decided));
      },
    });
    setHandler(defineSignal(ROW_ENDED_SIGNAL), () => {
      this.#hasEnded = true;
      this.#desk.withdraw();
    });
    setHandler(defineUpdate<undefined>(OPERATE_UPDATE), () => undefined, {
      validator: () => {
        refuse('nothing of a state table is undone or paused: decide of what waits at the desk');
      },
    });
  }

  async run(): Promise<readonly unknown[]> {
    let row = await activities['backstitch.lookState'](this.#order);
    for (;;) {
      this.#row = row;
      const call = row.calls[row.done];
      if (row.state !== 'error' || call === undefined) break;
      row = await this.#decided(row, call);
    }
    this.#changed(transactionStateOf(row));
    const report = stateReport(row);
    await condition(allHandlersFinished);
    if (report !== undefined) throw failureOf(report, undefined);
    return row.results;
  }

  /** Lets a person decide of the operation that a row waits for, and carries it out. */
  async #decided(row: StateRow, call: StoredCall): Promise<StateRow> {
    const { branch, operation, input, summary = branch } = call;
    if (this.#hasEnded) return this.#look();
    const { type, message, known } = row.failure ?? NOT_WRITTEN;
    const anew = needsAnotherName(row);
    const order = await this.#desk.park({
      ...{ branch, op: 'action', operation, summary, input, failure: { type, message } },
      // What may have happened keeps its input: another one would only hide it.
      ...{ takesInput: anew, renews: anew, fits: () => FITS },
    });
    const note = this.#desk.notes.at(-1);
    // The case was withdrawn: the row has ended.
    if (order === undefined || note === undefined) return this.#look();
    const decided = { ...this.#order, index: row.done, note };
    switch (order.action) {
      case 'resolve':
        return activities['backstitch.resolveState'](decided, order.result);
      case 'skip':
        return activities['backstitch.skipState'](decided, { known, ...leftBy(order) });
      default: {
        const renewed = anew ? { renewed: (call.renewed ?? 0) + 1 } : {};
        const changed = 'input' in order ? { ...renewed, input: JSON.stringify(order.input) } : renewed;
        return this.#retry(row, note, changed);
      }
    }
  }

  /** Reads the row once more. It waits again if it has not ended, whatever was told. */
  #look(): Promise<StateRow> {
    this.#hasEnded = false;
    return activities['backstitch.lookState'](this.#order);
  }

  /** Tries again, for as many rounds as the scan would make. */
  async #retry(from: StateRow, note: DeskNote, changed: { renewed?: number; input?: string }): Promise<StateRow> {
    const { rounds, everyMs } = this.#order;
    let row = from;
    for (let round = 1; ; round++) {
      const index = row.done;
      row = await activities['backstitch.retryState'](
        { ...this.#order, index, note },
        index === from.done ? changed : {},
      );
      this.#row = row;
      this.#changed('running');
      if (row.state !== 'error' || round >= rounds || endsRounds(row)) return row;
      await sleep(everyMs);
    }
  }

  #view(): TransactionView {
    const { gid } = this.#order;
    return stateView({ gid, startedAt: this.#startedAt, state: this.#state }, this.#row, this.#desk);
  }

  #changed(state: TransactionState): void {
    this.#state = state;
    this.#shown.show(state, this.#desk.cases);
    setCurrentDetails(describeView(this.#view()));
  }

  #alarm({ branch, since, failure }: DeskCase): void {
    const { gid } = this.#order;
    const id = [gid, workflowInfo().runId, 'stuck', branch, since].join('/');
    const message = `'${branch}' of a state table waits for a person: ${failure.type}: ${failure.message}`;
    void raiseAlarm({ id, kind: 'stuck', gid, branch, at: since, message });
  }
}

/** Whether under the name that an operation has now nothing of its input has happened, nor can: only under another one. */
function needsAnotherName({ failure }: StateRow): boolean {
  return failure?.known === 'refused' || failure?.type === MISMATCH;
}

/** Whether further rounds of the same call would hear the same. */
function endsRounds({ failure }: StateRow): boolean {
  return failure?.known === 'refused' || (failure?.type === MISMATCH && patched(MISMATCH_ENDS_ROUNDS));
}

/** Refuses an update before it is accepted: nothing of it is left in the history. */
function refuse(wrong: string | undefined): void {
  if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'DoesNotFit');
}
