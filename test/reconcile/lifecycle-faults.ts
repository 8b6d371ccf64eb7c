import type { ServiceName } from '../../src/activities/index.js';
import type { Fault } from './faults-of.js';
import { CARRIER, UNPAID, UNRESERVED, UNSHIPPED, UNTOLD } from './faults.js';

/** Damage of orders that live for weeks, of their coupons, and of the warehouse's jobs. The customer of a copy has the copy's id. */

/** Where an order is that is copied; the last came to nothing when it was packed. */
export const lifecycleBases = [
  ...(['wait', 'paid', 'out', 'recalled', 'done', 'off', 'back'] as const),
  // Whose refund was refused: before it left, after it came back, and when it was lost.
  ...(['unsent', 'unpaid-back', 'unpaid-lost'] as const),
] as const;
type LifecycleBase = (typeof lifecycleBases)[number];
export type LifecycleFault = Fault<LifecycleBase, 'coupons'>;

/** Those of them that live, and so have a machine that runs; with the states of it. */
export const living: Partial<Record<LifecycleBase, string>> = {
  ...{ wait: 'WAIT_PAY', paid: 'PAID.WAIT_PICK', out: 'DELIVERED', recalled: 'REFUNDING.RECALLED' },
  ...{ unsent: 'REFUNDING.REFUSED', 'unpaid-back': 'REFUNDING.REFUSED', 'unpaid-lost': 'REFUNDING.KEPT_REFUSED' },
};

const coupon = (set: string) => `update coupons set ${set} where code = 'welcome-:id'`;
const move = (from: string, to: string) =>
  `insert into coupon_moves (code, order_id, moved_from, moved_to) values ('welcome-:id', ':id', '${from}', '${to}')`;
const HELD = coupon(`status = 'HELD', order_id = ':id', held_at = now()`);
const USED = coupon(`status = 'USED', order_id = ':id', held_at = now()`);
const AVAILABLE = coupon(`status = 'AVAILABLE', order_id = null, held_at = null`);
const job = (set: string): Partial<Record<ServiceName, string>> => ({
  warehouse: `update pick_jobs set ${set} where order_id = ':id'`,
});

export const lifecycleFaults: readonly LifecycleFault[] = [
  // What the services have of one that lives.
  { base: 'paid', expect: ['live-without-payment'], sql: { payments: UNPAID } },
  {
    base: 'wait',
    expect: ['live-paid-too-early'],
    sql: {
      payments: `insert into payments (order_id, customer_id, amount, status, captured_at) values (':id', ':id', 100, 'captured', now());
      insert into wallet_entries (customer_id, kind, amount, order_id) values (':id', 'capture', -100, ':id')`,
    },
  },
  { base: 'paid', expect: ['live-without-stock'], sql: { inventory: UNRESERVED } },
  { base: 'out', expect: ['live-without-parcel'], sql: { shipping: UNSHIPPED } },
  {
    base: 'paid',
    expect: ['live-with-parcel'],
    sql: { shipping: `insert into shipments (order_id, customer_id, sku, units) values (':id', ':id', 'cd', 1)` },
  },
  {
    base: 'unsent',
    expect: ['live-with-parcel'],
    sql: { shipping: `insert into shipments (order_id, customer_id, sku, units) values (':id', ':id', 'cd', 1)` },
  },
  { base: 'unpaid-back', expect: ['live-without-parcel'], sql: { shipping: UNSHIPPED } },
  {
    base: 'unpaid-lost',
    expect: ['live-recall-differs'],
    sql: { shipping: `update recalls set status = 'requested', ended_at = null where order_id = ':id'` },
  },
  { base: 'out', expect: ['live-recall-differs'], sql: { shipping: CARRIER('requested') } },
  {
    base: 'out',
    expect: ['live-but-not-told'],
    repaired: ['live-but-not-told'],
    sql: { notifications: UNTOLD },
  },
  {
    base: 'out',
    expect: ['refund-forgotten'],
    sql: { orders: `update orders set status = 'REFUNDING', sub_state = 'KEPT' where order_id = ':id'` },
  },
  // Orders and machines.
  { base: 'wait', expect: ['open-without-machine'] },
  // Orders and the warehouse's jobs.
  {
    base: 'paid',
    expect: ['paid-but-no-job'],
    repaired: ['paid-but-no-job'],
    sql: { warehouse: `delete from pick_jobs where order_id = ':id'` },
  },
  { base: 'out', expect: ['job-behind'], repaired: ['job-behind'], sql: job(`state = 'PACKING'`) },
  { base: 'off', expect: ['picked-but-cancelled'], repaired: ['picked-but-cancelled'], sql: job(`state = 'PACKED'`) },
  { base: 'paid', expect: ['job-ahead'], sql: job(`state = 'PACKED'`) },
  { base: 'paid', expect: ['job-differs'], sql: job('units = units + 1') },
  {
    expect: ['job-for-nobody'],
    sql: { warehouse: `insert into pick_jobs (order_id, sku, units) values (':id', 'cd', 1)` },
  },
  // Orders and coupons.
  { base: 'wait', at: ['coupons'], expect: ['held-but-no-order'], repaired: ['held-but-no-order'] },
  {
    base: 'off',
    expect: ['held-but-cancelled'],
    repaired: ['held-but-cancelled'],
    sql: { coupons: `${HELD}; ${move('AVAILABLE', 'HELD')}` },
  },
  {
    base: 'paid',
    expect: ['paid-but-not-used'],
    repaired: ['paid-but-not-used'],
    sql: {
      coupons: `${HELD};
      delete from coupon_moves where code = 'welcome-:id' and moved_to = 'USED'`,
    },
  },
  {
    base: 'off',
    expect: ['used-but-cancelled'],
    repaired: ['used-but-cancelled'],
    sql: { coupons: `${USED}; ${move('HELD', 'USED')}` },
  },
  { base: 'wait', expect: ['used-but-unpaid'], sql: { coupons: `${USED}; ${move('HELD', 'USED')}` } },
  { base: 'paid', at: ['coupons'], expect: ['used-but-no-order'] },
  { base: 'paid', expect: ['order-without-coupon'], sql: { coupons: `${AVAILABLE}; ${move('USED', 'AVAILABLE')}` } },
  {
    base: 'paid',
    expect: ['coupon-differs'],
    sql: { orders: `update orders set coupon = 'welcome-c1' where order_id = ':id'` },
  },
  // Coupons and their moves.
  {
    base: 'wait',
    expect: ['coupon-without-move welcome-:id'],
    sql: { coupons: `delete from coupon_moves where code = 'welcome-:id'` },
  },
  { base: 'off', expect: ['move-without-coupon welcome-:id'], sql: { coupons: move('AVAILABLE', 'HELD') } },
  { base: 'wait', expect: ['coupon-move-differs welcome-:id'], sql: { coupons: move('HELD', 'USED') } },
];
