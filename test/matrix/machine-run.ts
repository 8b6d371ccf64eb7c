import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { createShop } from '../../src/activities/index.js';
import type { LifecycleOrder } from '../../src/contracts/lifecycle.js';
import type { orderLifecycleMachine } from '../../src/contracts/order-lifecycle.js';
import { orderLifecycleContract } from '../../src/contracts/transactions.js';
import { IllegalTransition, machineClient, TransitionUndone, type MachineClient } from '../../src/kit/client/index.js';
import type { Answer, Reached } from '../../src/kit/testing/protocol.js';
import { startWorker, Workers, type MatrixProcess } from '../../src/kit/testing/workers.js';
import { settle } from '../../src/kit/worker/settle.js';
import { temporalSink } from '../../src/kit/worker/index.js';
import { lifecycleTopics } from '../../src/worker.js';
import { transpiled } from '../support/transpiled.js';
import { faults, restOf, type MachineCase } from './machine-cases.js';
import { CaseOrder } from './machine-order.js';
import type { MatrixShop } from './shop.js';

/**
 * The crash matrix of an order's machine: real workers, of which one is killed, a real server, real databases.
 *
 * Steps of a case: the order is brought by hand to where its transition begins → its machine is started → the transition is brought about → its
 * guarded update is struck once → whoever has asked asks again, under the same id → the order is looked at when it is at rest.
 *
 * Invariant: the transition was made once, the order is where it leads to, and its machine says the same.
 */

type Event = Parameters<MachineClient<typeof orderLifecycleMachine, LifecycleOrder>['send']>[1];

/** How long a case may take to come to rest, in milliseconds. */
const LIMIT_MS = 120_000;
/** How long a kill waits for the others that are to be struck by it, in milliseconds; one attempt may take 10 s. */
const GATHER_MS = 4_000;
/** How long what comes late waits for the next run of a terminated machine, in milliseconds. */
const LATE_MS = 5_000;
const by = { actor: 'ann', reason: 'scratched' };

interface Flight {
  readonly case: MachineCase;
  struck: boolean;
}

export interface MachineResult {
  readonly case: MachineCase;
  readonly orderId: string;
  readonly ms: number;
  /** What is wrong; empty: nothing. */
  readonly reasons: readonly string[];
}

export class MachineMatrix {
  readonly #client: Client;
  readonly #shop: MatrixShop;
  readonly #workers: Workers;
  readonly #queues: { readonly steady: string; readonly killed: string };
  readonly #folder = mkdtempSync(join(tmpdir(), 'backstitch-machine-matrix-'));
  readonly #flights = new Map<string, Flight>();
  readonly #doomed = new Set<MatrixProcess>();
  #count = 0;

  constructor(client: Client, shop: MatrixShop) {
    this.#client = client;
    this.#shop = shop;
    const steady = `machine-matrix-${randomUUID().slice(0, 8)}`;
    this.#queues = { steady, killed: `${steady}-killed` };
    const program = { file: transpiled('test/matrix/shop-worker-program.ts'), execArgv: [], env: shop.env };
    const listener = {
      reached: (reached: Reached, worker: MatrixProcess) => this.#reached(reached, worker),
      terms: () => undefined,
      left: () => undefined,
      gone: () => undefined,
    };
    const bundle = join(this.#folder, 'workflows.cjs');
    this.#workers = new Workers(
      (taskQueue) => startWorker(program, { taskQueue, bundle }, listener),
      this.#queues,
      (error) => {
        console.error(error.message);
      },
    );
  }

  get killed(): number {
    return this.#workers.killed;
  }

  open(): Promise<void> {
    return this.#workers.open(true);
  }

  async close(): Promise<void> {
    await this.#workers.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async run(each: MachineCase): Promise<MachineResult> {
    const began = Date.now();
    const orderId = `life-${++this.#count}`;
    const gid = orderLifecycleContract.gid(orderId);
    const taskQueue = faults[each.fault].kills ? this.#queues.killed : this.#queues.steady;
    const where = { taskQueue };
    const toMachines = temporalSink({ client: this.#client, ...where, topics: lifecycleTopics });
    const order = new CaseOrder(this.#shop, createShop({ databases: this.#shop.databases, toMachines }), orderId);
    const machines = machineClient(this.#client, where, orderLifecycleContract);
    const flight: Flight = { case: each, struck: false };
    const reasons: string[] = [];
    try {
      await order.prepare(each);
      this.#flights.set(gid, flight);
      await machines.start(gid, order.order);
      if (each.by === 'message') await order.work(each.event);
      if (each.by === 'update') reasons.push(...(await this.#ask(machines, gid, each)));
      reasons.push(...(await this.#rest(machines, gid, each, order)));
      if (!flight.struck) reasons.push('it never struck');
      // Whatever comes again changes nothing.
      await order.deliver('orders', true);
      if (each.by === 'message') await order.deliver('warehouse', true);
      if (each.by === 'update') reasons.push(...(await this.#ask(machines, gid, each)));
      const { moves = [] } = (await order.row()) ?? {};
      if (moves.length > expected(each).length) reasons.push(`asked again it moved again: ${moves.join(', ')}`);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    } finally {
      this.#flights.delete(gid);
    }
    return { case: each, orderId, ms: Date.now() - began, reasons };
  }

  /** Asks as a caller does: again, under the same id, until it is answered. @returns what is wrong with the answer */
  async #ask(
    machines: MachineClient<typeof orderLifecycleMachine, LifecycleOrder>,
    gid: string,
    { event, to }: MachineCase,
  ): Promise<string[]> {
    const until = Date.now() + LIMIT_MS;
    let last: unknown;
    while (Date.now() < until) {
      try {
        const answer = await machines.send(gid, event as Event, { requestId: 'asked', by, wait: '20 seconds' });
        return answer.to === to ? [] : [`it was answered ${answer.to}`];
      } catch (error) {
        if (error instanceof IllegalTransition || error instanceof TransitionUndone) return [error.message];
        last = error;
        await sleep(100);
      }
    }
    return [`it was not answered: ${String(last)}`];
  }

  /** Waits until the row and the machine are where the transition leads to. @returns what is wrong, if they are not */
  async #rest(
    machines: MachineClient<typeof orderLifecycleMachine, LifecycleOrder>,
    gid: string,
    each: MachineCase,
    order: CaseOrder,
  ): Promise<string[]> {
    const until = Date.now() + LIMIT_MS;
    const rest = restOf(each.to);
    let seen = '';
    while (Date.now() < until) {
      const row = await order.row();
      const view = await machines.view(gid).catch(() => undefined);
      const { status } = await this.#client.workflow.getHandle(gid).describe();
      const isOver = view?.final === true ? status.name === 'COMPLETED' : status.name === 'RUNNING';
      const isQuiet = view !== undefined && view.underWay === undefined && view.running.length === 0;
      seen = `the row is ${row?.state} after ${row?.moves.join(', ')}; the machine is ${view?.state}, ${status.name}`;
      if (row?.state === rest && view?.state === rest && isOver && isQuiet) {
        const [found, wanted] = [row.moves.join(', '), expected(each).join(', ')];
        return found === wanted ? [] : [`it has moved ${found || 'not at all'}, not ${wanted || 'not at all'}`];
      }
      await sleep(250);
    }
    return [`it has not come to rest: ${seen}`];
  }

  async #reached({ gid, branch, point }: Reached, worker: MatrixProcess): Promise<Answer> {
    const [machine = '', ...of] = gid.split('.');
    const flight = this.#flights.get(machine);
    if (flight === undefined || flight.struck) return 'go';
    const { event, fault, by: how } = flight.case;
    const isOwn = of.length === 0 && branch.startsWith(`${event}.`);
    const isPivot = of[0] === event && branch === 'move';
    const isOpening = how === 'begin' && of[0] === 'begin' && branch === 'open-order';
    if (!(isOwn || isPivot || isOpening) || point !== faults[fault].point) return 'go';
    flight.struck = true;
    if (faults[fault].kills) return this.#kill(worker);
    if (fault === 'reply lost') return 'fail';
    await this.#terminate(machine);
    return fault === 'terminated before' ? 'fail' : 'late';
  }

  /** Never settles: the worker is killed, with all that have come to be struck by then. */
  #kill(worker: MatrixProcess): Promise<never> {
    if (!this.#doomed.has(worker)) {
      this.#doomed.add(worker);
      void sleep(GATHER_MS).then(() => this.#workers.kill(worker));
    }
    return new Promise(() => undefined);
  }

  /** Terminates a machine, and has it started again as the scan would; what it had under way goes on. */
  async #terminate(gid: string): Promise<void> {
    const handle = this.#client.workflow.getHandle(gid);
    const { runId } = await handle.describe();
    await handle.terminate('a case of the matrix');
    await settle(this.#client, { workflowId: gid, runId });
    const until = Date.now() + LATE_MS;
    const machines = machineClient(this.#client, { taskQueue: this.#queues.steady }, orderLifecycleContract);
    // What is under way comes late: the next run has read the row by then, if there is one.
    while (Date.now() < until && (await machines.view(gid)).state === undefined) await sleep(50);
  }
}

/** The moves that a case makes. */
function expected({ by: how, event, to }: MachineCase): string[] {
  if (how === 'begin') return [];
  return restOf(to) === to ? [event] : [event, 'refundDone'];
}
