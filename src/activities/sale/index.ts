import {
  MAX_NOT_RECLAIMED,
  MAX_SALES_NAMED,
  ofSalePurchaseSchema,
  ofSaleSchema,
  openSaleSchema,
  type NotReclaimed,
  type OfSale,
  type OfSalePurchase,
  type OpenSale,
  type ReclaimedStock,
  type ReclaimReport,
  type ReclaimPlace,
  type SaleBooks,
  type SalePurchase,
  type SettledSales,
  type TornSale,
} from '../../contracts/sale.js';
import {
  createOccupancy,
  reclaimDue,
  type Database,
  type Occupancy,
  type OccupiedRow,
  type Probe,
  type ReclaimedBatch,
} from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { openSale, settleSales, type SaleTerms } from '../inventory/sale.js';
import { createSaleOrders } from '../orders/sale.js';
import { createBuying } from './buy.js';

/**
 * A flash sale: stock is deducted first, in the inventory's database, then the order is submitted, in the orders' database. No transaction
 * spans the two, and no workflow is in the path of a purchase: what one of them shows is the journal of the other.
 *
 * A purchase is, by its rows: nothing → occupied, no order → occupied, order unpaid → order paid → consumed; and from either of the first
 * two, when it is due: order barred or cancelled → released.
 *
 * Invariant: units are sold at most once, as they leave the pool before there is an order; each is paid for, or free again sooner or
 * later, as a row that is occupied is due some time, and the reclaim moves it by what the order's row says, after it has barred that.
 */

/** What a sale needs. */
export interface SaleDatabases {
  readonly inventory: Database;
  readonly orders: Database;
}

/** Purchases that are reclaimed in one batch. */
const BATCH = 500;

/** @param probe called at the crash points of a purchase: see `createFaults`, and {@link saleFunctions} of `buy.ts` */
export function createSale(
  { inventory, orders }: SaleDatabases,
  { probe, heartbeat = () => undefined }: { readonly probe?: Probe; readonly heartbeat?: () => void } = {},
) {
  const occupancy = createOccupancy(inventory);
  const saleOrders = createSaleOrders(orders);
  return {
    ...createBuying({ occupancy, saleOrders, probe }),
    plain: {
      /** Rejections: `SaleConflict`, `UnknownSku`, `OutOfStock`, `InvalidInput`. */
      'sale.open': async (input: OpenSale): Promise<SaleBooks | null> => {
        const asked = validInput(openSaleSchema, input);
        await openSale(inventory, occupancy, asked);
        return booksOf(occupancy, asked.sale);
      },
      'sale.close': async (input: OfSale): Promise<SaleBooks | null> => {
        const { sale } = validInput(ofSaleSchema, input);
        return (await occupancy.close(sale)) ? booksOf(occupancy, sale) : null;
      },
      'sale.books': (input: OfSale): Promise<SaleBooks | null> =>
        booksOf(occupancy, validInput(ofSaleSchema, input).sale),
      'sale.purchase': async (input: OfSalePurchase): Promise<SalePurchase | null> => {
        const { id } = validInput(ofSalePurchaseSchema, input);
        const [order, row] = [await saleOrders.look(id), (await occupancy.look([id])).get(id)];
        if (row === undefined) return null;
        const { pool: sale, holder: customerId, units, state: stock, dueAt: payBy } = row;
        return { id, sale, customerId, units, stock, order: order?.status ?? 'none', payBy };
      },
      /** Reclaims one batch of what is due, behind a place. */
      'sale.reclaim': async ({
        after,
      }: {
        after?: ReclaimPlace;
      }): Promise<ReclaimedStock & Pick<ReclaimReport, 'failedBySale'>> => {
        const bar = (rows: readonly OccupiedRow[]) => saleOrders.bar(rows);
        const done = await reclaimDue(occupancy, { bar, after, batch: BATCH, beat: heartbeat });
        const { due, released, consumed, failed, next } = done;
        const named = failed.slice(0, MAX_NOT_RECLAIMED);
        return {
          ...{ due, released: released.length, consumed: consumed.length, failedCount: failed.length },
          failed: named.map(({ pool: sale, id, message }) => ({ sale, id, message })),
          failedBySale: bySale(failed).slice(0, MAX_SALES_NAMED),
          ...(next && { next }),
        };
      },
      /** Settles one sale, or all that can be. */
      'sale.settle': ({ sale }: Partial<OfSale> = {}): Promise<SettledSales> =>
        settleSales(inventory, occupancy, { only: sale, beat: heartbeat }),
      'sale.torn': (): Promise<TornSale[]> => saleOrders.torn(),
    },
  };
}

function bySale(failed: ReclaimedBatch['failed']): NotReclaimed[] {
  const first = new Map<string, NotReclaimed>();
  for (const { pool: sale, id, message } of failed) {
    const count = (first.get(sale)?.count ?? 0) + 1;
    first.set(sale, { id, message, ...first.get(sale), sale, count });
  }
  return [...first.values()];
}

/** A sale's books; `null`: there is none of that name. */
async function booksOf(occupancy: Occupancy, sale: string): Promise<SaleBooks | null> {
  const pool = await occupancy.pool(sale);
  if (pool === undefined) return null;
  const { sku, cents } = pool.terms as SaleTerms;
  const { units: opened, consumed: sold, occupied: waiting, free: left, returned, released: reclaimed } = pool;
  const { rows: purchases, mostAtOnce: perPurchase, mostPerHolder: perCustomer, holdMs } = pool;
  const state = pool.settledAt !== null ? 'settled' : pool.closedAt !== null ? 'closed' : 'open';
  return {
    ...{ sale, sku, cents, state, opened, sold, waiting, left, returned, reclaimed, purchases },
    ...{ perPurchase, perCustomer, holdMs },
  };
}
