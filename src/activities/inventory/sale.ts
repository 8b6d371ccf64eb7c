import type { OpenSale } from '../../contracts/sale.js';
import { PoolConflict, Rejection, type Database, type Occupancy } from '../../kit/database/index.js';
import { safeInteger } from '../integers.js';

/**
 * The units of flash sales: a sale takes its units out of the stock when it is opened, and has them in a pool of its own; what it has not
 * sold goes back when it is settled. Each is one transaction, so a unit is in the stock or in the sale, and never in both.
 */

/** What of a sale its pool carries. */
export interface SaleTerms {
  readonly sku: string;
  /** What one unit costs. */
  readonly cents: number;
}

/** Closed sales that are settled in one go, at most. */
const SETTLED_AT_ONCE = 100;

const LOCK_STOCK = 'select available::text as available from stock where sku = $1 for no key update';
const MOVE = 'insert into stock_entries (sku, kind, amount) select $1, $2, $3::bigint where $3::bigint <> 0';

/**
 * Opens a sale. Again on the same terms it changes nothing.
 *
 * @throws a {@link Rejection} `SaleConflict`, `UnknownSku`, `OutOfStock`: nothing has changed
 */
export async function openSale(database: Database, occupancy: Occupancy, asked: OpenSale): Promise<void> {
  const { sale, sku, units, cents, perPurchase, perCustomer, holdMs } = asked;
  const terms: SaleTerms = { sku, cents };
  const pool = { pool: sale, units, mostAtOnce: perPurchase, mostPerHolder: perCustomer, holdMs, terms };
  try {
    await database.transaction(async (sql) => {
      if (!(await occupancy.open(sql, pool))) return;
      const [stock] = await sql<{ available: string }>(LOCK_STOCK, [sku]);
      if (stock === undefined) throw new Rejection('UnknownSku', `the shop has no article ${sku} (sale ${sale})`);
      const available = safeInteger(stock.available, 'the stock');
      if (available < units) {
        throw new Rejection('OutOfStock', `${available} ${sku} are left, sale ${sale} needs ${units}`);
      }
      await sql(MOVE, [sku, 'sale', -units]);
    });
  } catch (error) {
    if (!(error instanceof PoolConflict)) throw error;
    throw new Rejection('SaleConflict', `sale ${sale} was opened before with other content: give another name`);
  }
}

/** Settles closed sales of which nothing waits any more: what they have not sold goes back to the stock. @returns their names */
export async function settleSales(database: Database, occupancy: Occupancy): Promise<string[]> {
  const settled: string[] = [];
  for (const sale of await occupancy.settleable(SETTLED_AT_ONCE)) {
    await database.transaction(async (sql) => {
      const done = await occupancy.settle(sql, sale);
      if (done === undefined) return;
      const { sku } = done.terms as SaleTerms;
      await sql(MOVE, [sku, 'unsold', done.returned]);
      settled.push(sale);
    });
  }
  return settled;
}
