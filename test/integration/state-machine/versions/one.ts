import { machineWorkflow, participant, stateMachine, type MachineRows } from '../../../../src/kit/workflow/index.js';

/** A ticket in its first release. */
export const ticket = stateMachine({
  name: 'ticket',
  initial: 'OPEN',
  states: ['OPEN', 'CLOSED'],
  final: ['CLOSED'],
  transitions: {
    note: { from: 'OPEN', to: 'OPEN' },
    close: { from: 'OPEN', to: 'CLOSED' },
  },
});

export const ticketLife = machineWorkflow(ticket, {
  rows: participant<MachineRows>('tickets'),
  remembered: 1_000,
  historyEvents: 60,
});
