import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { RefusalsOrder, StepCount, StepCounts } from '../workflow/refusals.js';
import { runJob } from './jobs.js';

/** Counts how often the steps of transactions were asked and refused. Errors as {@link runJob}'s. */
export function countRefusals(
  client: Client,
  where: { readonly taskQueue: string },
  order: RefusalsOrder,
): Promise<StepCounts> {
  return runJob<StepCounts>(client, where, 'countRefusals', `count-refusals-${randomUUID()}`, [order]);
}

/** Which other steps have to come before a step, by its name: those whose results it needs. */
export type StepNeeds = Readonly<Record<string, readonly string[]>>;

/** The order of steps that refusals suggest. */
export interface SuggestedOrder {
  /** All steps, by name. */
  readonly order: readonly string[];
  /** Those of them that keep their place at the end: the first that cannot be undone, and what comes after it. */
  readonly fixed: readonly string[];
  /** Whether it is another order than that in which they are asked now. */
  readonly changes: boolean;
}

/**
 * The order of a transaction's steps in which a refusal undoes least: the most refused first, among those that may change places. A step
 * that cannot be undone is the pivot or comes after it, as do all behind it: these stay. A step comes before those that need it,
 * and as early as the most refused of these should. Of two that are refused equally often the one that is first now stays first.
 *
 * It knows rates and nothing else: neither what an undo costs, nor which step needs another one's result, unless that is given.
 *
 * @param steps of one transaction
 */
export function suggestOrder(
  steps: readonly Pick<StepCount, 'step' | 'reached' | 'refused' | 'place' | 'undoable'>[],
  needs: StepNeeds = {},
): SuggestedOrder {
  const now = steps.toSorted((a, b) => a.place - b.place || (a.step < b.step ? -1 : 1));
  const pivot = now.findIndex(({ undoable }) => !undoable);
  const movable = pivot === -1 ? now : now.slice(0, pivot);
  const fixed = now.slice(movable.length).map(({ step }) => step);
  const names = new Set(movable.map(({ step }) => step));
  const needed = ({ step }: { readonly step: string }) => (needs[step] ?? []).filter((other) => names.has(other));
  const urgencies = urgencyOf(movable, needed);
  const order: string[] = [];
  let left = movable;
  while (left.length > 0) {
    const ready = left.filter((step) => needed(step).every((other) => order.includes(other)));
    // Steps that need each other in a ring stay as they are.
    const [first, ...others] = ready.length > 0 ? ready : left;
    if (first === undefined) break;
    const next = others.reduce((best, each) => (urgencies(each) > urgencies(best) ? each : best), first);
    order.push(next.step);
    left = left.filter((each) => each !== next);
  }
  order.push(...fixed);
  return { order, fixed, changes: order.some((step, index) => step !== now[index]?.step) };
}

type Rated = Pick<StepCount, 'step' | 'reached' | 'refused'>;

/** How often it is refused, or the most refused of those that need it. */
function urgencyOf(steps: readonly Rated[], needed: (step: Rated) => readonly string[]): (step: Rated) => number {
  const urgencies = new Map(steps.map((step) => [step.step, refusalRate(step)]));
  const passOn = () => {
    for (const step of steps) {
      const own = urgencies.get(step.step) ?? 0;
      for (const other of needed(step)) urgencies.set(other, Math.max(own, urgencies.get(other) ?? 0));
    }
  };
  // A need of a need of a need: no chain is longer than the steps are many.
  steps.forEach(passOn);
  return ({ step }) => urgencies.get(step) ?? 0;
}

/** The part of those that reached a step that it refused, from 0 to 1. */
export function refusalRate({ reached, refused }: Pick<StepCount, 'reached' | 'refused'>): number {
  return reached === 0 ? 0 : refused / reached;
}
