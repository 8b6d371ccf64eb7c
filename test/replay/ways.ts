import assert from 'node:assert/strict';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { PlaceOrderInput } from '../../src/contracts/place-order.js';
import { decide, operate, type StartOptions } from '../../src/kit/client/index.js';
import { settle } from '../../src/kit/worker/settle.js';
import {
  TRANSACTION_QUERY,
  type DeskAction,
  type DeskOrder,
  type OperatorAction,
  type OperatorOrder,
  type TransactionView,
} from '../../src/kit/workflow/index.js';

/** What can become of a transaction while it is recorded. */

/** A way that a transaction can go. */
export interface Way {
  readonly call?: StartOptions;
  /** For this one only, as `function:kind`. */
  readonly fault?: string;
  /** What is done to it once it runs. */
  readonly then?: (handle: WorkflowHandle, client: Client) => Promise<unknown>;
}

/** A way that an order can go. */
export interface Path extends Way {
  readonly order?: Partial<PlaceOrderInput>;
}

/** Waits until a workflow has asked for a step that has not ended. */
export const pending = async (handle: WorkflowHandle, step: string) => {
  for (;;) {
    // An agent is not there from the beginning.
    const raw = await handle.describe().then(
      (described) => described.raw,
      () => undefined,
    );
    if (raw?.pendingActivities?.some(({ activityType }) => activityType?.name === step)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
/** Cancels it while a step runs. */
export const whenStep = (step: string) => async (handle: WorkflowHandle) => {
  await pending(handle, step);
  await handle.cancel();
};

/** Has a person decide what waits. */
export const atTheDesk =
  (branch: string, action: DeskAction, more: Partial<DeskOrder> = {}) =>
  async (handle: WorkflowHandle, client: Client) => {
    for (;;) {
      const { desk } = await handle.query<TransactionView>(TRANSACTION_QUERY);
      if (desk.some((waiting) => waiting.branch === branch)) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const order: DeskOrder = { branch, action, actor: 'ann', reason: 'recorded', ...more };
    await decide(client, handle.workflowId, order);
  };

/** Has an operator act while a step runs. */
export const operates =
  (step: string, action: OperatorAction, more: Partial<OperatorOrder> = {}) =>
  async (handle: WorkflowHandle, client: Client) => {
    await pending(handle, step);
    const order: OperatorOrder = { action, actor: 'ann', reason: 'recorded', ...more };
    await operate(client, handle.workflowId, order);
  };

/** Ends its run, and starts the one that settles it. */
export const ended = (step: string) => async (handle: WorkflowHandle, client: Client) => {
  await pending(handle, step);
  const before = await handle.describe();
  await handle.terminate('recorded');
  assert.ok(await settle(client, before));
};
