import { stateMachine } from '../../../../src/kit/workflow/index.js';

/** A parcel that is checked as soon as it is there, which may end before it is paid, meanwhile, or after. */
export const checked = stateMachine({
  name: 'checked',
  initial: 'OPEN',
  states: ['OPEN', 'PAID', 'PAID.PICK', 'PAID.PACK', 'DONE'],
  final: ['DONE'],
  transitions: {
    pay: { from: 'OPEN', to: 'PAID', effect: 'payParcel' },
    pick: { from: ['OPEN', 'PAID'], to: 'PAID.PICK' },
    pack: { from: 'PAID.PICK', to: 'PAID.PACK' },
    done: { from: 'PAID.PACK', to: 'DONE' },
  },
  entry: { OPEN: { saga: 'checkParcel', done: 'pick' } },
});
