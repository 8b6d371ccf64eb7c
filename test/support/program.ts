import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A program of this repository, run as a user would run it, in a process of its own. */
export class Program {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  /** Resolves to the exit code, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  #waiting: (() => void)[] = [];

  /**
   * @param file relative to the repository, such as `src/worker.ts`, or what `transpiled` has made of it, which starts in a third of the time
   * @param ipc whether messages can be sent to it
   */
  constructor(
    file: string,
    args: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
    { ipc = false }: { readonly ipc?: boolean } = {},
  ) {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const translating = file.endsWith('.ts') ? ['--import', 'tsx'] : [];
    this.child = spawn(process.execPath, [...translating, file, ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    });
    const note = () => {
      for (const look of this.#waiting) look();
    };
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      note();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      note();
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve(code ?? signal ?? 'SIGKILL');
        note();
      });
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the program could not be started');
    return this.child.pid;
  }

  /** Waits until the program has printed something. @throws with all that it printed if it ends before */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        const ended = this.child.exitCode !== null || this.child.signalCode !== null;
        if (!match && !ended) return;
        this.#waiting = this.#waiting.filter((each) => each !== look);
        if (match) resolve(match);
        else reject(new Error(`the program ended before it printed ${pattern}:\n${this.stdout}\n${this.stderr}`));
      };
      this.#waiting.push(look);
      look();
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}
