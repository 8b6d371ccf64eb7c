import { stateMachine } from '../kit/workflow/state-machine/definition.js';
import type { GuardOrder } from '../kit/workflow/state-machine/protocol.js';

/** Where the warehouse has the order. */
const AT_WAREHOUSE = ['PAID.WAIT_PICK', 'PAID.PICKING', 'PAID.WAIT_PACK', 'PAID.PACKING', 'WAIT_DELIVER'] as const;
/** What follows the warehouse's work: an echo of it that comes late says nothing new. */
const AFTER = ['DELIVERED.*', 'COMPLETED', 'CANCELLED', 'REFUNDING.*', 'REFUNDED'] as const;

/** One line of text for people: what is kept with the carrier's answer. */
const said = ({ by }: GuardOrder) =>
  /^[^\p{Cc}\p{Cs}]{1,500}$/u.test(by?.reason ?? '') && /^[^\p{Cc}\p{Cs}]{1,100}$/u.test(by?.actor ?? '')
    ? undefined
    : 'say who asks for it and why, each in one line';

/**
 * The life of an order, from the moment when it waits for its payment: weeks, in which its customer, the warehouse, the carrier and people
 * of the shop move it. What belongs to a move elsewhere (money, stock, a parcel) is a saga of its own, see src/workflows/order-lifecycle-sagas.ts.
 *
 * States: as of the table. Additions of the shop: what has left and has arrived is DELIVERED.ARRIVED; an order that is refunded waits for
 * its parcel (REFUNDING.RECALLED), which may be lost (REFUNDING.LOST), or is refunded though its goods do not come back (REFUNDING.KEPT).
 * Invariant: money, stock, points and coupon are where the state says that they are, as soon as nothing is under way.
 */
export const orderLifecycleMachine = stateMachine({
  name: 'orderLifecycle',
  initial: 'WAIT_PAY',
  states: [
    ...(['WAIT_PAY', 'PAID', 'PAID.WAIT_PICK', 'PAID.PICKING', 'PAID.WAIT_PACK', 'PAID.PACKING'] as const),
    ...(['WAIT_DELIVER', 'DELIVERED', 'DELIVERED.ARRIVED', 'COMPLETED', 'CANCELLED'] as const),
    ...(['REFUNDING', 'REFUNDING.RECALLED', 'REFUNDING.LOST', 'REFUNDING.KEPT', 'REFUNDED'] as const),
  ],
  final: ['COMPLETED', 'CANCELLED', 'REFUNDED'],
  transitions: {
    pay: { from: 'WAIT_PAY', to: 'PAID', effect: 'payForOrder' },
    cancel: [
      { from: 'WAIT_PAY', to: 'CANCELLED', effect: 'cancelUnpaidOrder' },
      { from: 'WAIT_DELIVER', to: 'CANCELLED', effect: 'cancelPaidOrder' },
    ],
    received: { from: 'PAID', to: 'PAID.WAIT_PICK' },
    pick: { from: 'PAID.WAIT_PICK', to: 'PAID.PICKING' },
    picked: { from: 'PAID.PICKING', to: 'PAID.WAIT_PACK' },
    pack: { from: 'PAID.WAIT_PACK', to: 'PAID.PACKING' },
    packed: { from: 'PAID.PACKING', to: 'WAIT_DELIVER' },
    ship: { from: 'WAIT_DELIVER', to: 'DELIVERED', effect: 'shipOrder' },
    deliver: { from: 'DELIVERED', to: 'DELIVERED.ARRIVED' },
    complete: { from: 'DELIVERED.*', to: 'COMPLETED' },
    refund: [
      { from: 'WAIT_DELIVER', to: 'REFUNDING' },
      { from: ['DELIVERED.*', 'REFUNDING.LOST'], to: 'REFUNDING.KEPT' },
    ],
    recall: { from: 'DELIVERED.*', to: 'REFUNDING.RECALLED', guard: said, effect: 'recallParcel' },
    returned: { from: 'REFUNDING.RECALLED', to: 'REFUNDING', effect: 'takeParcelBack' },
    lost: { from: 'REFUNDING.RECALLED', to: 'REFUNDING.LOST', guard: said, effect: 'loseParcel' },
    refunded: { from: ['REFUNDING', 'REFUNDING.KEPT'], to: 'REFUNDED' },
  },
  deadlines: {
    unpaid: { during: 'WAIT_PAY', after: '30 minutes', fires: 'cancel' },
    unreceived: { during: 'PAID', after: '1 hour', runs: { operation: { name: 'orders.tellAgain' } }, times: 5 },
    notOut: { during: AT_WAREHOUSE, after: '8 hours', alarm: 'order-not-out' },
    uncompleted: { during: 'DELIVERED.*', after: '14 days', fires: 'complete' },
    notReturned: { during: 'REFUNDING.RECALLED', after: '14 days', alarm: 'parcel-not-returned' },
    undecided: { during: 'REFUNDING.LOST', after: '1 day', alarm: 'parcel-lost' },
  },
  entry: {
    REFUNDING: { saga: 'refundOrder', done: 'refunded' },
    'REFUNDING.KEPT': { saga: 'refundOrder', done: 'refunded' },
  },
  ignored: {
    received: [...AT_WAREHOUSE, ...AFTER],
    pick: [...AT_WAREHOUSE.slice(1), ...AFTER],
    picked: [...AT_WAREHOUSE.slice(2), ...AFTER],
    pack: [...AT_WAREHOUSE.slice(3), ...AFTER],
    packed: ['WAIT_DELIVER', ...AFTER],
  },
});
