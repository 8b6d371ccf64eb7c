import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { LifecycleOrder, LookedLifecycle, WorkAtWarehouse } from '../contracts/lifecycle.js';
import type { orderLifecycleMachine } from '../contracts/order-lifecycle.js';
import { orderLifecycleContract } from '../contracts/transactions.js';
import {
  machineClient,
  runJob,
  showTransaction,
  TransactionNotFound,
  TransactionPending,
  type MachineClient,
  type MachineView,
} from '../kit/client/index.js';
import { NotKnown } from './exit.js';
import type { Session } from './session.js';

/** What is asked of orders that live for weeks: their machines are asked, and where those are gone, their rows. */

export type OrderMachines = MachineClient<typeof orderLifecycleMachine, LifecycleOrder>;

export function machinesOf({ client, settings }: Session): OrderMachines {
  return machineClient(client, settings, orderLifecycleContract);
}

/** An order as its machine and its row tell it. */
export interface FoundLifecycle {
  /** Absent: its machine has ended so long ago that nothing of it is kept. */
  readonly view?: MachineView;
  readonly row: LookedLifecycle;
  /** The transaction of it that waits for a person. */
  readonly stuck?: string;
}

/** Whether the order is one that lives for weeks: its machine or its row tells. */
export async function isLifecycle(session: Session, orderId: string): Promise<boolean> {
  const gid = orderLifecycleContract.gid(orderId);
  try {
    return (await session.client.workflow.getHandle(gid).describe()).type === orderLifecycleContract.workflow;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // Where nobody can be asked, whoever asks next says so.
    const row = await lookAtRow(session, orderId).catch(() => null);
    return row !== null;
  }
}

/** An order as its row has it; `null`: there is none, or it is of another scheme. @throws NotKnown: its database gives no answer */
export async function lookAtRow({ client, settings }: Session, orderId: string): Promise<LookedLifecycle | null> {
  try {
    return await runJob<LookedLifecycle | null>(client, settings, 'lifecycleState', `look-${randomUUID()}`, [orderId]);
  } catch (error) {
    if (!(error instanceof Error && error.cause instanceof WorkflowFailedError)) throw error;
    throw new NotKnown(`it is not known where order ${orderId} is: ask again (${error.message})`, error);
  }
}

/** Looks at an order. @throws TransactionNotFound: there is none */
export async function findLifecycle(session: Session, orderId: string): Promise<FoundLifecycle> {
  const gid = orderLifecycleContract.gid(orderId);
  const view = await machinesOf(session)
    .view(gid)
    .catch((error: unknown) => {
      if (error instanceof TransactionNotFound) return undefined;
      throw error;
    });
  const row = await lookAtRow(session, orderId);
  if (row === null) throw new TransactionNotFound(gid, session.settings.namespace);
  const stuck = view && (await stuckOf(session, view));
  return { row, ...(view && { view }), ...(stuck !== undefined && { stuck }) };
}

/** The transaction of an order that waits for a person, as far as its machine tells: nothing, where that cannot be asked now. */
export async function lookForStuck(session: Session, orderId: string): Promise<string | undefined> {
  try {
    return await stuckOf(session, await machinesOf(session).view(orderLifecycleContract.gid(orderId)));
  } catch {
    return undefined;
  }
}

/** The transaction of an order that waits for a person, if one does. */
async function stuckOf({ client, settings }: Session, { underWay, running }: MachineView): Promise<string | undefined> {
  for (const gid of [...(underWay?.gid === undefined ? [] : [underWay.gid]), ...running]) {
    const found = await showTransaction(client, gid, settings).catch(() => undefined);
    if (found?.state === 'stuck' || found?.state === 'failed') return gid;
  }
  return undefined;
}

/** The first pause between two looks, and the longest, in milliseconds. */
const FIRST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 1_000;

/**
 * Opens an order, and waits until it waits for its payment; asked again it is the same one.
 *
 * @param until milliseconds since 1970
 * @throws TransactionCompensated: it could not be opened; TransactionPending: not yet; GidConflict: the order is one of another scheme
 */
export async function openLifecycle(session: Session, order: LifecycleOrder, until: number): Promise<FoundLifecycle> {
  const { gid: gidOf, summary } = orderLifecycleContract;
  const gid = gidOf(order.orderId);
  const machines = machinesOf(session);
  await machines.start(gid, order, { summary: summary(order) });
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
    // It may have come to nothing: then its end is why.
    const left = Math.max(Math.min(pauseMs, until - Date.now()), 1);
    const pending = await machines.result(gid, { wait: left }).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof TransactionPending) return error;
        throw error;
      },
    );
    const row = await lookAtRow(session, order.orderId);
    if (row !== null) {
      const found = await findLifecycle(session, order.orderId);
      // Its machine has yet to hear of it: only then is it known by when it has to be paid.
      if (found.view === undefined || found.view.state !== undefined || Date.now() >= until) return found;
      continue;
    }
    if (pending === undefined || Date.now() >= until)
      throw pending ?? new TransactionNotFound(gid, session.settings.namespace);
  }
}

/** Has somebody of the warehouse do a step of the job of an order. */
export async function workAtWarehouse({ client, settings }: Session, work: WorkAtWarehouse): Promise<void> {
  await runJob(client, settings, 'workAtWarehouse', `work-${randomUUID()}`, [work]);
}

/** Looks until an order is where it should come to, or the time is over. @returns the state that it is in */
export async function followLifecycle(
  session: Session,
  orderId: string,
  isThere: (state: string | undefined) => boolean,
  until: number,
): Promise<string | undefined> {
  const machines = machinesOf(session);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
    const { state } = await machines.view(orderLifecycleContract.gid(orderId));
    if (isThere(state) || Date.now() >= until) return state;
    await delay(pauseMs);
  }
}
