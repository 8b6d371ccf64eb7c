import type { TransactionState } from '../workflow/branch.js';
import type { TransactionReport } from '../workflow/failure.js';

/**
 * What a caller can get instead of a result. Each is one line to read, and fields to decide on.
 */

/** The transaction was undone: no effect is left. */
export class TransactionCompensated extends Error {
  readonly gid: string;
  readonly report: TransactionReport;

  constructor(message: string, report: TransactionReport, cause?: unknown) {
    super(`${report.gid} was undone: ${message}`, { cause });
    this.name = 'TransactionCompensated';
    this.gid = report.gid;
    this.report = report;
  }
}

/** Something was not undone, or not completed after the pivot: the report names each branch. */
export class TransactionFailed extends Error {
  readonly gid: string;
  readonly report: TransactionReport;

  constructor(message: string, report: TransactionReport, cause?: unknown) {
    super(`${report.gid} failed: ${message}`, { cause });
    this.name = 'TransactionFailed';
    this.gid = report.gid;
    this.report = report;
  }
}

/**
 * The transaction goes on by itself; ask for its outcome later. Nothing is lost by not waiting, unless it is not known yet
 * whether it has {@link begun}.
 */
export class TransactionPending extends Error {
  readonly gid: string;
  readonly state: TransactionState;
  /** Whether no worker serves its task queue: it goes on as soon as one does. */
  readonly noWorker: boolean;
  /**
   * False, in the lane `direct`, where its caller's time was over while its first step was under way: it goes on if that comes
   * to an end, and nothing happens if not. Ask again with the same input.
   */
  readonly begun: boolean;
  /** Present when it is decided that it will not commit. */
  readonly report?: TransactionReport;

  constructor(pending: {
    gid: string;
    state: TransactionState;
    taskQueue: string;
    noWorker?: boolean;
    /** Default: true */
    begun?: boolean;
    report?: TransactionReport;
    /** What is the matter with asking, or with going on. */
    cause?: unknown;
  }) {
    const { gid, state, taskQueue, noWorker = false, begun = true, report, cause } = pending;
    const why = cause === undefined ? '' : ` (${reasonOf(cause)})`;
    const message = begun
      ? pendingMessage(gid, state, noWorker ? taskQueue : undefined, report)
      : `whether ${gid} has begun is not known yet: ask again with the same input`;
    super(`${message}${why}`, { cause });
    this.name = 'TransactionPending';
    this.gid = gid;
    this.state = state;
    this.noWorker = noWorker;
    this.begun = begun;
    this.report = report;
  }
}

/** What an error says, with what the server has said of it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  const isTold = cause instanceof Error && 'details' in cause && typeof cause.details === 'string';
  return isTold ? `${message}: ${cause.details as string}` : message;
}

function pendingMessage(
  gid: string,
  state: TransactionState,
  unserved: string | undefined,
  report: TransactionReport | undefined,
): string {
  const then =
    state === 'stuck'
      ? `it waits for a person: backstitch desk show ${gid}`
      : unserved
        ? `no worker serves task queue '${unserved}': it goes on as soon as one is started`
        : 'it goes on by itself: ask again later';
  if (report === undefined) return `${gid} has not ended yet (${state}); ${then}`;
  const { step, type, message } = report.cause;
  return `${gid} will be undone (${step ? `${step}: ` : ''}${type}: ${message}); ${then}`;
}

/** The run that drove the transaction was ended from outside, before it was decided or undone. */
export class TransactionTerminated extends Error {
  readonly gid: string;
  readonly how: 'terminated' | 'timed-out' | 'cancelled';

  constructor(gid: string, how: 'terminated' | 'timed-out' | 'cancelled', reason: string) {
    super(
      `${gid} was ${how} from outside (${reason}): what it did is neither completed nor undone, until the scan settles it: backstitch scan`,
    );
    this.name = 'TransactionTerminated';
    this.gid = gid;
    this.how = how;
  }
}

/**
 * The transaction was committed, and whoever was told so first has its result: it cannot be told again, as the database could
 * not store it.
 */
export class ResultNotKept extends Error {
  readonly gid: string;

  constructor(gid: string, why: string) {
    super(`${gid} was committed, and its result could not be kept: ${why}`);
    this.name = 'ResultNotKept';
    this.gid = gid;
  }
}

/** The gid was used before, for something else. */
export class GidConflict extends Error {
  readonly gid: string;

  constructor(gid: string, used: string) {
    super(`${gid} was started before ${used}: nothing was started; use another id, or ask for what was started`);
    this.name = 'GidConflict';
    this.gid = gid;
  }
}

/**
 * Nothing was started: the call still waited in its own process for a group, or for its turn. Another caller of the same gid that
 * waits for its turn may have it started; calling again is safe.
 */
export class NotStarted extends Error {
  readonly gid: string;

  constructor(gid: string, why: string) {
    super(`${gid} was not started: ${why}; nothing was done, and calling again is safe`);
    this.name = 'NotStarted';
    this.gid = gid;
  }
}

/** No worker serves the task queue. */
export class NoWorker extends Error {
  constructor(taskQueue: string, namespace: string) {
    super(`no worker serves task queue '${taskQueue}' of namespace '${namespace}'`);
    this.name = 'NoWorker';
  }
}

/** There is no transaction with this gid, or none that still runs. */
export class TransactionNotFound extends Error {
  readonly gid: string;

  constructor(gid: string, namespace: string, which?: 'running') {
    super(
      which === undefined
        ? `no transaction ${gid} in namespace '${namespace}'`
        : `no transaction ${gid} runs in namespace '${namespace}': it has ended, or never was`,
    );
    this.name = 'TransactionNotFound';
    this.gid = gid;
  }
}

/** What the participants' databases hold of a transaction cannot be read now. The message has a line for each that is silent. */
export class JournalUnreadable extends Error {
  readonly gid: string;

  constructor(gid: string, unread: readonly string[]) {
    super(`nothing can be said of ${gid}: ${unread.join('; ')}`);
    this.name = 'JournalUnreadable';
    this.gid = gid;
  }
}

/** What a person decided, or an operator ordered, does not fit as things stand; nothing changed. */
export class OrderRefused extends Error {
  readonly gid: string;

  constructor(gid: string, why: string) {
    super(`${gid}: ${why}`);
    this.name = 'OrderRefused';
    this.gid = gid;
  }
}

/**
 * No worker answered for a transaction, or none can: its code fails by what the run has done, or the run was ended from outside. Whether it
 * heard what was asked is not known; asking again is safe.
 */
export class WorkerSilent extends Error {
  readonly gid: string;

  /**
   * @param ms how long was waited, in milliseconds
   * @param why why none can, if that is known, and what to do
   */
  constructor(gid: string, ms: number, why?: string) {
    const within = `${gid} within ${ms / 1000} s`;
    super(
      why === undefined
        ? `no worker answered for ${within}: start one, then look at it and ask again`
        : `no worker could answer for ${within}: ${why}; then ask again`,
    );
    this.name = 'WorkerSilent';
    this.gid = gid;
  }
}

/** The Temporal server cannot be used as it is set up: nothing was started. The message says what to do. */
export class ServerNotPrepared extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ServerNotPrepared';
  }
}

/** The Temporal server did not answer, for as long as was tried. */
export class ServerUnavailable extends Error {
  readonly address: string;

  constructor(message: string, address: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ServerUnavailable';
    this.address = address;
  }
}
