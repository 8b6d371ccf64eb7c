import type { OrderService } from './copies.js';
import type { Fault } from './faults-of.js';

/** Damage of orders that end at once: one that was placed, one that was paid and refunded, one that could not be paid. */
export type OrderFault = Fault<'placed' | 'refunded' | 'refused', OrderService>;

export const UNPAID = `delete from payments where order_id = ':id'; delete from wallet_entries where order_id = ':id'`;
export const UNRESERVED = `delete from reservations where order_id = ':id'; delete from stock_entries where order_id = ':id'`;
export const UNSHIPPED = `delete from shipments where order_id = ':id'`;
export const UNTOLD = `delete from notifications where order_id = ':id'`;
const REOPENED = `update orders set status = 'created', ended_at = null where order_id = ':id'`;
const REFUNDED = `update payments set status = 'refunded', refunded_at = now() where order_id = ':id';
insert into wallet_entries (customer_id, kind, amount, order_id) select customer_id, 'refund', amount, order_id from payments where order_id = ':id'`;
const RELEASED = `update reservations set status = 'released', released_at = now() where order_id = ':id';
insert into stock_entries (sku, kind, amount, order_id) select sku, 'released', units, order_id from reservations where order_id = ':id'`;
const POINTS_BACK = `insert into point_entries (customer_id, kind, amount, order_id)
select customer_id, 'returned', points_spent, order_id from orders where order_id = ':id'`;
const RETURNED = `update orders set status = 'returned', recalled_at = now() where order_id = ':id'; ${POINTS_BACK}`;
export const CARRIER = (status: string) =>
  `insert into recalls (order_id, status, reason, actor, ended_at) values (':id', '${status}', 'r', 'a', ${status === 'requested' ? 'null' : 'now()'})`;
/** A table without the rules that keep a key from being there twice. */
const twice = (table: string) =>
  `alter table ${table} drop constraint if exists ${table}_pkey cascade;
  create index if not exists ${table}_key on ${table} (order_id)`;

export const orderFaults: readonly OrderFault[] = [
  // Orders and payments.
  { base: 'placed', expect: ['placed-but-unpaid'], sql: { payments: UNPAID } },
  {
    base: 'placed',
    expect: ['payment-differs'],
    sql: {
      payments: `update payments set amount = amount + 1 where order_id = ':id'; update wallet_entries set amount = amount - 1 where order_id = ':id'`,
    },
  },
  {
    base: 'placed',
    expect: ['paid-twice', 'payment-entries-differ'],
    sql: {
      payments: `${twice('payments')}; insert into payments (order_id, customer_id, amount, status, captured_at)
      select order_id, customer_id, amount, status, captured_at from payments where order_id = ':id'`,
    },
  },
  {
    base: 'placed',
    expect: ['paid-but-open'],
    sql: { orders: REOPENED, inventory: UNRESERVED, shipping: UNSHIPPED, notifications: UNTOLD },
  },
  {
    base: 'refunded',
    expect: ['paid-but-cancelled'],
    repaired: ['paid-but-cancelled'],
    sql: {
      payments: `update payments set status = 'captured', refunded_at = null where order_id = ':id';
      delete from wallet_entries where order_id = ':id' and kind = 'refund'`,
    },
  },
  { base: 'placed', at: ['payments'], expect: ['paid-without-order'], repaired: ['paid-without-order'] },
  {
    base: 'placed',
    expect: ['returned-but-not-refunded'],
    repaired: ['returned-but-not-refunded'],
    sql: { orders: RETURNED, shipping: CARRIER('returned'), inventory: RELEASED },
  },
  // Orders and stock.
  { base: 'placed', expect: ['placed-but-not-reserved'], sql: { inventory: UNRESERVED } },
  {
    base: 'placed',
    expect: ['reservation-differs'],
    sql: {
      inventory: `update reservations set units = units + 1 where order_id = ':id'; update stock_entries set amount = amount - 1 where order_id = ':id'`,
    },
  },
  {
    base: 'placed',
    expect: ['reserved-twice', 'stock-entries-differ'],
    sql: {
      inventory: `${twice('reservations')}; insert into reservations (order_id, sku, units, reserved_at)
      select order_id, sku, units, reserved_at from reservations where order_id = ':id'`,
    },
  },
  {
    base: 'placed',
    expect: ['reserved-but-open'],
    sql: { orders: REOPENED, payments: UNPAID, shipping: UNSHIPPED, notifications: UNTOLD },
  },
  {
    base: 'placed',
    expect: ['reserved-but-cancelled'],
    repaired: ['reserved-but-cancelled'],
    sql: {
      orders: `update orders set status = 'cancelled' where order_id = ':id'; ${POINTS_BACK}`,
      ...{ payments: REFUNDED, shipping: UNSHIPPED, notifications: UNTOLD },
    },
  },
  { base: 'placed', at: ['inventory'], expect: ['occupied-but-no-order'], repaired: ['occupied-but-no-order'] },
  {
    base: 'placed',
    expect: ['returned-but-not-restocked'],
    repaired: ['returned-but-not-restocked'],
    sql: { orders: RETURNED, shipping: CARRIER('returned'), payments: REFUNDED },
  },
  // Orders and points.
  {
    base: 'refunded',
    expect: ['points-not-returned'],
    repaired: ['points-not-returned'],
    sql: { orders: `delete from point_entries where order_id = ':id' and kind = 'returned'` },
  },
  {
    base: 'placed',
    expect: ['points-differ'],
    sql: { orders: `update point_entries set amount = amount - 1 where order_id = ':id'` },
  },
  {
    expect: ['points-without-order'],
    sql: {
      orders: `insert into point_entries (customer_id, kind, amount, order_id) values ('c1', 'spent', -1, ':id')`,
    },
  },
  // Orders, parcels and recalls.
  { base: 'placed', expect: ['placed-but-not-shipped'], sql: { shipping: UNSHIPPED } },
  { base: 'placed', at: ['shipping'], expect: ['shipped-without-order'] },
  {
    base: 'placed',
    expect: ['shipped-but-cancelled'],
    sql: {
      orders: `update orders set status = 'cancelled' where order_id = ':id'; ${POINTS_BACK}`,
      ...{ payments: REFUNDED, inventory: RELEASED, notifications: UNTOLD },
    },
  },
  {
    base: 'placed',
    expect: ['shipped-but-open'],
    sql: { orders: REOPENED, payments: UNPAID, inventory: UNRESERVED, notifications: UNTOLD },
  },
  {
    base: 'placed',
    expect: ['shipment-differs'],
    sql: { shipping: `update shipments set customer_id = 'c2' where order_id = ':id'` },
  },
  {
    base: 'placed',
    expect: ['shipped-twice'],
    sql: {
      shipping: `${twice('shipments')}; insert into shipments (order_id, customer_id, sku, units)
      select order_id, customer_id, sku, units from shipments where order_id = ':id'`,
    },
  },
  {
    base: 'placed',
    expect: ['recalled-but-not-asked'],
    sql: { orders: `update orders set recalled_at = now() where order_id = ':id'` },
  },
  { base: 'placed', expect: ['asked-but-not-recalled'], sql: { shipping: CARRIER('requested') } },
  {
    base: 'placed',
    expect: ['recall-differs'],
    sql: { orders: `update orders set recalled_at = now() where order_id = ':id'`, shipping: CARRIER('lost') },
  },
  // Orders and what customers were told.
  {
    base: 'placed',
    expect: ['placed-but-not-told'],
    repaired: ['placed-but-not-told'],
    sql: { notifications: UNTOLD },
  },
  // Told "on its way" it would be weeks after its parcel came back.
  {
    base: 'placed',
    expect: ['placed-but-not-told'],
    sql: {
      ...{ orders: RETURNED, shipping: CARRIER('returned'), inventory: RELEASED, payments: REFUNDED },
      notifications: UNTOLD,
    },
  },
  {
    base: 'placed',
    expect: ['told-another-customer'],
    sql: { notifications: `update notifications set customer_id = 'c2' where order_id = ':id'` },
  },
  { base: 'placed', at: ['notifications'], expect: ['told-but-not-placed'] },
  {
    base: 'refunded',
    expect: ['announced-but-not-corrected'],
    repaired: ['announced-but-not-corrected'],
    sql: {
      notifications: `insert into notifications (order_id, kind, customer_id) values (':id', 'order-received', 'c1')`,
    },
  },
  // Orders and workflows.
  {
    base: 'placed',
    expect: ['placed-without-workflow'],
    sql: { orders: `delete from backstitch.guard where gid = 'order-:id'` },
  },
  // Records and their entries.
  {
    base: 'placed',
    expect: ['payment-without-entries'],
    sql: { payments: `delete from wallet_entries where order_id = ':id'` },
  },
  {
    expect: ['entries-without-payment'],
    sql: {
      payments: `insert into wallet_entries (customer_id, kind, amount, order_id) values ('c1', 'capture', -7, ':id')`,
    },
  },
  {
    base: 'placed',
    expect: ['reservation-without-entries'],
    sql: { inventory: `delete from stock_entries where order_id = ':id'` },
  },
  {
    expect: ['entries-without-reservation'],
    sql: { inventory: `insert into stock_entries (sku, kind, amount, order_id) values ('cd', 'reserved', -1, ':id')` },
  },
];
