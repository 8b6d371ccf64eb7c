import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Knowledge, Op, Operation } from '../../workflow/branch.js';
import type { FailureNote } from '../../workflow/failure.js';
import type { Guard } from '../guard/guard.js';
import { hashInput } from '../guard/json.js';
import { InputMismatch, StoredRejection, Suspended } from '../rejection.js';
import type { Sql } from '../sql.js';
import type { MethodWork } from './method.js';

/** A transaction whose driver is this process; what that does not give is said at {@link Transactional}. */
export interface Begun<Methods> {
  readonly gid: string;
  /**
   * The service's methods. Each call is a branch of its own, under the guard, made once and recorded in its row: method
   * and arguments, what became of it, its place in the order of calls.
   *
   * A call throws
   * - {@link Rejection}, {@link Suspended}, {@link InputMismatch}: a definite no. Nothing happened, others may follow.
   * - {@link CallRefused}: it was not begun, as `undo` was called, a call before it is unknown, or JSON does not carry
   *   its arguments.
   * - any other error: it is unknown. It may have happened or may yet, so nothing can follow but `undo`.
   */
  readonly service: Methods;
  /** The calls so far, in their order. */
  readonly calls: readonly MethodCall[];
  /**
   * Undoes what happened and what may have happened, newest first, each though another fails. Calls that still run are
   * waited for. No call can follow. Again it tries what is left; of what is undone nothing is done twice.
   *
   * @throws {@link UndoFailed} that names what is not undone
   */
  readonly undo: () => Promise<void>;
}

/** A call of a method, and what is known of it. */
export interface MethodCall {
  /** The method and its place in the order of calls, such as `reserve#1`. */
  readonly branch: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** `undone`: compensated, amended, or barred. */
  readonly status: 'running' | Knowledge | 'undone';
  /** Why it was rejected or is unknown, or why its undo has failed. */
  readonly failure?: FailureNote;
}

/** Options of calls without a workflow. */
export interface BeginOptions {
  /** What the guard's rows call the service: `inventory` of `inventory.reserve.action`. Default: the method alone. */
  readonly name?: string;
  /** How long one call may take, and one undo, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Who does the work, for the guard's rows. Default: the process and its machine. */
  readonly who?: string;
}

/** A call that was not begun: nothing of it happened. */
export class CallRefused extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'CallRefused';
  }
}

/** Not everything was undone. */
export class UndoFailed extends Error {
  readonly gid: string;
  /** What happened or may have happened, and is not undone, newest first. */
  readonly notUndone: readonly (FailureNote & { readonly branch: string })[];

  constructor(gid: string, notUndone: UndoFailed['notUndone'], causes: readonly unknown[]) {
    const told = notUndone.map(({ branch, type, message }) => `${branch} (${type}: ${message})`);
    super(`${gid} is NOT undone: ${told.join('; ')}`, {
      cause: causes.length > 1 ? new AggregateError(causes) : causes[0],
    });
    this.name = 'UndoFailed';
    this.gid = gid;
    this.notUndone = notUndone;
  }
}

/** Begins a transaction of these methods. */
export function begin(
  guard: Guard,
  methods: readonly MethodWork[],
  gid: string = randomUUID(),
  options: BeginOptions,
): Begun<Record<string, (...args: unknown[]) => Promise<unknown>>> {
  if (gid === '') throw new TypeError('a gid is a text that is not empty');
  const calls = new Calls(guard, gid, options);
  return {
    gid,
    service: Object.fromEntries(methods.map((method) => [method.name, (...args) => calls.call(method, args)])),
    get calls() {
      return calls.list;
    },
    undo: () => calls.undo(),
  };
}

/** A call as it is kept. */
interface Call {
  readonly method: MethodWork;
  readonly branch: string;
  readonly seq: number;
  /** As they were, whatever their owner has done with the objects since. */
  readonly args: readonly unknown[];
  status: MethodCall['status'];
  succeeded: boolean;
  undos: number;
  failure?: FailureNote;
}

/**
 * The calls of one transaction.
 *
 * A call: running → succeeded | rejected | unknown; succeeded | unknown → undone. The transaction is open until the
 * first call is unknown or `undo` is called, and never again.
 */
class Calls {
  readonly #guard: Guard;
  readonly #gid: string;
  readonly #options: BeginOptions;
  readonly #calls: Call[] = [];
  readonly #running = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  /** The undo that is under way. */
  #undoing: Promise<void> | undefined;

  constructor(guard: Guard, gid: string, options: BeginOptions) {
    this.#guard = guard;
    this.#gid = gid;
    this.#options = options;
  }

  get list(): MethodCall[] {
    return this.#calls.map(({ branch, method, args, status, failure }) => ({
      ...{ branch, method: method.name, args, status },
      ...(failure && { failure }),
    }));
  }

  async call(method: MethodWork, given: readonly unknown[]): Promise<unknown> {
    const call = this.#begin(method, given);
    const operation = this.#operation(call, 'action', this.#stop.signal);
    const { atOnce } = method;
    const applied = this.#guard.apply(
      operation,
      call.args,
      (sql) => method.work(sql, argsOf(call)),
      atOnce && (() => atOnce(argsOf(call))),
    );
    const settled = applied.then(
      () => {
        call.status = 'succeeded';
        call.succeeded = true;
      },
      (error: unknown) => {
        const isDefinite = [StoredRejection, Suspended, InputMismatch].some((kind) => error instanceof kind);
        call.status = isDefinite ? 'rejected' : 'unknown';
        call.failure = noteOf(error);
      },
    );
    this.#running.add(settled);
    await settled;
    this.#running.delete(settled);
    return applied;
  }

  undo(): Promise<void> {
    this.#stop.abort(new CallRefused(`${this.#gid} is being undone`));
    this.#undoing ??= this.#undoAll().finally(() => {
      this.#undoing = undefined;
    });
    return this.#undoing;
  }

  /** Takes a call in, in the order in which calls are made. @throws {@link CallRefused} */
  #begin(method: MethodWork, given: readonly unknown[]): Call {
    const refuse = (why: string, cause?: unknown) =>
      new CallRefused(`${method.name} is refused, nothing of it was done: ${why}`, cause);
    if (this.#stop.signal.aborted) throw refuse(`${this.#gid} was undone: begin another transaction`);
    const unknown = this.#calls.find(({ status }) => status === 'unknown');
    if (unknown) throw refuse(`whether ${unknown.branch} of ${this.#gid} happened is not known: call undo`);
    let args: readonly unknown[];
    try {
      args = structuredClone(given);
      hashInput(args);
    } catch (error) {
      throw refuse(`JSON does not carry its arguments: ${(error as Error).message}`, error);
    }
    const seq = this.#calls.length + 1;
    const branch = `${method.name}#${seq}`;
    const call: Call = { ...{ method, branch, seq, args }, status: 'running', succeeded: false, undos: 0 };
    this.#calls.push(call);
    return call;
  }

  async #undoAll(): Promise<void> {
    await Promise.all(this.#running);
    const notUndone: (FailureNote & { branch: string })[] = [];
    const causes: unknown[] = [];
    for (const call of [...this.#calls].reverse()) {
      if (call.status === 'rejected' || call.status === 'undone') continue;
      try {
        await this.#undoOne(call);
        call.status = 'undone';
        call.failure = undefined;
      } catch (error) {
        call.failure = noteOf(error);
        notUndone.push({ branch: call.branch, ...call.failure });
        causes.push(error);
      }
    }
    if (notUndone.length > 0) throw new UndoFailed(this.#gid, notUndone, causes);
  }

  async #undoOne(call: Call): Promise<void> {
    const { method } = call;
    call.undos++;
    const operation = this.#operation(call, method.undo?.op ?? 'compensation', new AbortController().signal);
    const { atOnce } = method.undo ?? {};
    const work = async (sql: Sql, result: unknown) => {
      // What may still come is barred nevertheless.
      if (method.undo === undefined) throw new Error('it only goes forward: it has neither a compensation nor amends');
      return method.undo.work(sql, argsOf(call), result);
    };
    await this.#guard.undo(operation, call.args, work, atOnce && (() => atOnce(argsOf(call))));
  }

  #operation({ method, branch, seq, succeeded, undos }: Call, op: Op, signal: AbortSignal): Operation {
    const { name, timeoutMs = 10_000, who = `${process.pid}@${hostname()}` } = this.#options;
    return {
      ...{ gid: this.#gid, branch, op, scheme: 'saga', seq, timeoutMs, who, signal },
      function: `${name === undefined ? '' : `${name}.`}${method.name}.${op}`,
      driver: `process:${who}`,
      attempt: op === 'action' ? 1 : undos,
      ...(op !== 'action' && succeeded && { succeeded: true }),
    };
  }
}

/** What work gets: a copy, as it may change its arguments, and what undoes it has to have the same. */
function argsOf({ args }: Call): readonly unknown[] {
  return structuredClone(args);
}

function noteOf(error: unknown): FailureNote {
  if (!(error instanceof Error)) return { type: 'Error', message: String(error) };
  const { type } = error as { type?: unknown };
  return { type: typeof type === 'string' ? type : error.name, message: error.message };
}
