import type {
  Deliver,
  OfCustomer,
  OfOrder,
  OfPlacedOrder,
  OpenCoupons,
  OpenCustomers,
  OpenWallets,
  TakeBackParcel,
} from '../contracts/services.js';
import {
  bankNames,
  type AccountState,
  type BankName,
  type ListAccounts,
  type ListedAccount,
  type OfAccount,
  type OpenAccounts,
  type SetAccountStatus,
} from '../contracts/transfer.js';
import { orderServices, type LookedOrder, type PaymentAnswer } from '../contracts/events.js';
import { orderGid } from '../contracts/place-order.js';
import type { JobState, LookedLifecycle, WorkAtWarehouse } from '../contracts/lifecycle.js';
import type { Books, OrderState, RecallStatus } from '../contracts/shop.js';
import {
  createGuard,
  createPrepared,
  guardMigrations,
  inboxMigrations,
  masksOf,
  migrate,
  occupancyMigrations,
  outboxMigrations,
  SinkUnavailable,
  stateTableMigrations,
  type Database,
  type Masks,
  type Probe,
  type Sink,
  type StateLimits,
} from '../kit/database/index.js';
import { choreographyOutboxes, listeners } from './choreography/index.js';
import { createOpening } from './choreography/opening.js';
import { payOrder } from './choreography/payments.js';
import { lookAtOrder } from './choreography/projection.js';
import { createCallers, type CallersOperations } from './callers/index.js';
import { readCallers } from './callers/books.js';
import { accountState, listAccounts, openAccounts, setAccountStatus } from './banks/accounts.js';
import { readBank } from './banks/books.js';
import { expiredHolds } from './banks/expired.js';
import { createBank } from './banks/index.js';
import { bankOutbox, bankSink } from './banks/messages.js';
import { bankMigrations } from './banks/migrations.js';
import { proveBooks } from './books/index.js';
import { createBookstore } from './bookstore.js';
import { readCoupons } from './coupons/books.js';
import { createCoupons, openCoupons } from './coupons/index.js';
import { couponsMigrations } from './coupons/migrations.js';
import { HELD_COUPONS } from './coupons/sql.js';
import { readInventory } from './inventory/books.js';
import { expiredBy, frozenSql } from './expired.js';
import { createLifecycle, lookAtLifecycle } from './lifecycle/index.js';
import { createInventory } from './inventory/index.js';
import { inventoryMigrations } from './inventory/migrations.js';
import { deliver } from './inventory/opening.js';
import { readNotifications } from './notifications/books.js';
import { createNotifications } from './notifications/index.js';
import { notificationsMigrations } from './notifications/migrations.js';
import { readOrders } from './orders/books.js';
import { createOrders } from './orders/index.js';
import { ordersMigrations } from './orders/migrations.js';
import { openCustomers } from './orders/opening.js';
import { hasCustomer, orderState } from './orders/state.js';
import { readPayments } from './payments/books.js';
import { createPayments } from './payments/index.js';
import { paymentsMigrations } from './payments/migrations.js';
import { openWallets } from './payments/opening.js';
import { shopRetention } from './retention.js';
import { createSale } from './sale/index.js';
import { readSales } from './sale/books.js';
import { reconciledPairs } from './reconcile/index.js';
import { readShipping } from './shipping/books.js';
import { createShipping } from './shipping/index.js';
import { shippingMigrations } from './shipping/migrations.js';
import { recallState } from './shipping/state.js';
import { readWarehouse } from './warehouse/books.js';
import { jobsSink, warehouseOutbox, workAtWarehouse } from './warehouse/jobs.js';
import { warehouseMigrations } from './warehouse/migrations.js';

/** The shop's services, each with a database of its own. */
export const serviceNames = [
  ...(['orders', 'payments', 'inventory', 'shipping', 'notifications'] as const),
  ...bankNames,
  'warehouse',
  // No service: what callers keep of what they have asked for by the state table.
  'callers',
  'coupons',
] as const;
export type ServiceName = (typeof serviceNames)[number];

/** The services that tell each other by messages: each has an outbox and an inbox in its database. */
const messagingNames = [...bankNames, ...orderServices, 'warehouse'] as const;
type MessagingName = (typeof messagingNames)[number];

/** A database for each service. */
export type ShopDatabases = Readonly<Record<ServiceName, Database>>;

const migrations = {
  orders: ordersMigrations,
  payments: paymentsMigrations,
  inventory: inventoryMigrations,
  shipping: shippingMigrations,
  notifications: notificationsMigrations,
  bank_a: bankMigrations,
  bank_b: bankMigrations,
  bank_c: bankMigrations,
  warehouse: warehouseMigrations,
  callers: [],
  coupons: couponsMigrations,
} as const satisfies Record<ServiceName, unknown>;

const FROZEN_PAYMENTS = frozenSql({ records: 'payments', since: 'captured_at' });
const FROZEN_STOCK = frozenSql({ records: 'reservations', since: 'reserved_at' });

/** Brings each service's database to the newest schema, its guard's included. Several may do so at once. */
export async function migrateShop(databases: ShopDatabases): Promise<void> {
  await Promise.all(
    serviceNames.map(async (service) => {
      await migrate(databases[service], 'guard', guardMigrations);
      await migrate(databases[service], service, migrations[service]);
    }),
  );
  await migrate(databases.callers, 'state-table', stateTableMigrations);
  await Promise.all(
    messagingNames.map(async (service) => {
      await migrate(databases[service], 'outbox', outboxMigrations);
      await migrate(databases[service], 'inbox', inboxMigrations);
    }),
  );
  await migrate(databases.inventory, 'occupancy', occupancyMigrations);
}

/**
 * What of the inputs is stored as `***`, in the guards' rows and in the log, by function. The shop's inputs hold no secrets:
 * those that come are named here.
 */
export const shopMasks: Masks = {};

/** What the shop needs. */
export interface ShopDependencies {
  readonly databases: ShopDatabases;
  /** The banks' databases by connections of their own, for the ends of two-phase commits, see `PreparedOptions`, and for who looks at accounts. Default: the others. */
  readonly phase2?: Partial<Readonly<Record<BankName, Database>>>;
  /** The databases by connections of their own, for what delivers messages. Default: the others. */
  readonly relays?: Partial<Readonly<Record<MessagingName, Database>>>;
  /** Default: {@link shopMasks}. */
  readonly masks?: Masks;
  /** Called by the guards at their crash points: see `createFaults`. */
  readonly probe?: Probe;
  /** Where what the warehouse tells of orders goes: to their machines. Default: nowhere, it waits */
  readonly toMachines?: Sink;
  /** Of the callers' state table. */
  readonly stateLimits?: Partial<StateLimits>;
  /** Called every now and then by long work; what it throws ends the work. */
  readonly heartbeat?: () => void;
}

/** Makes one bank over its database, for whoever asks nothing of the others. */
export function createOneBank(
  name: BankName,
  {
    database,
    phase2,
    masks = shopMasks,
    probe,
  }: Pick<ShopDependencies, 'masks' | 'probe'> & { readonly database: Database; readonly phase2?: Database },
) {
  const mask = masksOf(masks, name);
  const guard = createGuard(database, { probe, mask });
  return createBank({ name, database, phase2, guard, prepared: createPrepared({ database, phase2, probe, mask }) });
}

/**
 * Makes the shop over its databases.
 *
 * @returns `participants`: the services, for transactions; `callers`: the state table; `plain`: activities of no transaction, each idempotent by
 * itself, under their full names; `expired`: the holds that the scan looks at, by participant; `pairs`: what is reconciled
 */
export function createShop({
  databases,
  phase2 = {},
  relays = {},
  masks = shopMasks,
  probe,
  toMachines = { deliver: () => Promise.reject(new SinkUnavailable('no Temporal server is known here')) },
  stateLimits,
  heartbeat = () => undefined,
}: ShopDependencies) {
  const { orders, payments, inventory, shipping, notifications } = databases;
  // For somebody who waits: all connections of the others may be kept by prepares that wait for a lock.
  const looking = { ...databases, ...phase2 };
  const relaying = { ...databases, ...relays };
  const bookstore = createBookstore({ banks: relaying, looking, warehouse: databases.warehouse }, heartbeat);
  const sale = createSale({ inventory, orders }, { probe, heartbeat });
  const guardOf = (service: ServiceName) => createGuard(databases[service], { probe, mask: masksOf(masks, service) });
  const bank = (name: BankName) =>
    createOneBank(name, { database: databases[name], phase2: phase2[name], masks, probe });
  const participants = {
    orders: {
      ...createOrders({ guard: guardOf('orders') }),
      ...createOpening({ guard: guardOf('orders') }),
      ...createLifecycle({ database: orders, guard: guardOf('orders') }),
    },
    payments: createPayments({ guard: guardOf('payments') }),
    inventory: createInventory({ guard: guardOf('inventory') }),
    shipping: createShipping({ guard: guardOf('shipping') }),
    notifications: createNotifications({ guard: guardOf('notifications') }),
    coupons: createCoupons({ guard: guardOf('coupons') }),
    bank_a: bank('bank_a'),
    bank_b: bank('bank_b'),
    bank_c: bank('bank_c'),
  };
  const { bank_a, bank_b, bank_c } = participants;
  const operations: CallersOperations = {
    ...{ 'bank_a.debit': bank_a.debit.action, 'bank_a.credit': bank_a.credit.action },
    ...{ 'bank_b.debit': bank_b.debit.action, 'bank_b.credit': bank_b.credit.action },
    ...{ 'bank_c.debit': bank_c.debit.action, 'bank_c.credit': bank_c.credit.action },
    'inventory.reserve': participants.inventory.reserve.action,
    'orders.create': participants.orders.create.action,
  };
  const pairs = reconciledPairs({
    databases,
    participants,
    guardOf,
    listeners,
  });
  const bankSinks = (name: BankName): Readonly<Record<string, Sink>> => ({
    ...Object.fromEntries(bankNames.map((to) => [to, bankSink(to, relaying[to])])),
    ...bookstore.sinksOf(name),
  });
  return {
    participants,
    /** What is told by messages, and whom: by connections of their own, as a relay listens on one. */
    outboxes: [
      ...bankNames.map((name) => ({
        outbox: bankOutbox(name),
        database: relaying[name],
        sinks: bankSinks(name),
      })),
      { outbox: warehouseOutbox, database: relaying.warehouse, sinks: { orders: toMachines } },
      ...choreographyOutboxes(relaying, {
        probe,
        warehouse: jobsSink(relaying.warehouse),
        repairs: {
          refund: (operation, { orderId, customerId }) =>
            participants.payments.refund.action(operation, { orderId, customerId }),
          release: (operation, { orderId, sku }) => participants.inventory.release.action(operation, [orderId, sku]),
        },
      }),
    ],
    /** Flash sales: buying and paying, in this process. */
    sale: { buy: sale.buy, pay: sale.pay },
    /** What callers have asked for without an orchestrator. */
    callers: createCallers({ database: databases.callers, operations, limits: stateLimits }),
    plain: {
      'orders.openCustomers': (input: OpenCustomers): Promise<void> => openCustomers(orders, input),
      'payments.openWallets': (input: OpenWallets): Promise<void> => openWallets(payments, input),
      'warehouse.work': (input: WorkAtWarehouse): Promise<JobState> => workAtWarehouse(databases.warehouse, input),
      'coupons.open': (input: OpenCoupons): Promise<void> => openCoupons(databases.coupons, input),
      'inventory.deliver': (input: Deliver): Promise<void> => deliver(inventory, input),
      'banks.openAccounts': (input: OpenAccounts): Promise<void> => openAccounts(databases, input),
      'banks.setStatus': (input: SetAccountStatus): Promise<void> => setAccountStatus(looking, input),
      'banks.accounts': (input: ListAccounts): Promise<ListedAccount[]> => listAccounts(looking, input),
      'banks.account': (input: OfAccount): Promise<AccountState | null> => accountState(looking, input),
      'orders.state': (input: OfPlacedOrder): Promise<OrderState | null> => orderState(orders, input),
      'orders.lifecycle': (input: OfOrder): Promise<LookedLifecycle | null> => lookAtLifecycle(orders, input),
      'orders.look': (input: OfOrder): Promise<LookedOrder> => lookAtOrder(databases, input),
      'payments.pay': (input: OfOrder): Promise<PaymentAnswer> => payOrder(payments, input),
      'orders.hasCustomer': (input: OfCustomer): Promise<boolean> => hasCustomer(orders, input),
      'shipping.recallState': (input: TakeBackParcel): Promise<RecallStatus | null> => recallState(shipping, input),
      ...bookstore.plain,
      ...sale.plain,
      'books.prove': (): Promise<Books> =>
        proveBooks(
          {
            orders: readOrders(orders),
            payments: readPayments(payments),
            inventory: readInventory(inventory),
            shipping: readShipping(shipping),
            notifications: readNotifications(notifications),
            banks: bankNames.map((name) => readBank(name, databases[name])),
            callers: readCallers(databases.callers),
            warehouse: readWarehouse(databases.warehouse),
            sales: readSales({ inventory, orders }),
            coupons: readCoupons(databases.coupons),
          },
          heartbeat,
        ),
    },
    /** What is forgotten of the shop's own, and what it needs still, for retention. */
    retention: shopRetention(databases),
    /** What has to agree with what, for the reconciliation. */
    pairs,
    /** What participants have held for longer than they should have, for the scan. */
    expired: {
      payments: () => expiredBy(payments, FROZEN_PAYMENTS, orderGid(''), 'payments.freeze.try'),
      inventory: () => expiredBy(inventory, FROZEN_STOCK, orderGid(''), 'inventory.freeze.try'),
      coupons: () => expiredBy(databases.coupons, HELD_COUPONS, orderGid('')),
      bank_a: () => expiredHolds(databases.bank_a),
      bank_b: () => expiredHolds(databases.bank_b),
      bank_c: () => expiredHolds(databases.bank_c),
    },
  };
}

export type Shop = ReturnType<typeof createShop>;
/** The activities that belong to no transaction. */
export type ShopActivities = Shop['plain'];
