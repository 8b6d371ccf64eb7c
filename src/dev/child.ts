import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcess, identify } from './processes.js';
import { unlessAborted } from '../signals.js';

/** How a child process is started, watched and stopped. */
export interface ChildOptions {
  /** For messages, such as `PostgreSQL`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Run as this user, when started by root. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** All that it prints. */
  readonly logFile: string;
  /** What asks it to stop. */
  readonly signal: NodeJS.Signals;
  /** What ends it at once, if this program ends without having stopped it. */
  readonly signalAtOnce: NodeJS.Signals;
  /** Rejects while it cannot be used; asked again and again. */
  readonly ready: () => Promise<void>;
  /** How long it may take until it can be used, in milliseconds. */
  readonly readyMs: number;
  /** Calls the start off: what was started is stopped. */
  readonly abort?: AbortSignal;
  /** Called once if it ends without having been asked to. */
  readonly onDeath?: (report: Error) => void;
}

/** Lines kept of what a child printed last. */
const LAST_LINES = 20;
/** A log file beyond this size, in bytes, is put aside at the next start, in place of the one before. */
const LOG_LIMIT = 10_000_000;

/** A child process that is ready to be used. */
export class Child {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  #stopping = false;
  #exit: string | undefined;
  readonly exited: Promise<void>;

  private constructor(options: ChildOptions) {
    this.#options = options;
    // A process group of its own: Ctrl-C in the terminal reaches this program, which stops its children in order.
    this.#process = spawn(options.command, options.args, {
      ...options.user,
      env: options.env,
      cwd: options.cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const size = statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_LIMIT) renameSync(options.logFile, `${options.logFile}.1`);
    const log = createWriteStream(options.logFile, { flags: 'a' });
    log.on('error', () => undefined); // A full disk ends the servers' own work, with a report.
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        log.write(text);
        this.#lines.push(...text.split('\n').filter((line) => line.trim() !== ''));
        this.#lines.splice(0, this.#lines.length - LAST_LINES);
      });
    }
    this.exited = new Promise((resolve) => {
      const end = (how: string) => {
        if (this.#exit !== undefined) return;
        this.#exit = how;
        log.end();
        process.off('exit', this.#killNow);
        resolve();
      };
      this.#process.once('error', (error) => {
        this.#lines.push(error.message);
        end('could not be started');
      });
      this.#process.once('close', (code, signal) => {
        end(signal ? `was ended by ${signal}` : `ended with code ${code ?? 'unknown'}`);
      });
    });
    process.once('exit', this.#killNow);
  }

  /**
   * Starts a child and waits until it can be used.
   *
   * @throws with its last lines if it ends before, or takes too long; the signal's reason if it is called off
   */
  static async start(options: ChildOptions, onStarted: (pid: number) => void): Promise<Child> {
    options.abort?.throwIfAborted();
    const child = new Child(options);
    if (child.pid !== undefined) onStarted(child.pid);
    try {
      await unlessAborted(child.#untilReady(), options.abort);
    } catch (error) {
      await child.stop();
      throw error;
    }
    void child.exited.then(() => {
      if (!child.#stopping) options.onDeath?.(child.#report());
    });
    return child;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Stops it: asks first (or sends another signal), kills after 10 s. */
  async stop(signal = this.#options.signal): Promise<void> {
    this.#stopping = true;
    const identity = this.pid === undefined ? undefined : identify(this.pid);
    if (identity) await endProcess(identity, signal);
    await this.exited;
  }

  async #untilReady(): Promise<void> {
    const { name, ready, readyMs } = this.#options;
    const until = Date.now() + readyMs;
    for (;;) {
      const asked = ready().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      // Asking may take long, and is in vain once it has ended.
      const notReady = await Promise.race([asked, this.exited.then(() => 'ended')]);
      if (this.#exit !== undefined) throw this.#report();
      if (notReady === undefined) return;
      if (Date.now() > until)
        throw new Error(`${name} was not ready within ${readyMs / 1000} s (${notReady}); ${this.#last()}`);
      await Promise.race([delay(50), this.exited]);
    }
  }

  readonly #killNow = (): void => {
    this.#process.kill(this.#options.signalAtOnce);
  };

  #report(): Error {
    return new Error(`${this.#options.name} ${this.#exit ?? 'ended'}; ${this.#last()}`);
  }

  #last(): string {
    const lines = this.#lines.slice(-LAST_LINES);
    return lines.length === 0
      ? 'it printed nothing'
      : `its last lines (all of them in ${this.#options.logFile}):\n  ${lines.join('\n  ')}`;
  }
}
