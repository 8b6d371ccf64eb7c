import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Program } from '../support/program.js';
import type { ProcessName } from './faults.js';

/** Before a process that ended is replaced, in milliseconds: as a supervisor's pause. */
const PAUSE_MS = 200;
/** A process that is asked to stop and has not, for so long, is killed. */
const STOP_MS = 20_000;

/** A process that ended though nobody had killed it. */
export interface EndedByItself {
  readonly process: string;
  /** Its exit code or signal. */
  readonly how: string;
  /** The last lines that it printed. */
  readonly last: string;
}

/** What a process of the crew is. */
export interface Job {
  /** The program, relative to the repository. */
  readonly file: string;
  /** What points it at its servers. */
  readonly env: NodeJS.ProcessEnv;
  /** What it prints when it serves. */
  readonly serves: RegExp;
  /** Whether it is talked to over a channel. */
  readonly ipc?: boolean;
}

/** Processes, each replaced whenever it ends, as an operator's supervisor would. */
export class Crew<Name extends string = ProcessName> {
  readonly endedByThemselves: EndedByItself[] = [];
  readonly #logs: string;
  readonly #posts: ReadonlyMap<Name, Post>;
  readonly #events = new EventEmitter();
  #stopping = false;

  /** @param logs the folder that gets what each of them prints */
  constructor(jobs: Readonly<Record<Name, Job>>, logs: string) {
    this.#logs = logs;
    const all = Object.entries(jobs) as [Name, Job][];
    this.#posts = new Map(all.map(([name, job]) => [name, { job, started: 0, serving: false, killed: false }]));
    for (const [name] of all) void this.#keep(name);
    this.#events.setMaxListeners(0);
    process.once('exit', this.#killNow);
  }

  /** Kills a process; resolves when the one that replaces it serves. */
  async kill(name: Name): Promise<void> {
    const post = this.#post(name);
    post.killed = true;
    post.serving = false;
    post.program?.kill('SIGKILL');
    await this.serving(name);
  }

  /** Lets a process stand still for a while. */
  async freeze(name: Name, ms: number): Promise<void> {
    const frozen = await this.serving(name);
    frozen.kill('SIGSTOP');
    await delay(ms);
    frozen.kill('SIGCONT');
  }

  /** Does something while all processes that serve stand still. */
  async still<T>(work: () => Promise<T>): Promise<T> {
    const programs = [...this.#posts.values()].flatMap(({ serving, program }) => (serving && program ? [program] : []));
    for (const program of programs) program.kill('SIGSTOP');
    try {
      return await work();
    } finally {
      for (const program of programs) program.kill('SIGCONT');
    }
  }

  /** Resolves to a process that serves, however many times it has to be started for that. */
  async serving(name: Name): Promise<Program> {
    const post = this.#post(name);
    while (!post.serving || post.program === undefined) await once(this.#events, 'serving');
    return post.program;
  }

  /** Stops all of them, in order, and replaces none. */
  async stop(): Promise<void> {
    this.#stopping = true;
    process.off('exit', this.#killNow);
    await Promise.all(
      [...this.#posts.values()].map(async ({ program }) => {
        if (program === undefined) return;
        program.kill('SIGCONT');
        program.kill('SIGTERM');
        const timer = setTimeout(() => {
          program.kill('SIGKILL');
        }, STOP_MS);
        await program.ended;
        clearTimeout(timer);
      }),
    );
  }

  async #keep(name: Name): Promise<void> {
    const post = this.#post(name);
    const { file, env, serves, ipc } = post.job;
    while (!this.#stopping) {
      const program = new Program(file, [], env, { ipc });
      post.program = program;
      post.killed = false;
      post.started += 1;
      void program.printed(serves).then(
        () => {
          post.serving = !post.killed;
          this.#events.emit('serving');
        },
        () => undefined, // It ended before: the next one may come to serve.
      );
      const how = await program.ended;
      post.serving = false;
      writeFileSync(join(this.#logs, `${name}.${post.started}.log`), `${program.stderr}${program.stdout}`);
      if (!this.#isMeant(post)) {
        const last = program.stderr.trim().split('\n').slice(-5).join('\n');
        this.endedByThemselves.push({ process: name, how: String(how), last });
      }
      await delay(PAUSE_MS);
    }
  }

  /** Whether a process ended because it was to. */
  #isMeant({ killed }: Post): boolean {
    return killed || this.#stopping;
  }

  #post(name: Name): Post {
    const post = this.#posts.get(name);
    if (post === undefined) throw new RangeError(`there is no ${name}`);
    return post;
  }

  readonly #killNow = (): void => {
    for (const { program } of this.#posts.values()) program?.kill('SIGKILL');
  };
}

/** A place that always has a process. */
interface Post {
  readonly job: Job;
  program?: Program;
  /** Programs started so far. */
  started: number;
  serving: boolean;
  /** Whether the program was killed on purpose. */
  killed: boolean;
}
