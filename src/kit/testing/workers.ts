import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  MATRIX_VARIABLE,
  type Answer,
  type FromWorker,
  type MatrixWorker,
  type Reached,
  type Request,
  type Terms,
  type ToWorker,
} from './protocol.js';

/** The program that runs a worker: the user's own, with {@link matrixFaults}. */
export interface WorkerProgram {
  /** The module, such as `new URL('./matrix-worker.js', import.meta.url)`. */
  readonly file: URL | string;
  readonly args?: readonly string[];
  /** Besides this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node. Default: this process's. */
  readonly execArgv?: readonly string[];
}

/** Lines kept of what a worker printed last. */
const LAST_LINES = 20;
/** How long a worker may take until it serves, in milliseconds: it may have to bundle its workflows. */
const READY_MS = 120_000;

/** A worker process of the matrix. */
export interface MatrixProcess {
  /** Lets it serve its task queue, once it is ready. */
  serve(): void;
  /** SIGKILL. @returns when it is gone */
  kill(): Promise<void>;
  /** Asks it to do something. @throws {@link ProcessGone} if it ends before, else what it says went wrong */
  request(request: Request): Promise<unknown>;
  /** Until it could serve its task queue. @throws with its last lines, if it ends before */
  readonly ready: Promise<void>;
  /** How it ended, and what it printed last. */
  readonly ended: Promise<string>;
}

/** A worker process was gone before it had replied. */
export class ProcessGone extends Error {}

/** Whom a worker tells. */
export interface WorkerListener {
  /** Decides what becomes of an operation. Never settles for a worker that is killed. */
  reached(reached: Reached, by: MatrixProcess): Promise<Answer>;
  /** Says how a workflow is started that a worker starts. */
  terms(gid: string): Terms | undefined;
  /** An attempt is over. */
  left(flight: number, by: MatrixProcess): void;
  /** The process is gone: so are its attempts. */
  gone(by: MatrixProcess): void;
}

/** Starts a worker process. */
export function startWorker(program: WorkerProgram, settings: MatrixWorker, listener: WorkerListener): MatrixProcess {
  const { file, args = [], env = {}, execArgv = process.execArgv } = program;
  const child = fork(file instanceof URL ? fileURLToPath(file) : file, args, {
    env: { ...process.env, ...env, [MATRIX_VARIABLE]: JSON.stringify(settings) },
    execArgv: [...execArgv],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.split('\n').filter((line) => line.trim() !== ''));
      lines.splice(0, lines.length - LAST_LINES);
    });
  }
  const ended = new Promise<string>((resolve) => {
    const end = (how: string) => {
      resolve([how, ...lines].join('\n  '));
    };
    child.once('error', (error) => {
      end(`could not be started: ${error.message}`);
    });
    child.once('close', (code, signal) => {
      end(signal === null ? `ended with code ${String(code)}` : `was ended by ${signal}`);
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`the worker ${String(file)} did not serve within ${READY_MS / 1_000} s: ${lines.join('\n  ')}`));
    }, READY_MS);
    child.on('message', (message: FromWorker) => {
      if (message.type === 'ready') resolve();
    });
    void ended.then((how) => {
      reject(new Error(`the worker ${String(file)} ${how}`));
    });
    void ended.finally(() => {
      clearTimeout(timer);
    });
    child.once('message', () => {
      clearTimeout(timer);
    });
  });
  ready.catch(() => undefined);
  const replies = new Replies();
  const worker: MatrixProcess = {
    ready,
    ended,
    serve() {
      tell(child, { type: 'serve' });
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    request: (request) =>
      replies.expect((id) => {
        tell(child, { type: 'request', id, request });
      }),
  };
  listen(child, worker, listener);
  child.on('message', (message: FromWorker) => {
    if (message.type === 'reply') replies.take(message);
  });
  void ended.then((how) => {
    replies.end(how);
    listener.gone(worker);
  });
  return worker;
}

function listen(child: ChildProcess, worker: MatrixProcess, listener: WorkerListener): void {
  child.on('message', (message: FromWorker) => {
    switch (message.type) {
      case 'left':
        listener.left(message.flight, worker);
        break;
      case 'starting': {
        const { id, gid } = message;
        tell(child, { type: 'terms', id, terms: listener.terms(gid) });
        break;
      }
      case 'reached': {
        const { id, reached } = message;
        void listener.reached(reached, worker).then((answer) => {
          tell(child, { type: 'answer', id, answer });
        });
        break;
      }
    }
  });
}

/** It may have been killed meanwhile. */
function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message, () => undefined);
}

/** What a process was asked and has not replied to. */
class Replies {
  readonly #waiting = new Map<number, { resolve: (reply: unknown) => void; reject: (error: Error) => void }>();
  #last = 0;
  #ended: string | undefined;

  expect(send: (id: number) => void): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(new ProcessGone(this.#ended));
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      send(id);
    });
  }

  take({ id, reply, error }: FromWorker & { readonly type: 'reply' }): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(reply);
    else waiting?.reject(new Error(error));
  }

  end(how: string): void {
    this.#ended = how;
    for (const { reject } of this.#waiting.values()) reject(new ProcessGone(how));
    this.#waiting.clear();
  }
}

/**
 * The workers of a matrix: one that lives, and one that is killed, on a task queue of its own. For that one a spare is
 * ready, which takes its place at once.
 */
export class Workers {
  readonly #start: (taskQueue: string) => MatrixProcess;
  readonly #queues: { readonly steady: string; readonly killed: string };
  readonly #failed: (error: Error) => void;
  readonly #alive = new Set<MatrixProcess>();
  readonly #doomed = new Set<MatrixProcess>();
  /** The one of each queue that serves, or will next. */
  readonly #serving = new Map<string, MatrixProcess>();
  #spare: MatrixProcess | undefined;
  #closed = false;
  /** How many were killed. */
  killed = 0;

  /** @param failed told when a worker ends that nobody has killed */
  constructor(
    start: (taskQueue: string) => MatrixProcess,
    queues: { readonly steady: string; readonly killed: string },
    failed: (error: Error) => void,
  ) {
    this.#start = start;
    this.#queues = queues;
    this.#failed = failed;
  }

  /** Starts them. The first one makes what all of them use. */
  async open(killable: boolean): Promise<void> {
    const steady = this.#add(this.#queues.steady);
    this.#serving.set(this.#queues.steady, steady);
    await steady.ready;
    steady.serve();
    if (!killable) return;
    const first = this.#add(this.#queues.killed);
    this.#spare = this.#add(this.#queues.killed);
    this.#serving.set(this.#queues.killed, first);
    await first.ready;
    first.serve();
  }

  /** The process that serves a task queue. */
  at(taskQueue: string): MatrixProcess {
    const worker = this.#serving.get(taskQueue);
    if (worker === undefined) throw new RangeError(`no worker serves ${taskQueue}`);
    return worker;
  }

  /** Kills a worker, and lets the spare take its place. */
  async kill(worker: MatrixProcess): Promise<void> {
    if (this.#closed || this.#doomed.has(worker)) return;
    this.#doomed.add(worker);
    this.killed++;
    const gone = worker.kill();
    // It may not be ready yet: what it is told is kept for it.
    this.#spare?.serve();
    if (this.#spare !== undefined) this.#serving.set(this.#queues.killed, this.#spare);
    this.#spare = this.#add(this.#queues.killed);
    await gone;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#alive].map((worker) => worker.kill()));
  }

  #add(taskQueue: string): MatrixProcess {
    const worker = this.#start(taskQueue);
    this.#alive.add(worker);
    void worker.ended.then((how) => {
      this.#alive.delete(worker);
      if (!this.#closed && !this.#doomed.has(worker)) this.#failed(new Error(`a worker of the matrix ${how}`));
    });
    return worker;
  }
}
