import { stateMachine } from '../kit/workflow/state-machine/definition.js';
import type { GuardOrder } from '../kit/workflow/state-machine/protocol.js';

/** Where the warehouse has the order. */
const AT_WAREHOUSE = ['PAID.WAIT_PICK', 'PAID.PICKING', 'PAID.WAIT_PACK', 'PAID.PACKING', 'WAIT_DELIVER'] as const;
/** What follows the warehouse's work: an echo of it that comes late says nothing new. */
const AFTER = ['DELIVERED.*', 'COMPLETED', 'CANCELLED', 'REFUNDING.*', 'REFUNDED'] as const;
/** Where the refund runs: the goods come back, or never left; or they do not come back. */
const REFUND_RUNS = ['REFUNDING', 'REFUNDING.KEPT'] as const;
/** Where it was refused. */
const REFUND_REFUSED = ['REFUNDING.REFUSED', 'REFUNDING.KEPT_REFUSED'] as const;

/** One line of text for people: what is kept with the carrier's answer. */
const said = ({ by }: GuardOrder) =>
  /^[^\p{Cc}\p{Cs}]{1,500}$/u.test(by?.reason ?? '') && /^[^\p{Cc}\p{Cs}]{1,100}$/u.test(by?.actor ?? '')
    ? undefined
    : 'say who asks for it and why, each in one line';

/** Only what runs the refund knows how it has ended: a person who says so while it runs would have it paid twice. */
const byRefund = ({ by }: GuardOrder) =>
  by?.actor === 'entry'
    ? undefined
    : 'only its refund itself says so: what of it waits for a person is decided at its desk';

/**
 * The life of an order, from the moment when it waits for its payment: weeks, in which its customer, the warehouse, the carrier and people
 * of the shop move it. What belongs to a move elsewhere (money, stock, a parcel) is a saga of its own, see src/workflows/order-lifecycle-sagas.ts.
 *
 * States: as of the table. Additions of the shop: what has left and has arrived is DELIVERED.ARRIVED; an order that is refunded waits for
 * its parcel (REFUNDING.RECALLED), which may be lost (REFUNDING.LOST), or is refunded though its goods do not come back (REFUNDING.KEPT). A
 * refund that was refused (REFUNDING.REFUSED, and where the goods are kept REFUNDING.KEPT_REFUSED) is tried again each day until it is
 * done, or until somebody says that he has done it by hand.
 * Invariant: money, stock, points and coupon are where the state says that they are, as soon as nothing is under way.
 */
export const orderLifecycleMachine = stateMachine({
  name: 'orderLifecycle',
  initial: 'WAIT_PAY',
  states: [
    ...(['WAIT_PAY', 'PAID', 'PAID.WAIT_PICK', 'PAID.PICKING', 'PAID.WAIT_PACK', 'PAID.PACKING'] as const),
    ...(['WAIT_DELIVER', 'DELIVERED', 'DELIVERED.ARRIVED', 'COMPLETED', 'CANCELLED'] as const),
    ...(['REFUNDING', 'REFUNDING.RECALLED', 'REFUNDING.LOST', 'REFUNDING.KEPT'] as const),
    ...(['REFUNDING.REFUSED', 'REFUNDING.KEPT_REFUSED', 'REFUNDED'] as const),
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
      { from: ['WAIT_DELIVER', 'REFUNDING.REFUSED'], to: 'REFUNDING' },
      { from: ['DELIVERED.*', 'REFUNDING.LOST', 'REFUNDING.KEPT_REFUSED'], to: 'REFUNDING.KEPT' },
    ],
    recall: { from: 'DELIVERED.*', to: 'REFUNDING.RECALLED', guard: said, effect: 'recallParcel' },
    returned: { from: 'REFUNDING.RECALLED', to: 'REFUNDING', effect: 'takeParcelBack' },
    lost: { from: 'REFUNDING.RECALLED', to: 'REFUNDING.LOST', guard: said, effect: 'loseParcel' },
    // The refund tells of its end itself.
    refundDone: { from: REFUND_RUNS, to: 'REFUNDED', guard: byRefund },
    refundRefused: [
      { from: 'REFUNDING', to: 'REFUNDING.REFUSED', guard: byRefund },
      { from: 'REFUNDING.KEPT', to: 'REFUNDING.KEPT_REFUSED', guard: byRefund },
    ],
    // Somebody has seen to it by hand: only where none runs any more.
    refunded: { from: REFUND_REFUSED, to: 'REFUNDED', guard: said },
  },
  deadlines: {
    unpaid: { during: 'WAIT_PAY', after: '30 minutes', fires: 'cancel' },
    unreceived: { during: 'PAID', after: '1 hour', runs: { operation: { name: 'orders.tellAgain' } }, times: 5 },
    notOut: { during: AT_WAREHOUSE, after: '8 hours', alarm: 'order-not-out' },
    uncompleted: { during: 'DELIVERED.*', after: '14 days', fires: 'complete' },
    notReturned: { during: 'REFUNDING.RECALLED', after: '14 days', alarm: 'parcel-not-returned' },
    undecided: { during: 'REFUNDING.LOST', after: '1 day', alarm: 'parcel-lost' },
    unrefunded: { during: REFUND_RUNS, after: '1 day', alarm: 'order-not-refunded' },
    refundFailed: { during: REFUND_REFUSED, after: '1 minute', alarm: 'refund-refused' },
    refundAgain: { during: REFUND_REFUSED, after: '1 day', fires: 'refund' },
  },
  entry: {
    REFUNDING: { saga: 'refundOrder', done: 'refundDone', failed: 'refundRefused' },
    'REFUNDING.KEPT': { saga: 'refundOrder', done: 'refundDone', failed: 'refundRefused' },
  },
  ignored: {
    received: [...AT_WAREHOUSE, ...AFTER],
    pick: [...AT_WAREHOUSE.slice(1), ...AFTER],
    picked: [...AT_WAREHOUSE.slice(2), ...AFTER],
    pack: [...AT_WAREHOUSE.slice(3), ...AFTER],
    packed: ['WAIT_DELIVER', ...AFTER],
  },
});
