import { log, proxyActivities } from '@temporalio/workflow';
import type { PlaceOrder } from '../../src/contracts/place-order.js';
import { stepsOf } from '../steps.js';
import type { Activities } from './activities.js';

/**
 * A saga as Temporal's own sample and tutorials teach it: a list of compensations, put in front after each activity
 * that succeeded, run in that order when one fails. What the kit is measured against.
 */

interface Compensation {
  readonly message: string;
  readonly run: () => Promise<void>;
}

const { createOrder, cancelOrder, charge, refund, reserve } = proxyActivities<Activities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '100 ms', maximumInterval: '2 seconds', maximumAttempts: 4 },
});

export async function handWrittenOrder(order: PlaceOrder): Promise<void> {
  const steps = stepsOf(order);
  const compensations: Compensation[] = [];
  try {
    await createOrder(steps.create);
    compensations.unshift({ message: 'cancelling the order', run: () => cancelOrder(steps.create) });
    await charge(steps.pay);
    compensations.unshift({ message: 'refunding the payment', run: () => refund(steps.pay) });
    await reserve(steps.reserve);
  } catch (error) {
    await compensate(compensations);
    throw error;
  }
}

async function compensate(compensations: readonly Compensation[]): Promise<void> {
  for (const { message, run } of compensations) {
    try {
      await run();
    } catch (error) {
      log.error(`${message} failed`, { error });
    }
  }
}
