import { orderLifecycleMachine } from '../../../../src/contracts/order-lifecycle.js';
import { machineWorkflow } from '../../../../src/kit/workflow/index.js';
import { options, order } from './order-one.js';

/** The shop's order as it is, as the release that comes after the first one. */
export * from '../../../../src/workflows/order-lifecycle-sagas.js';
export const orderLifecycle = machineWorkflow(
  { ...orderLifecycleMachine, revision: 2 },
  { ...options, before: [order] },
);
