import { machineWorkflow, participant, stateMachine, type MachineRows } from '../../../../src/kit/workflow/index.js';
import { ticket as first } from './one.js';

/** A ticket in its second release: it is checked before it is closed. */
const ticket = stateMachine({
  name: 'ticket',
  revision: 2,
  initial: 'OPEN',
  states: ['OPEN', 'CHECKED', 'CLOSED'],
  final: ['CLOSED'],
  transitions: {
    note: { from: 'OPEN', to: 'OPEN' },
    check: { from: 'OPEN', to: 'CHECKED' },
    close: { from: 'CHECKED', to: 'CLOSED' },
  },
  deadlines: { slow: { during: 'OPEN', after: '30 days', alarm: 'ticket-slow' } },
});

export type Ticket = typeof ticket;

export const ticketLife = machineWorkflow(ticket, {
  rows: participant<MachineRows>('tickets'),
  before: [first],
});
