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

/** What waits in the history of a run that was ended from outside: its messages, without the first `from` of them. */
export interface Missed {
  readonly runId: string;
  readonly from: number;
}

/** The activity that fetches such messages. */
export const FETCH_MISSED = 'backstitch.fetchMissed';

/** What {@link FETCH_MISSED} takes and answers: what fits, and what is to be asked for next, if there is more. `null`: the history is gone. */
export type FetchMissed = Record<
  typeof FETCH_MISSED,
  (id: string, missed: Missed) => Promise<{ readonly messages: readonly Came[]; readonly next?: Missed } | null>
>;

/** What was under way, or had come, in a run that was ended from outside. */
export interface Resumed {
  /** Sagas of transitions that it had started, and whose end it had not seen. */
  readonly effects: readonly EffectOrder[];
  /** Sagas of transitions whose end it had seen: what is asked again is answered the same. */
  readonly ends: readonly EndedEffect[];
  /** Messages that had come, and that it may not have seen to: as many as go with a start. */
  readonly messages: readonly Came[];
  /** Where those are that came after them, in their sequence: they are fetched before the run opens. Absent: there are none. */
  readonly more?: readonly Missed[];
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
