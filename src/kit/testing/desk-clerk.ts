import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { decide, listDesk, OrderRefused, TransactionNotFound } from '../client/index.js';
import { TRANSACTION_QUERY, type DeskCase, type TransactionView } from '../workflow/index.js';
import { whichOf } from './faults.js';
import type { Flight } from './flight.js';
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
 * `retry`.
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
    const where = `WorkflowType = '${this.#workflow.replaceAll("'", "''")}'`;
    while (!this.#stop.signal.aborted) {
      for await (const { gid } of listDesk(this.#client, { where })) {
        const flight = this.#flights.get(gid);
        if (flight !== undefined && !this.#busy.has(gid)) void this.#serve(flight);
      }
      await sleep(LOOK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #serve(flight: Flight): Promise<void> {
    const { gid } = flight;
    this.#busy.add(gid);
    try {
      const { desk } = await this.#view(gid);
      for (const waiting of desk) await this.#decide(flight, waiting);
    } catch {
      // It has ended, or has another run, or its worker was killed: the next look tells.
    } finally {
      this.#busy.delete(gid);
    }
  }

  async #decide(flight: Flight, waiting: DeskCase): Promise<void> {
    const { branch, op, failure, fits } = waiting;
    const { cases, wrong, hasty } = this.of(flight.gid);
    if (cases.filter((known) => known.branch === branch).length >= PATIENCE) return;
    const which = whichOf(op);
    const name = `${op} of '${branch}'`;
    // No program may undo any more: that befalls every branch, whatever its fault.
    const rightly = flight.keeping(branch, which).length > 0 || failure.type === 'WindowPassed';
    const said = `${failure.type}: ${failure.message}`;
    const needless = `${name} waits at the desk, and nothing keeps it from being done: ${said}`;
    if (!rightly) (failure.type === 'Timeout' ? hasty : wrong).push(needless);
    const described = [waiting.operation, waiting.summary, failure.type, failure.message].every((text) => text !== '');
    if (!described) wrong.push(`${name} waits at the desk without a description`);
    if (!fits.includes('retry')) wrong.push(`${name} waits at the desk and cannot be retried: ${fits.join(', ')}`);
    cases.push({ branch, op, type: failure.type, message: failure.message });
    flight.lift(branch, which);
    const order = { branch, action: 'retry', actor: 'crash matrix', reason: 'the fault was lifted' } as const;
    try {
      await decide(this.#client, flight.gid, order);
    } catch (error) {
      // It was terminated meanwhile, and is settled by another run.
      if (error instanceof TransactionNotFound) return;
      if (!(error instanceof OrderRefused) || !(await this.#isWaiting(flight.gid, waiting))) throw error;
      wrong.push(`${name} waits at the desk, and its retry is refused: ${error.message}`);
    }
  }

  async #isWaiting(gid: string, { branch, since }: DeskCase): Promise<boolean> {
    const { desk } = await this.#view(gid);
    return desk.some((now) => now.branch === branch && now.since === since);
  }

  #view(gid: string): Promise<TransactionView> {
    return this.#client.workflow.getHandle(gid).query<TransactionView>(TRANSACTION_QUERY);
  }
}
