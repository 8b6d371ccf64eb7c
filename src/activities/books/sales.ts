import type { Books } from '../../contracts/shop.js';
import { safeInteger } from '../integers.js';
import type { OccupiedRecord, SaleOrderRecord, SalesReader } from '../sale/books.js';
import type { Findings } from './findings.js';
import { mergeByOrder } from './merge.js';

/** The sales' part of the figures. */
type SaleFigures = Pick<
  Books['figures'],
  'saleUnits' | 'saleSoldUnits' | 'saleWaitingUnits' | 'saleLeftUnits' | 'saleReturnedUnits'
>;

/** Purchases between two calls of the heartbeat. */
const HEARTBEAT_EVERY = 500;
const NONE = 'none';

/**
 * Proves every sale on its own, and every purchase across inventory and orders.
 *
 * @returns the figures, and what the stock's own entries say that is at sales
 */
export async function proveSales(
  sales: SalesReader,
  findings: Findings,
  heartbeat: () => void,
): Promise<SaleFigures & { readonly fromStock: number }> {
  const sums = { opened: 0n, sold: 0n, waiting: 0n, left: 0n, returned: 0n };
  for await (const { pool, units, consumed, occupied, free, returned } of sales.sales()) {
    const found = consumed + occupied + free + returned;
    findings.compare('sold + waiting + left + returned = opened', `sale ${pool}`, units, found);
    for (const [name, value] of Object.entries({ opened: units, sold: consumed, waiting: occupied, left: free })) {
      sums[name as keyof typeof sums] += BigInt(value);
    }
    sums.returned += BigInt(returned);
    heartbeat();
  }
  let seen = 0;
  /** What a sale has forgotten it does not remember again. */
  const past = new Set<string>();
  const isPast = async (sale: string) => {
    if (!past.has(sale) && (await sales.hasForgotten(sale))) past.add(sale);
    return past.has(sale);
  };
  const merged = mergeByOrder({ occupied: sales.occupied(), order: sales.orders() });
  for await (const { orderId, rows } of merged) {
    const isForgotten = rows.order !== undefined && rows.occupied === undefined && (await isPast(rows.order.sale));
    if (!isForgotten) checkPurchase(orderId, rows, findings);
    if ((seen += 1) % HEARTBEAT_EVERY === 0) heartbeat();
  }
  const exact = (value: bigint | string) => safeInteger(value, 'a sum of units of sales');
  return {
    saleUnits: exact(sums.opened),
    saleSoldUnits: exact(sums.sold),
    saleWaitingUnits: exact(sums.waiting),
    saleLeftUnits: exact(sums.left),
    saleReturnedUnits: exact(sums.returned),
    fromStock: exact(await sales.fromStock()),
  };
}

/**
 * Each order has its units, and units that are consumed have their paid order. What is occupied may have its order still to come: for as
 * long as it may be occupied, and the reclaim takes to come by.
 */
function checkPurchase(
  id: string,
  { occupied, order }: { readonly occupied?: OccupiedRecord; readonly order?: SaleOrderRecord },
  findings: Findings,
): void {
  const agree = (check: string, expected: string, found: string) => {
    findings.compare(check, `sale's purchase ${id}`, expected, found);
  };
  const status = order?.status ?? NONE;
  if (occupied === undefined) {
    agree('an order of a sale has its units', 'units', NONE);
    return;
  }
  if (order !== undefined) agree('an order of a sale is that of its units', wordsOf(occupied), wordsOf(order));
  if (occupied.state === 'consumed') {
    agree('units that are consumed have their paid order', 'paid', status);
  } else if (occupied.state === 'released') {
    agree('units that were released have no order that stands', 'none', standing(status));
  } else {
    agree('units are paid or reclaimed in time', 'in time', occupied.is_overdue ? 'overdue' : 'in time');
  }
}

/** Units are released only after the order's row keeps it out: that there is none is as wrong as that it stands. */
function standing(status: SaleOrderRecord['status'] | typeof NONE): string {
  if (status === NONE) return 'none, and none is kept out';
  return status === 'barred' || status === 'cancelled' ? NONE : status;
}

function wordsOf({ sale, customer_id, units }: OccupiedRecord | SaleOrderRecord): string {
  return `${units} of ${sale} for ${customer_id}`;
}
