import { setCurrentDetails, setHandler, defineQuery, defineUpdate, workflowInfo } from '@temporalio/workflow';
import { ApplicationFailure } from '@temporalio/common';
import { raiseAlarm } from '../alarms-workflow.js';
import type { TransactionState } from '../branch.js';
import { DECIDE_UPDATE, Desk, type DeskCase, type DeskNote, type DeskOrder } from '../desk.js';
import { refuseEarlyLooks } from '../early-look.js';
import { ShownState } from '../saga/shown.js';
import { describeView, TRANSACTION_QUERY, type TransactionView } from '../view.js';

/** What a {@link Seat} shows. */
export interface SeatOf {
  /** The global transaction. */
  readonly gid: string;
  readonly state: () => TransactionState;
  readonly view: () => TransactionView;
}

/**
 * What a workflow of a three-phase commit shows of itself and what it has persons decide, whether it is the coordinator or an
 * agent: the view, the state in the server's list, the desk and its alarm.
 */
export class Seat {
  readonly desk: Desk;
  readonly #of: SeatOf;
  #shown: ShownState | undefined;

  /** @param earlier what persons decided in earlier runs */
  constructor(of: SeatOf, earlier: readonly DeskNote[] = []) {
    refuseEarlyLooks();
    this.#of = of;
    this.desk = new Desk(
      () => Date.now(),
      (opened) => {
        this.changed();
        if (opened !== undefined) void this.#alarm(opened);
      },
      earlier,
    );
  }

  /** Answers whoever looks, and persons who decide. */
  serve(): void {
    setHandler(defineQuery<TransactionView>(TRANSACTION_QUERY), this.#of.view);
    setHandler(defineUpdate<DeskNote, [DeskOrder]>(DECIDE_UPDATE), (order) => this.desk.decide(order), {
      validator: (order: DeskOrder) => {
        refuse(this.desk.wrong(order));
      },
    });
  }

  /** From now on the server's list has it as a transaction. A coordinator is listed from its start; an agent when people may ask. */
  list(): void {
    this.#shown ??= new ShownState('3pc');
  }

  /** Told after each change. */
  changed(): void {
    setCurrentDetails(describeView(this.#of.view()));
    const state = this.#of.state();
    if (state === 'stuck') this.list();
    this.#shown?.show(state, this.desk.cases);
  }

  #alarm({ branch, op, since, failure }: DeskCase): Promise<void> {
    const { workflowId, runId } = workflowInfo();
    return raiseAlarm({
      id: [workflowId, runId, 'stuck', branch, since].join('/'),
      kind: 'stuck',
      gid: this.#of.gid,
      branch,
      at: since,
      message: `${op} of branch '${branch}' waits for a person: ${failure.type}: ${failure.message}`,
    });
  }
}

/** Refuses an update before it is accepted: nothing of it is left in the history. */
export function refuse(wrong: string | undefined): void {
  if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'DoesNotFit');
}
