import { stepOf, type Work } from './databases.js';
import type { State } from './state.js';

/** Adds what can happen. @param certain whether it will, sooner or later; default: not */
export type Add = (name: string, change: (state: State) => void, certain?: boolean) => void;

/** The saga's body: its steps, one after the other. */
export interface Body {
  readonly steps: number;
  /** A step after whose rejection the body goes on with the next. After any other rejection it ends. */
  readonly goesOnAfter?: number;
}

/** Whether the body goes on, though this step was rejected. */
export function goesOn({ steps, goesOnAfter }: Body, step: number): boolean {
  return step === goesOnAfter && step < steps - 1;
}

/** What the work of a step may say. It is done at most once, so that matters only where nothing is stored. */
export function worksOf(state: State, step: number): readonly Work[] {
  return stepOf(state, step).row === undefined ? ['succeeds', 'rejects'] : ['succeeds'];
}

/** A step that is asked for, in words. */
export function asked(step: number, work: Work): string {
  return `step ${step}${work === 'rejects' ? ', which is refused' : ''}`;
}
