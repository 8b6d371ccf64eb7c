import type { Alarm } from '../alarms.js';
import type { FailureNote } from '../failure.js';
import type { KeptMachine } from './core.js';
import type { Job } from './jobs.js';
import type { DeadlineNote, EffectOrder, MoveOrder } from './protocol.js';

/** What a run hands to the next one. */
export interface Carried {
  readonly kept?: KeptMachine;
  readonly data?: unknown;
  /** How many runs there were. */
  readonly runs: number;
  readonly jobs: readonly Job[];
  /** Messages that wait for the next run: an earlier table has refused the first of them, which the newest may take. */
  readonly messages?: readonly Came[];
  /** Alarms that are not handed over yet, as far as this run knows. */
  readonly alarms?: readonly Alarm[];
  /** Of a run that was ended from outside: what its history tells beyond what it was started with. */
  readonly resumed?: Resumed;
  /** It was begun anew as the task of the run before kept failing: if its own does, it is not ended again. The run after it does not say so. */
  readonly isAnew?: true;
}

/** A message, and when it came, in milliseconds since 1970: a deadline that passes while it waits, in whichever run, comes after it. */
export interface Came {
  readonly at: number;
  readonly message: unknown;
}

/** What was under way, or had come, in a run that was ended from outside. */
export interface Resumed {
  /** Sagas of transitions that it had started, and whose end it had not seen. */
  readonly effects: readonly EffectOrder[];
  /** Sagas of transitions whose end it had seen: what is asked again is answered the same. */
  readonly ends: readonly EndedEffect[];
  /** Messages that had come, and that it may not have seen to. */
  readonly messages: readonly Came[];
  /** The ids of messages that it had refused, and told people of: they stay refused. */
  readonly refused: readonly string[];
  readonly moved: readonly DeadlineNote[];
}

/** How the saga of a transition ended. */
export interface EndedEffect {
  readonly move: MoveOrder;
  readonly result?: unknown;
  /** Absent: it was committed. */
  readonly failure?: FailureNote;
  /** It was not undone, but left by a person: after its pivot the row has moved. */
  readonly wasLeft?: true;
}
