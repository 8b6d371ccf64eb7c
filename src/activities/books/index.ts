import { exactCents } from '../../contracts/money.js';
import type { Books } from '../../contracts/shop.js';
import type { BankReader, BankTotals } from '../banks/books.js';
import type { CallersReader } from '../callers/books.js';
import type { CouponsReader } from '../coupons/books.js';
import { safeInteger } from '../integers.js';
import type { InventoryReader } from '../inventory/books.js';
import type { NotificationsReader } from '../notifications/books.js';
import type { OrdersReader } from '../orders/books.js';
import type { PaymentsReader } from '../payments/books.js';
import type { ShippingReader } from '../shipping/books.js';
import type { WarehouseReader } from '../warehouse/books.js';
import { checkOrder, isAskedFor, isBeside, isUnderWay, stillOwed, type OrderRecords } from './checks.js';
import { Findings } from './findings.js';
import { isAlive, isBack, isLifecycle, type LifecycleRecord } from './lifecycle.js';
import { mergeByOrder } from './merge.js';
import { provePurchases } from './purchases.js';
import { proveSales } from './sales.js';
import type { SalesReader } from '../sale/books.js';

/** What the books read: each service only through its own reader. */
export interface BooksReaders {
  readonly orders: OrdersReader;
  readonly payments: PaymentsReader;
  readonly inventory: InventoryReader;
  readonly shipping: ShippingReader;
  readonly notifications: NotificationsReader;
  readonly banks: readonly BankReader[];
  readonly callers: CallersReader;
  readonly warehouse: WarehouseReader;
  readonly sales: SalesReader;
  readonly coupons: CouponsReader;
}

/** Orders between two calls of the heartbeat. */
const HEARTBEAT_EVERY = 500;

/**
 * Proves the books across all databases: every account of every service on its own, every order across the services,
 * and the sums of the whole shop. Memory does not grow with the orders: they are streamed in key order and joined.
 *
 * It reads while the shop works, so an order that is under way then counts as open; a proof wants a shop at rest.
 *
 * @param heartbeat called every now and then; what it throws ends the proof
 * @throws a RangeError for a sum of the shop's beyond 2^53; those of the banks are exact beyond that
 */
export async function proveBooks(readers: BooksReaders, heartbeat: () => void): Promise<Books> {
  const { orders, payments, inventory, shipping, notifications, banks, callers, warehouse, sales, coupons } = readers;
  const findings = new Findings();
  for (const accounts of [orders.points, payments.wallets, inventory.stock, ...banks, warehouse.stock]) {
    await accounts.prove(findings);
    heartbeat();
  }
  const [points, wallets, stock] = await Promise.all([
    orders.points.totals(),
    payments.wallets.totals(),
    inventory.stock.totals(),
  ]);

  const tally = new Tally();
  const records = mergeByOrder({
    asked: callers.orders(),
    order: orders.orders(),
    points: orders.points.entries(),
    earned: orders.earned(),
    payment: payments.payments(),
    money: payments.wallets.entries(),
    reservation: inventory.reservations(),
    stock: inventory.stock.entries(),
    shipment: shipping.shipments(),
    notification: notifications.told('order-placed'),
    announcement: notifications.told('order-received'),
    correction: notifications.told('order-undone'),
    recall: shipping.recalls(),
    recallNotice: notifications.told('order-recalled'),
    coupon: coupons.coupons(),
    job: warehouse.jobs(),
  });
  let seen = 0;
  for await (const { orderId, rows } of records) {
    checkOrder(orderId, rows, findings);
    tally.add(rows);
    if ((seen += 1) % HEARTBEAT_EVERY === 0) heartbeat();
  }

  const bookstore = await provePurchases({ banks, warehouse, findings, heartbeat });
  const { fromStock, ...ofSales } = await proveSales(sales, findings, heartbeat);
  const inFlight = await inFlightCents(banks, callers);
  const figures = {
    orders: tally.placed + tally.cancelled + tally.returned + tally.lost + tally.waiting + tally.open,
    placed: tally.placed,
    cancelled: tally.cancelled,
    returned: tally.returned,
    lost: tally.lost,
    recalled: tally.recalled,
    waiting: tally.waiting,
    open: tally.open,
    depositedCents: wallets.opened,
    walletsCents: wallets.held,
    frozenCents: wallets.frozen,
    capturedCents: safeInteger(tally.capturedCents, 'the sum of payments'),
    refundedCents: safeInteger(tally.refundedCents, 'the sum of refunds'),
    initialUnits: stock.opened + fromStock,
    stockUnits: stock.held,
    frozenUnits: stock.frozen,
    placedUnits: safeInteger(tally.placedUnits, 'the sum of units'),
    waitingUnits: safeInteger(tally.waitingUnits, 'the sum of units that wait'),
    initialPoints: points.opened,
    pointsHeld: points.held,
    pointsSpent: safeInteger(tally.pointsSpent, 'the sum of points'),
    waitingPoints: safeInteger(tally.waitingPoints, 'the sum of points that wait'),
    pointsEarned: safeInteger(tally.pointsEarned, 'the sum of points that were earned'),
    untold: tally.untold,
    unearned: tally.unearned,
    bankInFlightCents: exactCents(inFlight),
    ...bankFigures(await Promise.all(banks.map((bank) => bank.totals()))),
    ...bookstore,
    ...ofSales,
  };
  const { walletsCents, frozenCents, capturedCents, refundedCents } = figures;
  const { stockUnits, frozenUnits, placedUnits, waitingUnits } = figures;
  const { pointsHeld, pointsSpent, waitingPoints, pointsEarned } = figures;
  findings.compare(
    'wallets + frozen + captured - refunded = deposited',
    'payments',
    figures.depositedCents,
    walletsCents + frozenCents + capturedCents - refundedCents,
  );
  findings.compare(
    'stock + frozen + units of placed orders = delivered',
    'inventory',
    figures.initialUnits,
    stockUnits + frozenUnits + placedUnits + waitingUnits + figures.saleUnits - figures.saleReturnedUnits,
  );
  findings.compare(
    'points held + points of placed orders - points earned = points opened',
    'orders',
    figures.initialPoints,
    pointsHeld + pointsSpent + waitingPoints - pointsEarned,
  );
  const { bankInFlightCents, bankClearingCents } = figures;
  findings.compare('what left a bank came to another', 'banks', bankInFlightCents, bankClearingCents);
  findings.compare('nothing is held for a transfer that has not ended', 'banks', 0, figures.bankHolds);
  const { differences, count } = findings;
  return { balanced: count === 0, figures, differences, differenceCount: count };
}

/**
 * What transfers by the state table, and purchases, have taken from one bank and not brought to another: each of them still will, or a
 * person has it.
 */
async function inFlightCents(banks: readonly BankReader[], callers: CallersReader): Promise<bigint> {
  let cents = 0n;
  for (const open of [callers.openTransfers(), ...banks.map((bank) => bank.unpaid())]) {
    for await (const gids of open) for (const bank of banks) cents += await bank.clearingOf(gids);
  }
  return cents;
}

/** The banks together: what one of them lacks another may have. */
function bankFigures(banks: readonly BankTotals[]) {
  const sum = (name: keyof BankTotals) => exactCents(banks.reduce((total, bank) => total + BigInt(bank[name]), 0n));
  return {
    bankPaidInCents: sum('paidIn'),
    bankBalancesCents: sum('balances'),
    bankHeldCents: sum('held'),
    bankClearingCents: sum('clearing'),
    bankHolds: banks.reduce((total, bank) => total + bank.holds, 0),
  };
}

/** Sums over the orders, exact however many there are. */
class Tally {
  placed = 0;
  cancelled = 0;
  returned = 0;
  lost = 0;
  /** Placed, and the carrier looks for the parcel. */
  recalled = 0;
  /** Asked for by the state table: they wait for their payment. Or choreographed, and under way. */
  waiting = 0;
  open = 0;
  capturedCents = 0n;
  refundedCents = 0n;
  placedUnits = 0n;
  pointsSpent = 0n;
  waitingUnits = 0n;
  waitingPoints = 0n;
  pointsEarned = 0n;
  /** Choreographed and placed: their customers were not told yet, or have no points of it. */
  untold = 0;
  unearned = 0;

  add(records: OrderRecords): void {
    const { order, payment, reservation, earned } = records;
    const waits = isAskedFor(records) || isUnderWay(records);
    const { isUntold, isUnearned } = stillOwed(records);
    if (isUntold) this.untold += 1;
    if (isUnearned) this.unearned += 1;
    if (earned) this.pointsEarned += BigInt(earned.points);
    if (waits) {
      if (order !== undefined) this.waiting += 1;
      if (reservation?.status === 'reserved') this.waitingUnits += BigInt(reservation.units);
      this.waitingPoints += BigInt(order?.points_spent ?? 0);
    }
    if (isBeside(records)) this.waitingUnits += BigInt(reservation?.units ?? 0);
    if (payment?.status === 'captured' || payment?.status === 'refunded') {
      this.capturedCents += BigInt(payment.amount);
      if (payment.status === 'refunded') this.refundedCents += BigInt(payment.amount);
    }
    if (order === undefined) return;
    if (isLifecycle(order)) {
      this.#addLifecycle(order, records);
      return;
    }
    if (order.status === 'created') this.open += waits ? 0 : 1;
    else this[order.status as 'placed' | 'cancelled' | 'returned' | 'lost'] += 1;
    // What is lost stays sold.
    if (order.status !== 'placed' && order.status !== 'lost') return;
    this.placedUnits += BigInt(order.units);
    this.pointsSpent += BigInt(order.points_spent);
    if (order.status === 'placed' && order.recalled) this.recalled += 1;
  }
  /** One that has completed counts as placed, one that was refunded as returned; units that are out stay sold. */
  #addLifecycle(order: LifecycleRecord, { reservation }: OrderRecords): void {
    const alive = isAlive(order);
    if (alive) this.waiting += 1;
    else if (order.status === 'COMPLETED') this.placed += 1;
    else if (order.status === 'CANCELLED') this.cancelled += 1;
    else this.returned += 1;
    const units = reservation?.status === 'reserved' ? BigInt(reservation.units) : 0n;
    const points = isBack(order) ? 0n : BigInt(order.points_spent);
    if (alive) {
      this.waitingUnits += units;
      this.waitingPoints += points;
    } else {
      this.placedUnits += units;
      this.pointsSpent += points;
    }
  }
}
