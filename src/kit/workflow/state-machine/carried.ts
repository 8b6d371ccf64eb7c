import type { KeptMachine } from './core.js';
import type { Job } from './jobs.js';
import type { DeadlineNote, EffectOrder } from './protocol.js';

/** What a run hands to the next one. */
export interface Carried {
  readonly kept?: KeptMachine;
  readonly data?: unknown;
  /** How many runs there were. */
  readonly runs: number;
  readonly jobs: readonly Job[];
  /** Of a run that was ended from outside: what its history tells beyond what it was started with. */
  readonly resumed?: Resumed;
}

/** What was under way, or had come, in a run that was ended from outside. */
export interface Resumed {
  /** Sagas of transitions that it had started, and whose end it had not seen. */
  readonly effects: readonly EffectOrder[];
  /** Messages that had come: those that it had seen to are known by what became of them. */
  readonly messages: readonly unknown[];
  readonly moved: readonly DeadlineNote[];
}
