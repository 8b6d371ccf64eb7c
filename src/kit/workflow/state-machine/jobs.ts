import { callPatiently, judge } from '../calls.js';
import type { Call } from '../saga/driver.js';
import { FORWARD_WINDOW_MS } from '../retry.js';
import { runSaga } from './child.js';
import type { SagaEnd } from './saga-end.js';
import type { EntrySpec, RunSpec, StateMachine } from './definition.js';
import type { EventOrder, RunOrder } from './protocol.js';
import type { Turn } from './queue.js';
import type { Telling } from './telling.js';

/** What a deadline or an entered state has begun, beside the machine's events. */
export interface Job {
  readonly kind: 'entry' | 'deadline';
  /** The deadline's name, or the state. */
  readonly name: string;
  readonly state: string;
  readonly version: number;
  readonly round: number;
  /** With the machine's id the id of its saga, and the branch of its operation: the same job is done once, in whichever run. */
  readonly key: string;
  readonly entered?: RunOrder['entered'];
}

/** What jobs need of the machine. */
interface Machine {
  readonly fire: (turn: Turn) => void;
  readonly order: (job: Job) => RunOrder;
}

/** Runs what deadlines and entered states begin. It goes on whatever the machine does meanwhile, and from run to run. */
export class Jobs {
  readonly #id: string;
  readonly #machine: StateMachine;
  readonly #telling: Telling;
  readonly #of: Machine;
  readonly #running = new Map<string, Job>();

  constructor(id: string, machine: StateMachine, telling: Telling, of: Machine) {
    this.#id = id;
    this.#machine = machine;
    this.#telling = telling;
    this.#of = of;
  }

  get all(): readonly Job[] {
    return [...this.#running.values()];
  }

  get names(): readonly string[] {
    return [...this.#running.keys()].map((key) => `${this.#id}.${key}`);
  }

  /** A state was entered. */
  enter(state: string, version: number, by?: EventOrder): void {
    if (this.#machine.entry[state] === undefined) return;
    const entered = by && { event: by.event, input: by.input, by: by.by };
    this.start({ kind: 'entry', name: state, state, version, round: 1, key: `${state}.${version}`, entered });
  }

  start(job: Job): void {
    const spec = this.#specOf(job);
    // A newer release may not know it any more.
    if (spec === undefined || this.#running.has(job.key)) return;
    this.#running.set(job.key, job);
    void this.#drive(job, spec);
  }

  #specOf({ kind, name }: Job): (RunSpec & Partial<EntrySpec<string>>) | undefined {
    if (kind === 'entry') return this.#machine.entry[name];
    return this.#machine.deadlines.find((rule) => rule.name === name)?.runs;
  }

  async #drive(job: Job, { saga, operation, done, failed }: RunSpec & Partial<EntrySpec<string>>): Promise<void> {
    const { key, name, version } = job;
    const order = this.#of.order(job);
    const summary = `${name} ${this.#id}`;
    const end =
      saga === undefined
        ? await this.#operate(operation.name, job, order, summary)
        : await runSaga(saga, `${this.#id}.${key}`, order, summary);
    this.#running.delete(key);
    const isDone = end.how === 'committed';
    const event = isDone ? done : failed;
    if (event !== undefined) {
      const input = isDone ? end.result : end.failure;
      const by = { actor: 'entry', reason: name };
      const turn: Turn = {
        via: 'message',
        order: { event, requestId: key, input, by },
        at: Date.now(),
        messageId: key,
        waiters: [],
      };
      this.#of.fire(turn);
    } else if (!isDone) {
      const { type, message } = end.failure;
      this.#telling.alarm(
        job.kind === 'entry' ? 'entry-failed' : 'deadline-failed',
        key,
        `what '${name}' began (move ${version}) has failed: ${type}: ${message}`,
      );
    }
  }

  /** Asks until it is definite. */
  async #operate(operation: string, { key, version }: Job, order: RunOrder, summary: string): Promise<SagaEnd> {
    const call: Call = {
      branch: { gid: this.#id, branch: key, op: 'action', scheme: 'machine', seq: version },
      ...{ operation, profile: 'forward', args: [order], summary, options: {} },
    };
    for (;;) {
      try {
        return { how: 'committed', result: await callPatiently(call, FORWARD_WINDOW_MS) };
      } catch (error) {
        const { knowledge, type, message } = judge(error);
        if (knowledge === 'rejected') return { how: 'ended', failure: { type, message } };
        this.#telling.alarm('stuck', key, `${operation} gives no definite answer: ${type}: ${message}`);
      }
    }
  }
}
