import {
  participant,
  stateMachine,
  type Forward,
  type MachineRows,
  type RunOrder,
  type Undoable,
} from '../../../../src/kit/workflow/index.js';

/** A small machine with everything in it: sub-states, guards, effects, deadlines of each kind, an entry. */

/** What has effects elsewhere. */
export interface Side {
  take: Undoable<{ id: string }, { taken: number }>;
  open: Undoable<{ id: string }, null>;
  check: Undoable<{ id: string }, null>;
  fetch: Undoable<{ id: string }, null>;
  tell: Forward<{ id: string }, null>;
  remind: Forward<RunOrder, null>;
}

export const rows = participant<MachineRows>('parcels');
export const side = participant<Side>('side');

export const parcel = stateMachine({
  name: 'parcel',
  initial: 'OPEN',
  states: ['OPEN', 'PAID', 'PAID.PICK', 'PAID.PACK', 'SENT', 'BACK', 'CANCELLED', 'DONE'],
  final: ['CANCELLED', 'DONE'],
  transitions: {
    pay: { from: 'OPEN', to: 'PAID', effect: 'payParcel' },
    cancel: { from: ['OPEN', 'PAID.*'], to: 'CANCELLED' },
    pick: { from: ['PAID', 'PAID.PACK'], to: 'PAID.PICK' },
    pack: { from: 'PAID.PICK', to: 'PAID.PACK' },
    send: {
      from: 'PAID.PACK',
      to: 'SENT',
      guard: ({ input, data }) => {
        if (!(input as { grams?: number } | undefined)?.grams) return 'its weight is not known';
        return (data as { of?: string } | undefined)?.of === undefined ? 'whose it is is not known' : undefined;
      },
    },
    giveBack: { from: 'SENT', to: 'BACK' },
    returned: { from: 'BACK', to: 'CANCELLED' },
    notReturned: { from: 'BACK', to: 'SENT' },
    done: { from: 'SENT', to: 'DONE' },
  },
  deadlines: {
    unpaid: { during: 'OPEN', after: '30 minutes', fires: 'cancel' },
    unpicked: { during: 'PAID', after: '1 hour', runs: { operation: side.remind }, times: 2 },
    unsent: { during: ['PAID.PICK', 'PAID.PACK'], after: '8 hours', alarm: 'parcel-late' },
    kept: { during: 'SENT', after: '21 days', fires: 'done' },
  },
  entry: { BACK: { saga: 'returnParcel', done: 'returned', failed: 'notReturned' } },
  ignored: { pick: ['CANCELLED', 'DONE', 'SENT'] },
});
