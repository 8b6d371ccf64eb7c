import { merchantAccount } from '../../contracts/bookstore.js';
import { bankNames, type BankName } from '../../contracts/transfer.js';
import type { Database, Guard, Pair } from '../../kit/database/index.js';
import type { Bank } from '../banks/index.js';
import { bankOutbox } from '../banks/messages.js';
import { outboxes } from '../choreography/outboxes.js';
import type { Coupons } from '../coupons/index.js';
import type { Inventory } from '../inventory/index.js';
import type { Notifications } from '../notifications/index.js';
import type { Payments } from '../payments/index.js';
import { couponsMoves, couponsOrders } from './pairs/coupons.js';
import {
  accountBalances,
  ledgerBalances,
  parcelsEntries,
  paymentsEntries,
  reservationsEntries,
} from './pairs/entries.js';
import { holds } from './pairs/holds.js';
import { liveOrders } from './pairs/live-orders.js';
import { messages, type MessageLink } from './pairs/messages.js';
import { ordersExecutions } from './pairs/orders-executions.js';
import { ordersJobs } from './pairs/orders-jobs.js';
import { ordersMachines } from './pairs/orders-machines.js';
import { ordersNotifications } from './pairs/orders-notifications.js';
import { ordersPayments } from './pairs/orders-payments.js';
import { ordersPoints } from './pairs/orders-points.js';
import { ordersRecalls } from './pairs/orders-recalls.js';
import { ordersShipments } from './pairs/orders-shipments.js';
import { ordersStock } from './pairs/orders-stock.js';
import { purchasesDebits, purchasesSide } from './pairs/purchases.js';
import { salesOrders, salesStock, salesUnits } from './pairs/sales.js';
import { decisions, transfers } from './pairs/transfers.js';

/**
 * What has to agree with what in the shop: each pair is a file in `pairs`, and a line here. Unlike the proof of the books it is made to run
 * every day while the shop works; and what does not agree has a name, and a repair or a person.
 */

type Service =
  ('orders' | 'payments' | 'inventory' | 'shipping' | 'notifications' | 'warehouse' | 'callers' | 'coupons') | BankName;

/** What the pairs read, and what their repairs are done by. */
export interface Reconciled {
  readonly databases: Readonly<Record<Service, Database>>;
  readonly participants: Readonly<Record<BankName, Bank>> & {
    readonly payments: Payments;
    readonly inventory: Inventory;
    readonly notifications: Notifications;
    readonly coupons: Coupons;
  };
  readonly guardOf: (service: Service) => Guard;
  /** Who hears of choreographed orders, by subscriber; the warehouse is known. */
  readonly listeners: Readonly<Record<string, { readonly service: Service; readonly consumer: string }>>;
}

export function reconciledPairs({ databases, participants, guardOf, listeners }: Reconciled): Pair[] {
  const { bank_a, bank_b, bank_c } = databases;
  const banks = { bank_a, bank_b, bank_c };
  const { payments, inventory, notifications, coupons, ...holding } = participants;
  return [
    ordersPayments(databases, payments),
    ordersStock(databases, inventory),
    ordersPoints(databases, guardOf('orders')),
    ordersShipments(databases),
    ordersRecalls(databases),
    ordersNotifications(databases, notifications),
    ordersExecutions(databases),
    ordersMachines(databases),
    liveOrders(databases, notifications),
    ordersJobs(databases, guardOf('orders')),
    couponsOrders(databases, coupons),
    couponsMoves(databases),
    salesOrders(databases, guardOf('orders')),
    salesUnits(databases),
    salesStock(databases),
    paymentsEntries(databases.payments),
    reservationsEntries(databases.inventory),
    ...ledgerBalances(databases),
    messages('order-messages', 'messages of orders', orderLinks(databases, guardOf, listeners)),
    transfers(banks),
    decisions(banks),
    holds(banks, holding),
    accountBalances(banks),
    messages('bank-messages', 'messages of banks', bankLinks(databases, guardOf)),
    purchasesDebits(banks),
    purchasesSide('warehouse', { banks, of: databases.warehouse, guardOf }),
    purchasesSide('merchant', { banks, of: banks[merchantAccount.bank], guardOf }),
    parcelsEntries(databases.warehouse),
  ];
}

type Databases = Reconciled['databases'];

function bankLinks(databases: Databases, guardOf: Reconciled['guardOf']): MessageLink[] {
  const listeners = [
    ...bankNames.map((name) => ({ subscriber: name, to: databases[name], consumer: 'transfers' })),
    { subscriber: 'warehouse', to: databases.warehouse, consumer: 'warehouse' },
    { subscriber: 'merchant', to: databases[merchantAccount.bank], consumer: 'merchant' },
  ];
  return bankNames.flatMap((name) =>
    listeners.map((listener) => ({
      ...{ outbox: bankOutbox(name), from: databases[name], guard: guardOf(name) },
      ...listener,
    })),
  );
}

function orderLinks(
  databases: Databases,
  guardOf: Reconciled['guardOf'],
  listeners: Reconciled['listeners'],
): MessageLink[] {
  // It takes part in no choreography, and hears of orders all the same.
  const hearing: Reconciled['listeners'] = { ...listeners, warehouse: { service: 'warehouse', consumer: 'jobs' } };
  return (['orders', 'inventory', 'payments', 'shipping'] as const).flatMap((name) => {
    const subscribers = new Set(outboxes[name].streams.map(({ subscriber }) => subscriber));
    return [...subscribers].flatMap((subscriber) => {
      const listener = hearing[subscriber];
      if (listener === undefined) return [];
      const { service, consumer } = listener;
      const link = { outbox: outboxes[name], from: databases[name], guard: guardOf(name) };
      return [{ ...link, subscriber, to: databases[service], consumer }];
    });
  });
}
