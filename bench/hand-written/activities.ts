import { ApplicationFailure } from '@temporalio/common';
import { Rejection } from '../../src/kit/database/index.js';
import type { Charge, CreateOrder } from '../../src/contracts/services.js';
import type { Reserve } from '../steps.js';
import { operation, type Services } from '../systems/in-process.js';

/** The hand-written saga's activities: the shop's own work, refused for good where the shop refuses it. */
export function createActivities({ orders, payments, inventory }: Services) {
  return {
    createOrder: async (input: CreateOrder): Promise<void> => {
      await definite(orders.create.action(operation(input, 'create-order', 'action'), input));
    },
    cancelOrder: async (input: CreateOrder): Promise<void> => {
      await orders.create.compensation(operation(input, 'create-order', 'compensation'), input);
    },
    charge: async (input: Charge): Promise<void> => {
      await definite(payments.charge.action(operation(input, 'pay', 'action'), input));
    },
    refund: async (input: Charge): Promise<void> => {
      await payments.charge.compensation(operation(input, 'pay', 'compensation'), input);
    },
    reserve: async (input: Reserve): Promise<void> => {
      await definite(inventory.reserve.action(operation({ orderId: input[0] }, 'reserve-stock', 'action'), input));
    },
  };
}

export type Activities = ReturnType<typeof createActivities>;

async function definite<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Rejection) throw ApplicationFailure.nonRetryable(error.message, error.type);
    throw error;
  }
}
