import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { LifecycleOrder } from '../../../src/contracts/lifecycle.js';
import type { orderLifecycleMachine } from '../../../src/contracts/order-lifecycle.js';
import { orderLifecycleContract } from '../../../src/contracts/transactions.js';
import {
  EventRefused,
  IllegalTransition,
  machineClient,
  runJob,
  TransactionNotFound,
  TransitionUndone,
  type MachineClient,
} from '../../../src/kit/client/index.js';
import { lives, type Life, type LifeName } from './lives.js';

/** An order that is asked for, with the life that it is to lead. */
export interface LivedOrder {
  readonly order: LifecycleOrder;
  readonly life: LifeName;
}

type Machines = MachineClient<typeof orderLifecycleMachine, LifecycleOrder>;
type Event = Parameters<Machines['send']>[1];
type Deadline = Parameters<Machines['moveDeadline']>[1]['name'];

/** One call, and a whole go at a life, in milliseconds: after that its customer asks again. */
const CALL_MS = 15_000;
const GO_MS = 25_000;
const PAUSE_MS = 200;
/** After so many tries that were undone (no money, no time) an order that can be cancelled is. */
const TRIES = 3;

/** The life of one order has not come to its end in one go: whoever asks again goes on with it. */
export class StillAlive extends Error {}

/**
 * Opens an order and leads it through its life, from wherever it is: so another process may go on with it, or do the same at the same
 * time. What is asked for again has the same request id, and happens once.
 *
 * @returns the final state
 * @throws StillAlive; of an order that could not be opened, what undid it; what the server's silence is
 */
export async function live(client: Client, taskQueue: string, { order, life }: LivedOrder): Promise<string> {
  const machines: Machines = machineClient(client, { taskQueue }, orderLifecycleContract);
  const gid = orderLifecycleContract.gid(order.orderId);
  const until = Date.now() + GO_MS;
  const doing = { machines, client, taskQueue, gid, orderId: order.orderId };
  await machines.start(gid, order);
  const tries = new Map<string, number>();
  while (Date.now() < until) {
    const { state, final } = await machines.view(gid);
    if (final && state !== undefined) return state;
    if (state === undefined) {
      // Not opened yet; or it never will be, which its end says.
      await machines.result(gid, { wait: 2_000 }).catch(orWaits);
      continue;
    }
    const tried = tries.get(state) ?? 0;
    const asked: readonly string[] = tried >= TRIES && isCancellable(state) ? ['cancel'] : stepsOf(lives[life], state);
    const outcomes = await Promise.all(asked.map((what) => act(doing, what, `${state}-${what}-${tried}`)));
    if (outcomes.includes('undone')) tries.set(state, tried + 1);
    else if (asked.length === 0 || !outcomes.includes('done')) await delay(PAUSE_MS);
  }
  throw new StillAlive(`${gid} has not come to its end`);
}

function stepsOf(life: Life, state: string): readonly string[] {
  return state in life ? life[state as keyof Life] : [];
}

function isCancellable(state: string): boolean {
  return state === 'WAIT_PAY' || state === 'WAIT_DELIVER';
}

interface Doing {
  readonly machines: Machines;
  readonly client: Client;
  readonly taskQueue: string;
  readonly gid: string;
  readonly orderId: string;
}

/** Does one thing to an order. @returns what became of it: others may have been faster */
async function act(doing: Doing, what: string, requestId: string): Promise<'done' | 'undone' | 'other'> {
  const { machines, client, taskQueue, gid, orderId } = doing;
  const by = { actor: 'chaos', reason: 'a run' };
  try {
    if (what.startsWith('@')) {
      const work = { orderId, step: what.slice(1) };
      await runJob(client, { taskQueue }, 'workAtWarehouse', `work-${randomUUID()}`, [work]);
    } else if (what.startsWith('!')) {
      const name = what.slice(1) as Deadline;
      await machines.moveDeadline(gid, { name, to: Date.now(), ...by });
    } else {
      await machines.send(gid, what as Event, { requestId, by, wait: CALL_MS });
      return 'done';
    }
  } catch (error) {
    if (error instanceof TransitionUndone) return 'undone';
    // It is elsewhere by now, or another one is under way: what it is then says what comes.
    if (!isOverrun(error)) throw error;
  }
  return 'other';
}

function isOverrun(error: unknown): boolean {
  if (error instanceof IllegalTransition || error instanceof TransactionNotFound) return true;
  if (error instanceof EventRefused) return error.type === 'Busy';
  // A deadline that does not run any more; a step that the warehouse's job has behind it; whoever cannot be reached now.
  return error instanceof Error && ['OrderRefused', 'TransactionPending', 'Error'].includes(error.name);
}

function orWaits(error: unknown): void {
  if (error instanceof Error && error.name === 'TransactionPending') return;
  throw error;
}
