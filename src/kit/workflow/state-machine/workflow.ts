import type { Participant, Forward } from '../participant.js';
import type { StateMachine } from './definition.js';
import type { MachineResult, MachineStart, MoveOrder, Moved, ReadOrder, ReadRow } from './protocol.js';

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
  /** Events that may wait for their turn: one more is refused `Busy`. Default: 20 */
  readonly queue?: number;
  /** How long an event waits for a transition that is under way, its own included, before it hears `TransitionUnderWay`, in milliseconds. Default: 60,000 */
  readonly patienceMs?: number;
  /** Request ids and transitions that are remembered and shown. Default: 200 */
  readonly remembered?: number;
  /** Events of the history after which it continues as new, if the server does not ask before. Default: 4,000 */
  readonly historyEvents?: number;
}

/** A machine as a workflow: its id is the id of the object, one for each. */
export type MachineWorkflow<Data> = (start: MachineStart<Data>, carried?: unknown) => Promise<MachineResult>;

/**
 * Makes the workflow of a machine: export it from the module that the worker loads.
 */
export function machineWorkflow<Data = unknown>(
  _machine: Pick<StateMachine, keyof StateMachine>,
  _options: MachineOptions,
): MachineWorkflow<Data> {
  return () => Promise.reject(new Error('not there yet'));
}
