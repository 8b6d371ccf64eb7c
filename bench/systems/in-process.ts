import type { Inventory } from '../../src/activities/inventory/index.js';
import type { Orders } from '../../src/activities/orders/index.js';
import type { Payments } from '../../src/activities/payments/index.js';
import { Rejection } from '../../src/kit/database/index.js';
import type { Op, Operation } from '../../src/kit/workflow/branch.js';
import { stepsOf } from '../steps.js';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import type { System } from './system.js';

/** The services that the benchmark's sagas use. */
export interface Services {
  readonly orders: Orders;
  readonly payments: Payments;
  readonly inventory: Inventory;
}

/** The three steps in this process, one after the other, without an engine: what only the databases cost. */
export function inProcessSystem(services: Services): System {
  return {
    factor: 10,
    engine: false,
    start: () =>
      Promise.resolve({
        place: (order) => place(services, order),
        stop: () => Promise.resolve(),
      }),
  };
}

async function place({ orders, payments, inventory }: Services, order: PlaceOrder): Promise<'done' | 'undone'> {
  const { create, pay, reserve } = stepsOf(order);
  const undo: (() => Promise<unknown>)[] = [];
  try {
    await orders.create.action(operation(order, 'create-order', 'action'), create);
    undo.unshift(() => orders.create.compensation(operation(order, 'create-order', 'compensation'), create));
    await payments.charge.action(operation(order, 'pay', 'action'), pay);
    undo.unshift(() => payments.charge.compensation(operation(order, 'pay', 'compensation'), pay));
    await inventory.reserve.action(operation(order, 'reserve-stock', 'action'), reserve);
    return 'done';
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    for (const step of undo) await step();
    return 'undone';
  }
}

/** The call of a step: what kit/worker would hand to the participant. */
export function operation({ orderId }: { orderId: string }, branch: string, op: Op): Operation {
  return {
    gid: orderId,
    branch,
    op,
    scheme: 'saga',
    seq: 1,
    function: branch,
    driver: 'bench',
    who: 'bench',
    attempt: 1,
    timeoutMs: 10_000,
    signal: NEVER,
  };
}

const NEVER = new AbortController().signal;
