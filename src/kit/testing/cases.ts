import type { Scheme } from '../workflow/branch.js';
import { faultKinds, isUndo, whichOf, type FaultKind, type MatrixFault, type MatrixOperation } from './faults.js';

/**
 * The cases of a matrix: every operation of every step with every fault, and a sample of the pairs.
 */

/**
 * What a step is: `step` has an action and a compensation, `amends` an action and what makes it good; the pivot, and
 * what comes after it (`forward`), only go forward. `try` is a branch of a TCC transaction: it is tried, and then confirmed or
 * cancelled. `prepare` is one of a two-phase commit, which is then committed or rolled back; `canCommit` one of a three-phase
 * commit, which is asked whether it could before.
 */
export type StepKind = 'step' | 'amends' | 'pivot' | 'forward' | 'try' | 'prepare' | 'canCommit';

/** The steps of a transaction in the order in which its body runs them. */
export type MatrixSteps = Readonly<Record<string, StepKind>>;

/** One transaction that the matrix runs. */
export interface MatrixCase {
  /** Such as `pay compensation: hangs`; by it a case is run again. */
  readonly name: string;
  /** One, or two of a pair. */
  readonly faults: readonly MatrixFault[];
  /** What brings about the undo that a fault strikes. */
  readonly triggers: readonly MatrixFault[];
}

/** Options of {@link matrixCases}. */
export interface CaseOptions {
  /** How many pairs are sampled. Default: 0 */
  readonly pairs?: number;
  /** The same seed samples the same pairs. Default: 1 */
  readonly seed?: number;
  /** The kinds of faults. Default: all that every lane has. */
  readonly kinds?: readonly FaultKind[];
  /** Whether a step's guard has the probe, so that a refusal can be stored. Default: all have. */
  readonly probed?: (step: string) => boolean;
}

/** The rows of the table: each step with each operation. */
export function matrixRows(steps: MatrixSteps): { readonly step: string; readonly operation: MatrixOperation }[] {
  return Object.entries(steps).flatMap(([step, kind]): { step: string; operation: MatrixOperation }[] => {
    return operationsOf[kind].map((operation) => ({ step, operation }));
  });
}

/** What each kind of step is asked: what it does first comes first. */
const operationsOf: Readonly<Record<StepKind, readonly [MatrixOperation, ...MatrixOperation[]]>> = {
  step: ['action', 'compensation'],
  amends: ['action', 'amends'],
  pivot: ['pivot'],
  forward: ['forward'],
  try: ['try', 'confirm', 'cancel'],
  prepare: ['prepare', 'commit', 'rollback'],
  canCommit: ['canCommit', 'prepare', 'commit', 'rollback'],
};

/** What a step is asked to do that may be undone later, if it can be. */
function firstOf(kind: StepKind): MatrixOperation {
  const operations = operationsOf[kind];
  return operations.find((operation) => whichOf(operation) === 'first') ?? operations[0];
}

/** The scheme of a transaction of such steps. */
export function schemeOf(steps: MatrixSteps): Scheme {
  const kinds = new Set(Object.values(steps));
  if (kinds.has('canCommit')) return '3pc';
  return kinds.has('try') ? 'tcc' : kinds.has('prepare') ? '2pc' : 'saga';
}

/** Generates the cases: all single faults, row by row, then the pairs. */
export function matrixCases(steps: MatrixSteps, options: CaseOptions = {}): MatrixCase[] {
  const { pairs = 0, seed = 1, kinds = faultKinds, probed = () => true } = options;
  const single: MatrixFault[] = matrixRows(steps).flatMap(({ step, operation }) =>
    kinds.filter((kind) => kind !== 'refused' || probed(step)).map((kind) => ({ step, operation, kind })),
  );
  const cases = single.flatMap((fault) => caseOf(steps, [fault], probed) ?? []);
  const random = generator(seed);
  const taken = new Set<number>();
  const count = single.length * single.length;
  for (let tries = 0, found = 0; found < pairs && tries < pairs * 50; tries++) {
    const place = Math.floor(random() * count);
    const [a, b] = [Math.floor(place / single.length), place % single.length];
    const [first, second] = [single[a], single[b]];
    if (first === undefined || second === undefined || a >= b || taken.has(place)) continue;
    taken.add(place);
    // Two faults of one operation are no pair: the first to strike hides the other.
    if (first.step === second.step && first.operation === second.operation) continue;
    const pair = caseOf(steps, [first, second], probed);
    if (pair === undefined) continue;
    cases.push(pair);
    found++;
  }
  return cases;
}

/**
 * What is confirmed is not cancelled: faults of both cannot come together.
 *
 * @returns undefined for faults that cannot come together
 */
function caseOf(
  steps: MatrixSteps,
  faults: readonly MatrixFault[],
  probed: (step: string) => boolean,
): MatrixCase | undefined {
  const second = new Set(faults.map(({ operation }) => whichOf(operation)));
  if (second.has('undo') && second.has('confirm')) return undefined;
  const triggers: MatrixFault[] = [];
  // What brings about the undo of the newest struck step undoes those before it, too.
  const names = Object.keys(steps);
  const undone = faults.filter(({ operation }) => isUndo(operation)).map(({ step }) => names.indexOf(step));
  if (undone.length > 0) {
    const trigger = triggerOf(steps, Math.max(...undone), faults, probed);
    if (trigger === undefined) return undefined;
    triggers.push(trigger);
  }
  const name = faults.map(({ step, operation, kind }) => `${step} ${operation}: ${kind}`).join(' + ');
  return { name, faults, triggers };
}

/** What brings about the undo of a step: a later step is refused, the latest that can be; else its own reply never comes. */
function triggerOf(
  steps: MatrixSteps,
  at: number,
  faults: readonly MatrixFault[],
  probed: (step: string) => boolean,
): MatrixFault | undefined {
  const free = (step: string) => !faults.some((fault) => fault.step === step && whichOf(fault.operation) === 'first');
  const all = Object.entries(steps);
  for (const [step, kind] of all.slice(at + 1).reverse()) {
    if (kind === 'forward' || !free(step) || !probed(step)) continue;
    return { step, operation: firstOf(kind), kind: 'refused', trigger: true };
  }
  const [own, kind] = all[at] ?? [];
  if (own === undefined || kind === undefined || !free(own)) return undefined;
  return { step: own, operation: firstOf(kind), kind: 'unheard', trigger: true };
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
