import { orderGid } from '../../../contracts/place-order.js';
import type { Database, Operation, Pair } from '../../../kit/database/index.js';
import type { Payments } from '../../payments/index.js';
import { endHold } from '../holds.js';
import { orderPair, SINCE, unlessLeft, type OrderDatabases } from '../orders.js';

interface PaymentRow {
  readonly order_id: string;
  readonly customer_id: string;
  readonly amount: number;
  readonly status: 'frozen' | 'requested' | 'captured' | 'refunded' | 'released' | 'expired';
  readonly branch: string | null;
}

/** An order that stands is paid once, by its customer and in full; any other has nothing captured or frozen. */
export function ordersPayments(databases: OrderDatabases & { readonly payments: Database }, payments: Payments): Pair {
  const refund = {
    what: 'gives the money back',
    run: ({ key: orderId, data }: { key: string; data?: unknown }, operation: Operation) =>
      payments.refund.action(operation, { orderId, customerId: data as string }),
  };
  return orderPair<PaymentRow>(databases, {
    name: 'orders-payments',
    what: 'an order that stands is paid, and no other is',
    classes: {
      'placed-but-unpaid': { what: 'the order stands, and nothing is captured for it' },
      'paid-but-cancelled': { what: 'the order is cancelled, and its payment was not refunded', repair: refund },
      'paid-without-order': { what: 'a payment is captured, and there is no order of its id', repair: refund },
      'paid-but-open': { what: 'the order is created and paid, and no transaction takes care of it' },
      'returned-but-not-refunded': { what: 'the parcel came back, and the payment was not refunded', repair: refund },
      'payment-differs': { what: 'the payment is of another amount or customer than the order' },
      'paid-twice': { what: 'an order has two payments' },
      'payment-hold-forgotten': {
        what: 'money is frozen for an order whose transaction has ended, or that has none',
        repair: {
          what: 'captures or thaws it, as its transaction has decided',
          run: ({ data }, operation) => {
            const { row, end } = data as { row: PaymentRow; end: 'confirm' | 'cancel' };
            const { order_id: orderId, customer_id: customerId, amount } = row;
            const own = endHold(operation, { gid: orderGid(orderId), branch: row.branch ?? 'pay', op: end });
            return payments.freeze[end](own, { orderId, customerId, amount });
          },
        },
      },
    },
    sides: [
      `select order_id as key, customer_id || ' ' || (amount - discount) as value from orders
      where status in ('placed', 'lost', 'PAID', 'WAIT_DELIVER', 'DELIVERED', 'REFUNDING', 'COMPLETED') and created_at >= ${SINCE}`,
      `select order_id as key, case status when 'frozen' then 'frozen ' else '' end || customer_id || ' ' || amount as value
      from payments where status in ('captured', 'frozen') and captured_at >= ${SINCE}`,
    ],
    database: databases.payments,
    rows: `
select payments.order_id, customer_id, amount, status, guard.branch from payments
left join backstitch.guard on status = 'frozen' and gid = 'order-' || order_id and phase = 1 and function = 'payments.freeze.try'
where order_id = any ($1)`,
    judge(orderId, { order, rows, hasLeft }) {
      const [payment, second] = rows;
      if (second !== undefined) return { class: 'paid-twice', detail: `it has ${rows.length} payments` };
      const stands = order?.status === 'placed' || order?.status === 'lost';
      const words = payment && `${payment.amount} cents ${payment.status} from customer ${payment.customer_id}`;
      if (payment?.status === 'frozen') {
        const detail = `${words}, and the order is ${order?.status ?? 'not there'}`;
        const end = stands ? 'confirm' : 'cancel';
        const known = order !== undefined && order.status !== 'created';
        const unsafe = known ? {} : { unsafe: 'what its transaction has decided is not known' };
        return { class: 'payment-hold-forgotten', detail, data: { row: payment, end }, ...unsafe };
      }
      const isPaid = payment?.status === 'captured';
      if (stands) {
        const due = `${order.price} cents captured from customer ${order.customer_id}`;
        if (!isPaid) return { class: 'placed-but-unpaid', detail: `${due} are due, there is ${words ?? 'no payment'}` };
        return words === due ? undefined : { class: 'payment-differs', detail: `${due} are due, there is ${words}` };
      }
      if (!isPaid) return undefined;
      const detail = `${words}, and the order is ${order?.status ?? 'not there'}`;
      const found = { detail, data: payment.customer_id, ...unlessLeft(hasLeft && order?.status !== 'returned') };
      if (order === undefined) return { class: 'paid-without-order', ...found };
      if (order.status === 'created') return { class: 'paid-but-open', detail };
      return { class: order.status === 'cancelled' ? 'paid-but-cancelled' : 'returned-but-not-refunded', ...found };
    },
  });
}
