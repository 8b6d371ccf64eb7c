import { orderLifecycleMachine } from '../../../../src/contracts/order-lifecycle.js';
import { machineWorkflow, participant, stateMachine, type MachineRows } from '../../../../src/kit/workflow/index.js';
import type { JobTold } from '../../../../src/contracts/lifecycle.js';

/**
 * The shop's order in a first release: the warehouse says only that it has received an order and has packed it, and nothing is recalled or
 * refunded once it has left.
 */
export const order = stateMachine({
  name: orderLifecycleMachine.name,
  initial: 'WAIT_PAY',
  states: ['WAIT_PAY', 'PAID', 'PAID.WAIT_PICK', 'WAIT_DELIVER', 'DELIVERED', 'CANCELLED'],
  final: ['CANCELLED', 'DELIVERED'],
  transitions: {
    pay: { from: 'WAIT_PAY', to: 'PAID', effect: 'payForOrder' },
    cancel: { from: 'WAIT_PAY', to: 'CANCELLED', effect: 'cancelUnpaidOrder' },
    received: { from: 'PAID', to: 'PAID.WAIT_PICK' },
    packed: { from: 'PAID.WAIT_PICK', to: 'WAIT_DELIVER' },
    ship: { from: 'WAIT_DELIVER', to: 'DELIVERED', effect: 'shipOrder' },
  },
  deadlines: {
    unpaid: { during: 'WAIT_PAY', after: '30 minutes', fires: 'cancel' },
    unpacked: { during: 'PAID.*', after: '2 days', alarm: 'order-not-packed' },
  },
});

export const options = {
  rows: participant<MachineRows>('orders'),
  begin: 'openOrder',
  onMessage: (message: unknown) => {
    const { id, payload } = message as { readonly id: string; readonly payload: JobTold };
    return { id, event: payload.step, by: { actor: 'warehouse' } };
  },
};

export * from '../../../../src/workflows/order-lifecycle-sagas.js';
export const orderLifecycle = machineWorkflow(order, options);
