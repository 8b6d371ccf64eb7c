import type { MatrixCase, MatrixSteps } from './cases.js';
import type { FaultKind, MatrixOperation } from './faults.js';

/** A branch that waited for a person. */
export interface MatrixDeskCase {
  readonly branch: string;
  readonly op: string;
  readonly type: string;
  readonly message: string;
}

/** What came of a case. */
export interface MatrixResult {
  readonly case: MatrixCase;
  readonly gid: string;
  /**
   * - `ok`: every branch has its effect exactly once, or none has.
   * - `desk`: the same, after what a program could not do had waited for a person, and the person had asked for it again.
   * - `split`: of a three-phase commit, by a fault that may split it: some branches have their effect, and others have not;
   *   each that has waited at the desk for that, and is named in the end.
   * - `wrong`: see {@link reasons}.
   */
  readonly verdict: 'ok' | 'desk' | 'split' | 'wrong';
  /** Why it is wrong: a line each. */
  readonly reasons: readonly string[];
  /** How the transaction ended; `open` if it did not. */
  readonly state: 'committed' | 'compensated' | 'failed' | 'open';
  readonly effects: Readonly<Record<string, number>>;
  readonly desk: readonly MatrixDeskCase[];
  /** Faults that never struck, as the other one of a pair had let the transaction take another way. */
  readonly missed: readonly string[];
  /** Faults that struck only when another driver than the lane's own had the transaction. */
  readonly strayed: readonly string[];
  readonly ms: number;
}

/** What a matrix found. */
export interface MatrixReport {
  readonly steps: MatrixSteps;
  /** The columns. */
  readonly kinds: readonly FaultKind[];
  /** Of the single faults and of the pairs, in the order of their generation. */
  readonly results: readonly MatrixResult[];
  /** Runs of cases that were run again with longer times, as the machine was too slow for theirs; the reasons say how that showed. */
  readonly redone: readonly MatrixResult[];
  /** Those that are wrong. */
  readonly wrong: readonly MatrixResult[];
  readonly seed: number;
  /** How many workers were killed. */
  readonly killed: number;
  readonly ms: number;
  /** The table, what is wrong, and how many pairs there were: see {@link matrixTable}. */
  readonly table: string;
}

/** What is known of an ended transaction. */
export interface Judged {
  readonly state: MatrixResult['state'];
  /** What it failed with. */
  readonly message?: string;
  readonly effects: Readonly<Record<string, number>>;
  /** Those that are said to have happened though not all did: at the desk, and in what it failed with. */
  readonly split?: { readonly desk: readonly string[]; readonly report: readonly string[] };
}

/** Says what is wrong with a transaction: a line each. */
export function judge(steps: MatrixSteps, { state, message, effects, split }: Judged): string[] {
  if (state === 'open') return [message ?? 'it has not ended'];
  const reasons: string[] = [];
  if (state === 'failed' && split === undefined) reasons.push(`it failed: ${message ?? 'without a word'}`);
  const names = Object.keys(steps);
  for (const step of names) {
    const effect = effects[step];
    if (effect === 0 || effect === 1) continue;
    const what = effect === undefined ? 'effects() does not tell of it' : `its net effect is ${effect}`;
    reasons.push(`${step}: ${what}`);
  }
  if (reasons.length > 0) return reasons;
  const having = names.filter((step) => effects[step] === 1);
  const lacking = names.filter((step) => effects[step] === 0);
  if (split !== undefined) {
    return Object.entries(split).flatMap(([where, told]) => {
      const said = names.filter((step) => told.includes(step));
      if (state === 'failed' && said.join() === having.join() && lacking.length > 0) return [];
      return [`it is ${state}, and its ${where} says that ${said.join(', ')} happened: ${having.join(', ')} did`];
    });
  }
  if (having.length > 0 && lacking.length > 0) {
    return [`it is ${state}, and half done: ${having.join(', ')} happened; ${lacking.join(', ')} did not`];
  }
  const found = lacking.length === 0 ? 'committed' : 'compensated';
  return found === state ? [] : [`it says ${state}, and the databases say ${found}`];
}

/** The operations of a step, as a row is named. */
export function rowName({ step, operation }: { readonly step: string; readonly operation: MatrixOperation }): string {
  return `${step} ${operation}`;
}
