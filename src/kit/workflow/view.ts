import type { Knowledge, Op, Scheme, TransactionState } from './branch.js';
import type { DeskCase, DeskNote } from './desk.js';
import type { FailureNote, TransactionReport } from './failure.js';
import type { OperatorNote } from './operate.js';

/** The name of the query that answers with a {@link TransactionView}. */
export const TRANSACTION_QUERY = 'transaction';
/** What a query fails by that came too early, as `early-look.ts` says: the beginning of its message. */
export const TOO_EARLY = 'looked at before a worker has done what is due';
/** The name of the update that answers once it is decided whether the transaction commits; with a {@link Decision}. */
export const DECISION_UPDATE = 'decision';

/**
 * What became of an undo or a second phase.
 * - `parked`: it waits for a person.
 * - `resolved`: a person fixed it outside.
 * - `skipped`: a person left it as it is.
 */
export type SecondState = 'running' | 'done' | 'parked' | 'resolved' | 'skipped';

/** One branch of a transaction, as its driver sees it. Times are milliseconds since 1970. */
export interface BranchView {
  readonly branch: string;
  readonly seq: number;
  readonly operation: string;
  readonly summary: string;
  /** What is known of the first operation; `parked`: it waits for a person. */
  readonly state: 'running' | 'parked' | Knowledge;
  /** What is known of the undo, or of the second phase. */
  readonly second?: { readonly op: Op; readonly state: SecondState; readonly failure?: FailureNote };
  readonly failure?: FailureNote;
  readonly startedAt: number;
  readonly endedAt?: number;
}

/** A transaction, as its driver sees it: the same for every scheme. */
export interface TransactionView {
  readonly gid: string;
  readonly scheme: Scheme;
  readonly state: TransactionState;
  /** How it is driven. */
  readonly lane: string;
  readonly startedAt: number;
  readonly deadlineAt?: number;
  readonly branches: readonly BranchView[];
  /** Present once the transaction will not commit. */
  readonly report?: TransactionReport;
  /** What waits for a person. */
  readonly desk: readonly DeskCase[];
  /** What persons have decided, in order. */
  readonly decisions: readonly DeskNote[];
  /** What operators have done, in order. */
  readonly operations: readonly OperatorNote[];
  /** Since when, by whom and why it is paused. */
  readonly paused?: OperatorNote;
}

/** What was decided. An undo may still run: the report says how far it was when the question was answered. */
export interface Decision {
  readonly state: TransactionState;
  readonly report?: TransactionReport;
}

/** The view as Markdown, for the Web UI: a line of state and a table of branches. */
export function describeView(view: TransactionView): string {
  const { state, report, branches } = view;
  const lines = [`**${state}** · ${view.scheme}, ${view.lane} · ${view.gid}`, ''];
  const { paused } = view;
  if (paused) lines.push(`**Paused** by ${cell(paused.actor)}: ${cell(paused.reason)}`, '');
  if (report) {
    const { cause } = report;
    lines.push(`Cause: ${cause.step ? `\`${cause.step}\` ` : ''}**${cause.type}**: ${cell(cause.message)}`, '');
  }
  lines.push('| # | branch | operation | state | then | note |', '| --- | --- | --- | --- | --- | --- |');
  for (const branch of branches) {
    const { second } = branch;
    const then = second ? `${second.op} ${second.state}` : '';
    const failure = second?.failure ?? branch.failure;
    const note = failure ? `${failure.type}: ${failure.message}` : branch.summary;
    lines.push(
      `| ${branch.seq} | ${cell(branch.branch)} | ${cell(branch.operation)} | ${branch.state} | ${then} | ${cell(note)} |`,
    );
  }
  for (const { branch, op, fits, failure } of view.desk) {
    lines.push('', `**${op} of \`${branch}\` waits for a person** (${fits.join(', ')}): ${cell(failure.message)}`);
  }
  for (const note of view.decisions) {
    const { branch, action, actor, reason } = note;
    lines.push('', `${action} of \`${branch}\` by ${cell(actor)}: ${cell(reason)}${cell(barringOf(note))}`);
  }
  return lines.join('\n');
}

/** What is said of a decision behind which an operation could not be barred. */
export function barringOf({ notBarred }: DeskNote): string {
  return notBarred === undefined ? '' : `; it could not be barred, and may happen still (${notBarred})`;
}

/** Keeps a text within its cell. */
export function cell(text: string): string {
  return /[|\n]/.test(text) ? text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ') : text;
}
