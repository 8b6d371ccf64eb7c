import type { NotificationRecord } from '../notifications/books.js';
import type { OrderRecord } from '../orders/books.js';
import type { PaymentRecord } from '../payments/books.js';
import type { ReservationRecord } from '../inventory/books.js';
import type { ShipmentRecord } from '../shipping/books.js';
import type { Findings } from './findings.js';
import type { EntriesRecord } from './ledger.js';

/** All that the services have of one order. */
export interface OrderRecords {
  readonly order?: OrderRecord;
  readonly points?: EntriesRecord;
  readonly payment?: PaymentRecord;
  readonly money?: EntriesRecord;
  readonly reservation?: ReservationRecord;
  readonly stock?: EntriesRecord;
  readonly shipment?: ShipmentRecord;
  readonly notification?: NotificationRecord;
}

const NONE = 'none';

/**
 * Proves one order: each service's entries agree with its own record, and the services' records agree with the order.
 * A broken rule is named once, on the record that breaks it.
 */
export function checkOrder(orderId: string, records: OrderRecords, findings: Findings): void {
  const subject = `order ${orderId}`;
  const { order, payment, reservation } = records;
  const agree = (check: string, expected: string | number, found: string | number) =>
    findings.compare(check, subject, expected, found);

  const kept = order !== undefined && order.status !== 'cancelled';
  agree('point entries agree with the order', kept ? -order.points_spent : 0, net(records.points));
  agree(
    'wallet entries agree with the payment',
    payment?.status === 'captured' ? -payment.amount : 0,
    net(records.money),
  );
  const reserved = reservation?.status === 'reserved' ? -reservation.units : 0;
  agree('stock entries agree with the reservation', reserved, net(records.stock));

  const found = describe(records);
  if (order === undefined) {
    for (const part of parts) agree(`a ${part} belongs to an order`, NONE, found[part]);
  } else if (order.status === 'created') {
    agree('an order is in a final state', 'placed or cancelled', order.status);
  } else if (order.status === 'cancelled') {
    agree(
      'a cancelled order has no payment that was not refunded',
      NONE,
      payment?.status === 'captured' ? found.payment : NONE,
    );
    agree('a cancelled order has no stock that was not released', NONE, reserved === 0 ? NONE : found.reservation);
    agree('a cancelled order has no shipment', NONE, found.shipment);
    agree('a cancelled order has no notification', NONE, found.notification);
  } else {
    const { customer_id, sku, units, amount } = order;
    const expected = describe({
      payment: { order_id: orderId, customer_id, amount, status: 'captured' },
      reservation: { order_id: orderId, sku, units, status: 'reserved' },
      shipment: { order_id: orderId, customer_id, sku, units },
      notification: { order_id: orderId, customer_id },
    });
    for (const part of parts) agree(`a placed order has its ${part}`, expected[part], found[part]);
  }
}

const parts = ['payment', 'reservation', 'shipment', 'notification'] as const;

/** The records as text: two of them agree if their texts do. */
function describe({
  payment,
  reservation,
  shipment,
  notification,
}: OrderRecords): Record<(typeof parts)[number], string> {
  return {
    payment: payment ? `${payment.amount} cents ${payment.status} from customer ${payment.customer_id}` : NONE,
    reservation: reservation ? `${reservation.units} ${reservation.sku} ${reservation.status}` : NONE,
    shipment: shipment ? `${shipment.units} ${shipment.sku} to customer ${shipment.customer_id}` : NONE,
    notification: notification ? `to customer ${notification.customer_id}` : NONE,
  };
}

function net(entries: EntriesRecord | undefined): number {
  return Number(entries?.net ?? 0);
}
