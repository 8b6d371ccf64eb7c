import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { WorkflowStarter, type Ended, type MatrixOrder, type TransactionDriver } from './driver.js';
import type { Rivals } from './flight.js';
import type { Asked, Stood, Told } from './protocol.js';
import { ProcessGone, type Workers } from './workers.js';

/** How long one answer is waited for, in milliseconds; then it is asked again. */
const WAIT_MS = 60_000;
/** Before it is asked again, in milliseconds. */
const PAUSE_MS = 100;
/** How long an announcement may be left when all is over, in milliseconds: a relay looks at it every ten seconds. */
const ANNOUNCED_MS = 15_000;

/**
 * For lanes in which callers' processes drive: lets the matrix's worker processes ask, again and again in other processes
 * until the answer is definite, as customers do.
 *
 * What is done to a workflow (cancelled, terminated) reaches such a transaction once it is one: a relay takes it over there
 * and then, and the process that drove it goes on beside the workflow.
 */
export class CallerDriver implements TransactionDriver {
  readonly #client: Client;
  readonly #workflow: string;
  readonly #workers: Workers;
  /** The task queue of the process that nobody kills. */
  readonly #steady: string;
  /** What happens to the transactions that are workflows. */
  readonly #workflows: WorkflowStarter;
  readonly #orders = new Map<string, MatrixOrder>();
  /** What the callers of each were told. */
  readonly #told = new Map<string, Promise<Told>>();
  readonly rivals: Rivals;

  constructor(client: Client, workflow: string, workers: Workers, steady: string) {
    this.#client = client;
    this.#workflow = workflow;
    this.#workers = workers;
    this.#steady = steady;
    this.#workflows = new WorkflowStarter(client, workflow);
    this.rivals = {
      takeOver: (gid) => this.#becomesWorkflow(gid),
      ask: (gid) => this.#startWorkflow(gid),
      workflowEnded: (gid) => this.#workflows.ended(gid),
    };
  }

  start(order: MatrixOrder): Promise<void> {
    const { gid, asked } = order;
    this.#orders.set(gid, order);
    const told = this.#ask(order, asked);
    told.catch(() => undefined); // Whoever waits for its end hears of it.
    this.#told.set(gid, told);
    return Promise.resolve();
  }

  async ended(gid: string): Promise<Ended> {
    const told = await this.#told.get(gid);
    if (told === undefined) throw new RangeError(`nobody asked for ${gid}`);
    if (told.state === 'committed') return { state: 'committed' };
    const { state, message } = told;
    return { state: state === 'compensated' ? 'compensated' : 'failed', message };
  }

  async abandon(gid: string): Promise<void> {
    await this.#workflows.abandon(gid);
  }

  async cancel(gid: string): Promise<void> {
    await this.#becomesWorkflow(gid);
    await this.#workflows.cancel(gid);
  }

  /** Every deadline is given at the start. */
  deadline(gid: string): Promise<void> {
    return this.#workflows.deadline(gid);
  }

  async terminate(gid: string): Promise<void> {
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
    const [first, again] = await Promise.all([this.#told.get(gid), this.#ask(order, this.#steady)]);
    if (!isDeepStrictEqual(first, again)) {
      found.push(`one caller was told ${JSON.stringify(first)}, and another ${JSON.stringify(again)}`);
    }
    return found;
  }

  /** Asks until the answer is definite: first the process of a task queue, then the one that nobody kills. */
  async #ask(order: MatrixOrder, first: string): Promise<Told> {
    const { gid, call } = order;
    const asked = this.#askedOf(order, { lane: call.lane, wait: WAIT_MS });
    for (let taskQueue = first; ; taskQueue = this.#steady) {
      try {
        const told = (await this.#workers.at(taskQueue).request({ what: 'ask', asked })) as Told;
        if (told.state === 'terminated' && !(await this.#workflows.settled(gid))) return told;
        if (!['terminated', 'pending', 'unreachable'].includes(told.state)) return told;
      } catch (error) {
        if (!(error instanceof ProcessGone)) throw error;
      }
      await sleep(PAUSE_MS);
    }
  }

  /** A relay takes the transaction over; where it is not announced, another caller comes and asks for a workflow. */
  async #becomesWorkflow(gid: string): Promise<void> {
    const announced = await this.#workers.at(this.#steady).request({ what: 'take-over', gid });
    if (announced !== true) await this.#startWorkflow(gid);
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
      if (stood.every(({ announced }) => announced === undefined) || Date.now() > until) return stood;
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
