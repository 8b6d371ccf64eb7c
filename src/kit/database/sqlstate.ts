import { Rejection } from './rejection.js';

/**
 * The one place that says what a database's error means for an operation.
 *
 * - `definite`: a constraint (class 23) refused the work: it was rolled back and would be refused again.
 * - `retryable`: the attempt was lost (serialization failure, deadlock, lock or statement timeout, shutdown, too many
 *   connections, connection loss): its outcome is unknown, another attempt may succeed.
 * - `defect`: anything else, such as a missing table or a syntax error. Never a definite no: retried, and unknown.
 */
export type ErrorClass = 'definite' | 'retryable' | 'defect';

const RETRYABLE_CLASSES = ['08', '40', '53', '57'];
const RETRYABLE_CODES = new Set(['25P03', '25P04', '55P03', '55006']);
const LOST_CONNECTION = /^(E[A-Z]+|CONNECTION_[A-Z]+)$/;
const LOST_MESSAGE = /connection (terminated|closed|ended|timeout)|timeout exceeded when trying to connect/i;

/** Says what an error that a database client threw means. */
export function classifyError(error: unknown): ErrorClass {
  if (!(error instanceof Error)) return 'defect';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    if (code.length === 5 && code.startsWith('23')) return 'definite';
    if (RETRYABLE_CLASSES.includes(code.slice(0, 2)) || RETRYABLE_CODES.has(code)) return 'retryable';
    if (LOST_CONNECTION.test(code)) return 'retryable';
  }
  return LOST_MESSAGE.test(error.message) ? 'retryable' : 'defect';
}

/** The rejection that an error of guarded work means, if it is a definite no. */
export function rejectionOf(error: unknown): Rejection | undefined {
  if (error instanceof Rejection) return error;
  if (classifyError(error) !== 'definite') return undefined;
  const { constraint, constraint_name, table, table_name, message } = error as Error & Record<string, unknown>;
  const rule = constraint ?? constraint_name;
  const where = table ?? table_name;
  const named = typeof rule === 'string' ? `constraint ${rule}` : message;
  return new Rejection('ConstraintViolated', typeof where === 'string' ? `${named} of table ${where}` : named);
}
