import { ApplicationFailure } from '@temporalio/common';
import type { TransactionState } from '../branch.js';
import {
  DecidedBefore,
  StepFailed,
  transactionFailure,
  TransactionStopped,
  type CauseNote,
  type TransactionReport,
} from '../failure.js';
import type { Ledger } from './ledger.js';

/** What a saga that does not commit says of itself: why, what was undone, and what happened and was not. */
export function reportOf(
  of: Pick<TransactionReport, 'gid' | 'scheme'>,
  ledger: Ledger,
  cause: unknown,
  state: TransactionState,
): TransactionReport {
  const left = ledger.branches.filter(
    ({ step, state: known }) => (known === 'succeeded' || known === 'unknown') && !ledger.undone.includes(step),
  );
  const why = state === 'compensating' ? 'its undo is under way' : 'nothing is undone after the pivot';
  return {
    ...of,
    state,
    cause: describeCause(cause),
    undone: ledger.undone,
    notUndone: left.map(({ step, state: known, undo, confirm, failure }) => ({
      step,
      ...(undo?.failure ?? confirm?.failure ?? failure ?? { type: 'NotUndone', message: `it ${known}; ${why}` }),
    })),
  };
}

/** A report in one line: what the cause was, what was undone, and what was not. */
export function describeReport({ cause, undone, notUndone }: TransactionReport): string {
  const { type, step, message } = cause;
  const kept = notUndone.filter((branch) => branch.type === 'NotUndone').map((branch) => branch.step);
  const left = notUndone
    .filter((branch) => branch.type !== 'NotUndone')
    .map((branch) => `${branch.step} (${branch.type}: ${branch.message})`);
  return [
    `${step ? `${step}: ` : ''}${type}: ${message}`,
    ...(kept.length > 0 ? [`kept, as nothing is undone after the pivot: ${kept.join(', ')}`] : []),
    ...(kept.length === 0 ? [`undone: ${undone.join(', ') || 'nothing had to be'}`] : []),
    ...(left.length > 0 ? [`NOT undone: ${left.join(', ')}`] : []),
  ].join('; ');
}

/** An error as it is told. */
export function describeCause(cause: unknown): CauseNote {
  if (cause instanceof DecidedBefore) return cause.note;
  if (cause instanceof StepFailed) {
    const { step, knowledge, type, message } = cause;
    return { step, knowledge, type, message };
  }
  if (cause instanceof TransactionStopped) return { type: cause.type, message: cause.message };
  if (cause instanceof Error) return { type: cause.name, message: cause.message };
  return { type: 'Error', message: String(cause) };
}

/** The one failure that a caller gets: what the cause was, what was undone, and what was not. */
export function failureOf(report: TransactionReport | undefined, cause: unknown): ApplicationFailure {
  if (report === undefined) throw new Error('a transaction that is not committed has a report');
  return ApplicationFailure.create({
    type: report.state === 'compensated' ? transactionFailure.compensated : transactionFailure.failed,
    message: describeReport(report),
    nonRetryable: true,
    details: [report],
    // The step's own failure if there was one, so that the Web UI and the client show the activity's stack.
    cause: cause instanceof Error ? (cause.cause instanceof Error ? cause.cause : cause) : undefined,
  });
}
