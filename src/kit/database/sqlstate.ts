import { NotBegun } from './not-begun.js';
import { Rejection } from './rejection.js';

/**
 * The one place that says what a database's error means for an operation: a constraint (class 23) that refused the work
 * is a definite no, as the work was rolled back and would be refused again. Everything else (serialization failure,
 * deadlock, timeout, lost connection, a missing table) leaves the outcome unknown, and is tried again. What is no guarded
 * work, such as an entry of the log, is told by {@link isDataRefused}.
 */

/** How far along `cause` an error is looked for: libraries wrap the client's error once or twice. */
const MAX_CAUSES = 5;

/** The error with a SQLSTATE that was thrown, or that is the cause of what was thrown. */
function databaseError(thrown: unknown): (Error & { code: string } & Record<string, unknown>) | undefined {
  let error = thrown;
  for (let depth = 0; depth <= MAX_CAUSES && error instanceof Error; depth++) {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return error as ReturnType<typeof databaseError>;
    error = error.cause;
  }
  return undefined;
}

/** The SQLSTATE of an error that a database client or a library upon it threw. */
export function sqlStateOf(error: unknown): string | undefined {
  return databaseError(error)?.code;
}

/** The rejection that an error of guarded work means, if it is a definite no. */
export function rejectionOf(thrown: unknown): Rejection | undefined {
  if (thrown instanceof Rejection) return thrown;
  const error = databaseError(thrown);
  if (!error?.code.startsWith('23')) return undefined;
  const { constraint, constraint_name, table, table_name, message } = error;
  const rule = constraint ?? constraint_name;
  const where = table ?? table_name;
  const named = typeof rule === 'string' ? `constraint ${rule}` : message;
  return new Rejection('ConstraintViolated', typeof where === 'string' ? `${named} of table ${where}` : named);
}

/**
 * The constraint (class 23) that an error says was violated, as `schema.name`; undefined for any other error. One without a
 * name, as `not null`, has an empty one.
 */
export function constraintOf(thrown: unknown): string | undefined {
  const error = databaseError(thrown);
  if (!error?.code.startsWith('23')) return undefined;
  const { constraint, constraint_name, schema, schema_name } = error as Partial<Record<string, string>>;
  return `${schema ?? schema_name ?? ''}.${constraint ?? constraint_name ?? ''}`;
}

/** Data exception, constraint, more than the program's limits; a statement that was ended, as it took too long. */
const DATA_REFUSED = /^(22|23|54|57014)/;

/**
 * Whether an error means that the database does not take these data, though it can be used: to send the same again comes
 * to the same. A `RangeError` is the engine's word for a value that is nested too deep to be written as JSON.
 */
export function isDataRefused(error: unknown): boolean {
  return error instanceof RangeError || DATA_REFUSED.test(sqlStateOf(error) ?? '');
}

/** The server goes away, takes no connection, or has no room for one. */
const NO_SERVER = /^(08...|57P0[123]|53300)$/;
/** What the system says of a connection, and what postgres.js says. */
const NO_CONNECTION = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH'],
  ...['ENETUNREACH', 'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'],
];
/** What pg says without a code. */
const TERMINATED = /^Connection terminated|has encountered a connection error|its connection is given up$/;

/**
 * Whether an error means that there was no connection, or that it was lost. By itself that does not tell that the database cannot be
 * used: work may end its own connection, by taking too long for one.
 */
export function isConnectionLost(thrown: unknown): boolean {
  let error = thrown;
  for (let depth = 0; depth <= MAX_CAUSES && error instanceof Error; depth++) {
    const { code } = error as { code?: unknown };
    const isCoded = typeof code === 'string' && (NO_SERVER.test(code) || NO_CONNECTION.includes(code));
    if (isCoded || error instanceof NotBegun || TERMINATED.test(error.message)) return true;
    error = error.cause;
  }
  return false;
}
