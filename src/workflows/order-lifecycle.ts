import type { Lifecycle } from '../activities/lifecycle/index.js';
import type { JobTold, LifecycleOrder } from '../contracts/lifecycle.js';
import { orderLifecycleMachine } from '../contracts/order-lifecycle.js';
import { machineWorkflow, participant } from '../kit/workflow/index.js';

/** The life of an order as a workflow, one for each order: it opens the order, if that is not there. Its table is with the contracts. */
export const orderLifecycle = machineWorkflow<LifecycleOrder>(orderLifecycleMachine, {
  rows: participant<Lifecycle>('orders'),
  begin: 'openOrder',
  // What the warehouse tells: each step of its job is an event.
  onMessage: (message) => {
    const { id, payload } = message as { readonly id: string; readonly payload: JobTold };
    return { id, event: payload.step, by: { actor: 'warehouse' } };
  },
});
