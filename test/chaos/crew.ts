import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Program } from '../support/program.js';
import { workers, type WorkerName } from './faults.js';

/** Before a worker that ended is replaced, in milliseconds: as a supervisor's pause. */
const PAUSE_MS = 200;
/** A worker that is asked to stop and has not, for so long, is killed. */
const STOP_MS = 20_000;

/** A worker that ended though nobody had killed it. */
export interface EndedByItself {
  readonly worker: WorkerName;
  /** Its exit code or signal. */
  readonly how: string;
  /** The last lines that it printed. */
  readonly last: string;
}

/** Worker processes, each replaced whenever it ends, as an operator's supervisor would. */
export class Crew {
  readonly endedByThemselves: EndedByItself[] = [];
  readonly #env: NodeJS.ProcessEnv;
  readonly #logs: string;
  readonly #posts: ReadonlyMap<WorkerName, Post>;
  readonly #events = new EventEmitter();
  #stopping = false;

  /**
   * @param env what points the workers at their servers
   * @param logs the folder that gets what each of them prints
   */
  constructor(env: NodeJS.ProcessEnv, logs: string) {
    this.#env = env;
    this.#logs = logs;
    this.#posts = new Map(workers.map((name) => [name, { started: 0, serving: false, killed: false }]));
    for (const name of workers) void this.#keep(name);
    process.once('exit', this.#killNow);
  }

  /** Kills a worker; resolves when the one that replaces it serves. */
  async kill(name: WorkerName): Promise<void> {
    const post = this.#post(name);
    post.killed = true;
    post.serving = false;
    post.program?.kill('SIGKILL');
    await this.serving(name);
  }

  /** Lets a worker stand still for a while. */
  async freeze(name: WorkerName, ms: number): Promise<void> {
    await this.serving(name);
    const frozen = this.#post(name).program;
    frozen?.kill('SIGSTOP');
    await delay(ms);
    frozen?.kill('SIGCONT');
  }

  /** Resolves when a worker serves, however many times it has to be started for that. */
  async serving(name: WorkerName): Promise<void> {
    const post = this.#post(name);
    while (!post.serving) await once(this.#events, 'serving');
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

  async #keep(name: WorkerName): Promise<void> {
    const post = this.#post(name);
    while (!this.#stopping) {
      const program = new Program('src/worker.ts', [], this.#env);
      post.program = program;
      post.killed = false;
      post.started += 1;
      void program.printed(/serving task queue/).then(
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
        this.endedByThemselves.push({ worker: name, how: String(how), last });
      }
      await delay(PAUSE_MS);
    }
  }

  /** Whether a worker ended because it was to. */
  #isMeant({ killed }: Post): boolean {
    return killed || this.#stopping;
  }

  #post(name: WorkerName): Post {
    const post = this.#posts.get(name);
    if (post === undefined) throw new RangeError(`there is no ${name}`);
    return post;
  }

  readonly #killNow = (): void => {
    for (const { program } of this.#posts.values()) program?.kill('SIGKILL');
  };
}

/** A place that always has a worker. */
interface Post {
  program?: Program;
  /** Programs started so far. */
  started: number;
  serving: boolean;
  /** Whether the program was killed on purpose. */
  killed: boolean;
}
