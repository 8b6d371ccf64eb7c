import { ApplicationFailure } from '@temporalio/common';
import {
  CancellationScope,
  defineQuery,
  defineSignal,
  defineUpdate,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { refuseEarlyLooks } from '../early-look.js';
import type { Forward, Participant } from '../participant.js';
import { TRANSACTION_QUERY, type TransactionView } from '../view.js';
import type { StateMachine } from './definition.js';
import {
  DEADLINE_UPDATE,
  EVENT_SIGNAL,
  EVENT_UPDATE,
  MACHINE_QUERY,
  WAKE_SIGNAL,
  type DeadlineNote,
  type DeadlineOrder,
  type EventAnswer,
  type EventOrder,
  type MachineMessage,
  type MachineResult,
  type MachineStart,
  type MachineView,
  type MoveOrder,
  type Moved,
  type ReadOrder,
  type ReadRow,
} from './protocol.js';
import type { Carried } from './carried.js';
import { MachineRun } from './run.js';
import { asTransaction } from './view.js';

/** How a machine's workflow reaches the rows of its objects: what `machineRows` of `backstitch/database` implements. */
export interface MachineRows {
  /** The guarded move of a row. Rejections: `MovedElsewhere`, `NoSuchRow`, and those of the work beside the move. */
  move: Forward<MoveOrder, Moved>;
  /** Where a row is; it changes nothing. `null`: there is none. */
  read: Forward<ReadOrder, ReadRow | null>;
}

/** Options of {@link machineWorkflow}. */
export interface MachineOptions {
  /** The participant that has the rows, by its type: `participant<MyRows>('orders')`, or a part of a larger one. */
  readonly rows: Pick<Participant<MachineRows>, 'move' | 'read'>;
  /**
   * The name under which a saga is exported that makes the row, if it is not there when the machine is started. Its input is a `RunOrder`.
   * If it is undone the machine's workflow fails with its failure. Default: the row has to be there
   */
  readonly begin?: string;
  /**
   * Makes an event of what comes by the signal, such as a message of an outbox; `undefined`: it is dropped. Pure. Default: it is a
   * `MachineMessage`
   */
  readonly onMessage?: (message: unknown) => MachineMessage | undefined;
  /** The tables of earlier revisions, the newest first, by which runs are under way still. Default: none */
  readonly before?: readonly StateMachine[];
  /** Events that may wait for their turn: one more is refused `Busy`. Messages: twenty times as many. Default: 20 */
  readonly queue?: number;
  /**
   * How long an event waits for a transition that is under way, its own included, before it hears `TransitionUnderWay`, in
   * milliseconds. Default: 60,000
   */
  readonly patienceMs?: number;
  /** Requests that are remembered and shown. Default: 100 */
  readonly remembered?: number;
  /** Events of the history after which it continues as new, if the server does not ask before. Default: 4,000 */
  readonly historyEvents?: number;
}

/** A machine as a workflow: its id is the id of the object, one for each. */
export type MachineWorkflow<Data> = (start?: MachineStart<Data>, carried?: unknown) => Promise<MachineResult>;

/**
 * Makes the workflow of a machine: export it from the module that the worker loads. Its id is the object's own, as the row has it.
 *
 * It answers updates (`event`, `moveDeadline`), takes messages by the signal `event`, and shows itself by the query `machine`; callers
 * use `machineClient` of `backstitch/client`. It ends when the machine has come to a final state, and all that it has begun has ended. A
 * cancellation of the workflow does nothing: an object is not gone because somebody has stopped its program.
 *
 * A run goes by the table that it began with: a new release of the table has a new `revision`, and keeps the one before in
 * {@link MachineOptions.before} for as long as runs of that are there.
 *
 * @throws ApplicationFailure of the failure of `begin`, or of type `NoSuchRow`: the object never began
 */
export function machineWorkflow<Data = unknown>(machine: StateMachine, options: MachineOptions): MachineWorkflow<Data> {
  const workflow = (start?: MachineStart<Data>, carried?: unknown): Promise<MachineResult> => {
    refuseEarlyLooks();
    const run = new MachineRun(
      { machine: tableOf(machine, options.before ?? []), newest: machine },
      options,
      start,
      carried as Carried | undefined,
    );
    setHandler(defineUpdate<EventAnswer, [EventOrder]>(EVENT_UPDATE), (order) => run.intake.update(order), {
      validator: (order: EventOrder) => {
        run.intake.validate(order);
      },
    });
    setHandler(defineUpdate<DeadlineNote, [DeadlineOrder]>(DEADLINE_UPDATE), (order) => run.moveDeadline(order), {
      validator: (order: DeadlineOrder) => {
        const wrong = run.wrongDeadline(order);
        if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'DoesNotFit');
      },
    });
    setHandler(defineSignal<[unknown]>(EVENT_SIGNAL), (message) => {
      run.intake.message({ at: Date.now(), message });
    });
    setHandler(defineSignal(WAKE_SIGNAL), () => {
      run.wake();
    });
    setHandler(defineQuery<MachineView>(MACHINE_QUERY), () => run.view());
    setHandler(defineQuery<TransactionView>(TRANSACTION_QUERY), () =>
      asTransaction(run.view(), workflowInfo().startTime.getTime()),
    );
    return CancellationScope.nonCancellable(() => run.run());
  };
  return workflow;
}

/**
 * The table that a run goes by: the one that it began with, of which its history tells. A run of the first revision has no mark of it, and
 * costs none.
 *
 * @throws if this release has not that table any more: the task is tried again until a worker comes that has
 */
function tableOf(newest: StateMachine, before: readonly StateMachine[]): StateMachine {
  for (const machine of [newest, ...before]) {
    if (machine.revision === 1 || patched(`machine ${machine.name} ${machine.revision}`)) return machine;
  }
  throw new Error(
    `this run of '${newest.name}' began with an earlier table, which this release has not among its \`before\``,
  );
}
