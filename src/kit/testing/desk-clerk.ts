import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { decide, listDesk, OrderRefused, TransactionNotFound } from '../client/index.js';
import { TRANSACTION_QUERY, type DeskCase, type TransactionView } from '../workflow/index.js';
import { THREE_PHASE_AGENT } from '../workflow/three-phase/protocol.js';
import { isByTimer, SPLIT } from '../workflow/three-phase/split.js';
import { whichOf } from './faults.js';
import type { Flight } from './flight.js';
import { ofAgent } from './protocol.js';
import type { MatrixDeskCase } from './result.js';

/** How often the desk is looked at, in milliseconds. */
const LOOK_MS = 300;
/** Decisions about one branch until it is left alone. */
const PATIENCE = 5;

/** What was found of one transaction at the desk. */
export interface DeskFindings {
  readonly cases: MatrixDeskCase[];
  readonly wrong: string[];
  /** What came to the desk for want of time alone: on a slow machine anything may. */
  readonly hasty: string[];
}

/**
 * The person of a matrix: looks at the desk, asks whether what waits there has to wait, removes its cause and decides
 * `retry`; what a split has committed is left as it is.
 */
export class DeskClerk {
  readonly #client: Client;
  readonly #workflow: string;
  readonly #flights: ReadonlyMap<string, Flight>;
  readonly #found = new Map<string, DeskFindings>();
  readonly #busy = new Set<string>();
  readonly #stop = new AbortController();

  constructor(client: Client, workflow: string, flights: ReadonlyMap<string, Flight>) {
    this.#client = client;
    this.#workflow = workflow;
    this.#flights = flights;
  }

  /** What waited of a transaction. */
  of(gid: string): DeskFindings {
    const found = this.#found.get(gid) ?? { cases: [], wrong: [], hasty: [] };
    this.#found.set(gid, found);
    return found;
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Works until it is stopped. */
  async work(): Promise<void> {
    const types = [this.#workflow, THREE_PHASE_AGENT].map((type) => `'${type.replaceAll("'", "''")}'`);
    const where = `WorkflowType IN (${types.join(', ')})`;
    while (!this.#stop.signal.aborted) {
      for await (const { gid: id } of listDesk(this.#client, { where })) {
        const flight = this.#flights.get(ofAgent(id));
        if (flight !== undefined && !this.#busy.has(id)) void this.#serve(flight, id);
      }
      await sleep(LOOK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** @param id of the workflow at whose desk something waits: the transaction, or an agent of it */
  async #serve(flight: Flight, id: string): Promise<void> {
    this.#busy.add(id);
    try {
      const { desk } = await this.#view(id);
      for (const waiting of desk) await this.#decide(flight, id, waiting);
    } catch {
      // It has ended, or has another run, or its worker was killed: the next look tells.
    } finally {
      this.#busy.delete(id);
    }
  }

  async #decide(flight: Flight, id: string, waiting: DeskCase): Promise<void> {
    const { branch, op, failure, fits, since } = waiting;
    const isSplit = failure.type === SPLIT;
    const { cases, wrong, hasty } = this.of(flight.gid);
    if (cases.filter((known) => known.branch === branch).length >= PATIENCE) return;
    const which = whichOf(op);
    const name = `${op} of '${branch}'`;
    // No program may undo any more: that befalls every branch, whatever its fault.
    const rightly = isSplit
      ? flight.maySplit
      : flight.keeping(branch, which, since).length > 0 || failure.type === 'WindowPassed';
    const said = `${failure.type}: ${failure.message}`;
    const needless = `${name} waits at the desk, and nothing keeps it from being done: ${said}`;
    // A timer that rings too soon on a slow machine splits them, too.
    const isHasty = isSplit ? isByTimer(failure) : failure.type === 'Timeout';
    if (!rightly) (isHasty ? hasty : wrong).push(needless);
    const described = [waiting.operation, waiting.summary, failure.type, failure.message].every((text) => text !== '');
    if (!described) wrong.push(`${name} waits at the desk without a description`);
    const action = isSplit ? 'skip' : 'retry';
    if (!fits.includes(action))
      wrong.push(`${name} waits at the desk, and '${action}' does not fit: ${fits.join(', ')}`);
    cases.push({ branch, op, type: failure.type, message: failure.message });
    flight.lift(branch, which);
    const reason = isSplit ? 'it is left for the books to find' : 'the fault was lifted';
    try {
      await decide(this.#client, id, { branch, action, actor: 'crash matrix', reason });
    } catch (error) {
      // It was terminated meanwhile, and is settled by another run.
      if (error instanceof TransactionNotFound) return;
      if (!(error instanceof OrderRefused) || !(await this.#isWaiting(id, waiting))) throw error;
      wrong.push(`${name} waits at the desk, and '${action}' is refused: ${error.message}`);
    }
  }

  async #isWaiting(id: string, { branch, since }: DeskCase): Promise<boolean> {
    const { desk } = await this.#view(id);
    return desk.some((now) => now.branch === branch && now.since === since);
  }

  #view(id: string): Promise<TransactionView> {
    return this.#client.workflow.getHandle(id).query<TransactionView>(TRANSACTION_QUERY);
  }
}
