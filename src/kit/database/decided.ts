import type { Op } from '../workflow/branch.js';
import type { DecidedDetail } from '../workflow/failure.js';
import {
  Barred,
  Decided,
  DrivenElsewhere,
  InputMismatch,
  Rejection,
  StoredRejection,
  Suspended,
  Undone,
} from './rejection.js';

/** The operations that begin a branch: what they refuse has had no effect. */
const FIRST: readonly Op[] = ['action', 'try', 'prepare'];

/** What the guard decided, for whoever drives the transaction. */
export interface GuardDecision {
  /** The failure's type. */
  readonly type: string;
  readonly detail: DecidedDetail;
}

/**
 * What an error of an operation says for certain: only what the guard decided does. Every other error, whatever the
 * participant says of it, leaves the outcome unknown.
 */
export function decidedBy(error: unknown, op: Op): GuardDecision | undefined {
  if (error instanceof StoredRejection) return { type: error.type, detail: { backstitch: 'rejected' } };
  // Who only looks has done nothing: its no needs no row.
  if (error instanceof Rejection && op === 'canCommit') return { type: error.type, detail: { backstitch: 'rejected' } };
  if (error instanceof Suspended) return { type: 'Suspended', detail: { backstitch: 'suspended' } };
  if (error instanceof Barred) return { type: 'Barred', detail: { backstitch: 'barred' } };
  if (error instanceof Undone) return { type: 'Undone', detail: { backstitch: 'undone', result: error.result } };
  if (error instanceof Decided) return { type: 'Decided', detail: { backstitch: 'decided', fate: error.fate } };
  if (error instanceof DrivenElsewhere) return { type: 'DrivenElsewhere', detail: { backstitch: 'elsewhere' } };
  // The branch's row is another's: nothing of this input happened, nor can. An undo of it would undo the other's work.
  if (error instanceof InputMismatch && FIRST.includes(op)) {
    return { type: error.name, detail: { backstitch: 'mismatch' } };
  }
  return undefined;
}
