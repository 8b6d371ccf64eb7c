import {
  EventRefused,
  GidConflict,
  InvalidInput,
  JournalUnreadable,
  NotStarted,
  NoWorker,
  ResultNotKept,
  ScheduleNotFound,
  ServerNotPrepared,
  ServerUnavailable,
  TransactionCompensated,
  TransactionFailed,
  TransactionNotFound,
  TransactionPending,
  TransactionTerminated,
  WorkerSilent,
  type FoundState,
} from '../kit/client/index.js';
import { ConfigError } from '../config.js';
import { InvalidOrdersFile } from './orders-file.js';

/** What the program's exit code says. */
export const EXIT = {
  /** Done, as asked. */
  done: 0,
  /** The transaction was undone or refused; the books do not balance; or the program itself failed. */
  undone: 1,
  /** Bad usage or input, or nothing to talk to: nothing was started. */
  bad: 2,
  /** Begun and not ended: ask later. */
  pending: 3,
  /** Neither completed nor undone: a person is needed. */
  stuck: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Something that is needed before anything can be started is not there. The message is one line. */
export class NotReady extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'NotReady';
  }
}

/** Something was asked for, and no answer came: it may have been done. Asked again it is done once. The message is one line. */
export class NotKnown extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'NotKnown';
  }
}

const stateExits: Readonly<Record<FoundState, ExitCode>> = {
  committed: EXIT.done,
  compensated: EXIT.undone,
  running: EXIT.pending,
  compensating: EXIT.pending,
  stuck: EXIT.stuck,
  failed: EXIT.stuck,
  terminated: EXIT.stuck,
  'timed-out': EXIT.stuck,
  cancelled: EXIT.stuck,
  elsewhere: EXIT.undone,
};

/** The exit code that tells of a transaction in this state. */
export function exitOfState(state: FoundState): ExitCode {
  return stateExits[state];
}

const nothingStarted = [
  InvalidInput,
  InvalidOrdersFile,
  ConfigError,
  NotReady,
  NotStarted,
  NoWorker,
  ServerNotPrepared,
  GidConflict,
  TransactionNotFound,
  ScheduleNotFound,
];

/** The exit code that tells of this error. */
export function exitOf(error: unknown): ExitCode {
  if (nothingStarted.some((known) => error instanceof known)) return EXIT.bad;
  if (error instanceof ResultNotKept) return EXIT.done;
  // It is not taken now, or never: too many wait, or it is another event's.
  if (error instanceof EventRefused) return { Busy: EXIT.pending, MovedNothing: EXIT.stuck }[error.type] ?? EXIT.bad;
  if (error instanceof TransactionPending) return exitOfState(error.state);
  const silent = [NotKnown, ServerUnavailable, WorkerSilent, JournalUnreadable];
  if (silent.some((known) => error instanceof known)) return EXIT.pending;
  if (error instanceof TransactionCompensated) return EXIT.undone;
  if (error instanceof TransactionFailed || error instanceof TransactionTerminated) return EXIT.stuck;
  return EXIT.undone;
}

/** The error as the one JSON document of a command that failed. */
export function errorDocument(error: unknown): object {
  if (!(error instanceof Error)) return { error: { type: 'Error', message: String(error) } };
  const fields = Object.entries(error).filter(([key]) => key !== 'name' && key !== 'cause');
  return { error: { type: error.name, message: error.message, ...Object.fromEntries(fields) } };
}
