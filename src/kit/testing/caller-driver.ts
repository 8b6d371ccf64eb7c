import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { groupOf, isEnd } from '../workflow/fate.js';
import { WorkflowStarter, type Ended, type MatrixOrder, type TransactionDriver } from './driver.js';
import { GroupRuns } from './group-runs.js';
import type { Rivals } from './outside.js';
import type { Asked, Stood, Told } from './protocol.js';
import { ProcessGone, type MatrixProcess, type Workers } from './workers.js';

/** How long one answer is waited for, in milliseconds; then it is asked again. */
const WAIT_MS = 60_000;
/** How long a party waits until all of it is there, in milliseconds; who asks alone waits for nobody. */
const PARTY_MS = 500;
/** Before it is asked again, in milliseconds. */
const PAUSE_MS = 100;
/** How long an announcement, or a group's row, may be left when all is over, in milliseconds: a relay looks every ten seconds. */
const ANNOUNCED_MS = 15_000;

/**
 * For lanes in which callers' processes are asked: lets the matrix's worker processes ask, again and again in other processes
 * until the answer is definite, as customers do.
 *
 * What is done to a workflow (cancelled, terminated) is done to the group that drives the transaction. One that a process
 * drives it reaches once it is a workflow: a relay takes it over there and then, and the process goes on beside the workflow.
 */
export class CallerDriver implements TransactionDriver {
  readonly #client: Client;
  readonly #workflow: string;
  readonly #workers: Workers;
  /** The task queue of the process that nobody kills. */
  readonly #steady: string;
  /** What happens to the transactions that are workflows. */
  readonly #workflows: WorkflowStarter;
  readonly #groups: GroupRuns;
  readonly #orders = new Map<string, MatrixOrder>();
  /** What the callers of each were told: first the one that it is about, then its rivals. */
  readonly #told = new Map<string, Promise<Told>[]>();
  #begun = 0;
  /** The process that each was asked of first. */
  readonly #callers = new Map<string, MatrixProcess>();
  readonly rivals: Rivals;

  constructor(client: Client, workflow: string, workers: Workers, steady: string) {
    this.#client = client;
    this.#workflow = workflow;
    this.#workers = workers;
    this.#steady = steady;
    this.#workflows = new WorkflowStarter(client, workflow);
    this.#groups = new GroupRuns(client, workers, steady);
    this.rivals = {
      takeOver: (gid) => this.#becomesWorkflow(gid),
      undo: (gid) => this.#cancelWorkflow(gid),
      ask: (gid, lane) => (lane === undefined ? this.#startWorkflow(gid) : this.#askToo(gid, lane)),
      workflowEnded: (gid) => this.#workflows.ended(gid),
    };
  }

  start(order: MatrixOrder): Promise<void> {
    const { gid, input, neighbours, asked } = order;
    // Now the first of its group, now the last.
    const group = this.#begun++ % 2 === 0 ? [{ gid, input }, ...neighbours] : [...neighbours, { gid, input }];
    for (const each of group) {
      this.#orders.set(each.gid, { ...order, ...each });
      this.#callers.set(each.gid, this.#workers.at(asked));
      this.#tell(each.gid, this.#ask({ ...order, ...each }, asked, neighbours.length > 0 ? gid : undefined));
    }
    return Promise.resolve();
  }

  caller(gid: string): MatrixProcess | undefined {
    return this.#callers.get(gid);
  }

  #tell(gid: string, told: Promise<Told>): void {
    told.catch(() => undefined); // Whoever waits for its end hears of it.
    this.#told.set(gid, [...(this.#told.get(gid) ?? []), told]);
  }

  async ended(gid: string): Promise<Ended> {
    const [told] = await Promise.all((this.#told.get(gid) ?? []).slice(0, 1));
    if (told === undefined) throw new RangeError(`nobody asked for ${gid}`);
    if (told.state === 'committed') return { state: 'committed' };
    const { state, message } = told;
    return { state: state === 'compensated' ? 'compensated' : 'failed', message };
  }

  async abandon(gid: string): Promise<void> {
    await this.#workflows.abandon(gid);
  }

  async cancel(gid: string, driver: string): Promise<void> {
    const group = groupOf(driver);
    await (group === undefined ? this.#cancelWorkflow(gid) : this.#groups.cancel(group));
  }

  /** Every deadline is given at the start. */
  deadline(gid: string): Promise<void> {
    return this.#workflows.deadline(gid);
  }

  async terminate(gid: string, driver: string): Promise<void> {
    const group = groupOf(driver);
    if (group !== undefined) {
      const { neighbours } = this.#orderOf(gid);
      return this.#groups.terminate(group, [gid, ...neighbours.map((each) => each.gid)]);
    }
    await this.#becomesWorkflow(gid);
    await this.#workflows.terminate(gid);
  }

  async disagreements(gid: string, { state }: Ended): Promise<string[]> {
    const order = this.#orderOf(gid);
    const found: string[] = [];
    for (const { participant, announced, fate } of await this.#atRest(gid)) {
      if (announced !== undefined) {
        found.push(`it is still announced by '${participant}' (${announced.state}, owner ${announced.owner})`);
      }
      if (fate !== undefined && fate.state !== state) {
        found.push(`its caller was told ${state}, and its fate is ${fate.state}`);
      }
    }
    const workflow = await this.#workflowOf(gid);
    if (workflow !== undefined && workflow.state !== state) {
      found.push(`its caller was told ${state}, and its workflow ended as ${workflow.state}`);
    }
    // Nobody asks again for a neighbour.
    if (order.neighbours.some((neighbour) => neighbour.gid === gid)) return found;
    const [first, ...others] = await Promise.all([...(this.#told.get(gid) ?? []), this.#ask(order, this.#steady)]);
    for (const other of others) {
      if (isDeepStrictEqual(first, other)) continue;
      found.push(`one caller was told ${JSON.stringify(first)}, and another ${JSON.stringify(other)}`);
    }
    return found;
  }

  /**
   * Asks until the answer is definite: first the process of a task queue, then the one that nobody kills.
   *
   * @param party whose group it shares, the first time
   */
  async #ask(order: MatrixOrder, first: string, party?: string): Promise<Told> {
    const { gid, call } = order;
    const alone = this.#askedOf(order, { lane: call.lane, wait: WAIT_MS });
    const groups = { size: order.neighbours.length + 1, delayMs: PARTY_MS };
    let asked: Asked = party === undefined ? alone : { ...alone, party, times: { ...alone.times, groups } };
    for (let taskQueue = first; ; taskQueue = this.#steady) {
      try {
        const told = (await this.#workers.at(taskQueue).request({ what: 'ask', asked })) as Told;
        if (told.state === 'terminated' && !(await this.#settled(gid))) return told;
        if (!['terminated', 'pending', 'unreachable'].includes(told.state)) return told;
      } catch (error) {
        if (!(error instanceof ProcessGone)) throw error;
      }
      asked = alone;
      await sleep(PAUSE_MS);
    }
  }

  /** Another caller asks for it in that lane, and waits for its outcome as the first does. */
  #askToo(gid: string, lane: 'direct' | 'grouped'): Promise<void> {
    const order = this.#orderOf(gid);
    this.#tell(gid, this.#ask({ ...order, call: { ...order.call, lane } }, this.#steady));
    return Promise.resolve();
  }

  async #settled(gid: string): Promise<boolean> {
    return (await this.#groups.settled(gid)) || this.#workflows.settled(gid);
  }

  /** A relay takes the transaction over; where it is not announced, another caller comes and asks for a workflow. */
  async #becomesWorkflow(gid: string): Promise<void> {
    const announced = await this.#workers.at(this.#steady).request({ what: 'take-over', gid });
    if (announced !== true) await this.#startWorkflow(gid);
  }

  async #cancelWorkflow(gid: string): Promise<void> {
    await this.#becomesWorkflow(gid);
    await this.#workflows.cancel(gid);
  }

  async #startWorkflow(gid: string): Promise<void> {
    const asked = this.#askedOf(this.#orderOf(gid), {});
    await this.#workers.at(this.#steady).request({ what: 'start', asked });
  }

  #askedOf({ gid, input, call, times }: MatrixOrder, options: Asked['options']): Asked {
    const { deadline, retries, compensationWindow, forwardWindow } = call;
    return {
      ...{ gid, workflow: this.#workflow, input, times },
      options: { deadline, retries, compensationWindow, forwardWindow, ...options },
    };
  }

  #orderOf(gid: string): MatrixOrder {
    const order = this.#orders.get(gid);
    if (order === undefined) throw new RangeError(`nobody asked for ${gid}`);
    return order;
  }

  /** How it stands when it is not announced any more, or has been for too long. */
  async #atRest(gid: string): Promise<readonly Stood[]> {
    const until = Date.now() + ANNOUNCED_MS;
    for (;;) {
      const stood = (await this.#workers.at(this.#steady).request({ what: 'look', gid })) as readonly Stood[];
      const isOpen = ({ announced, fate }: Stood) => announced !== undefined || (fate !== undefined && !isEnd(fate));
      if (!stood.some(isOpen) || Date.now() > until) return stood;
      await sleep(PAUSE_MS);
    }
  }

  /** How its workflow ended, if it ever was one. */
  async #workflowOf(gid: string): Promise<Ended | undefined> {
    try {
      await this.#client.workflow.getHandle(gid).describe();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
    return this.#workflows.ended(gid);
  }
}
