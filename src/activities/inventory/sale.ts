import type { OpenSale, SettledSales } from '../../contracts/sale.js';
import {
  PoolConflict,
  Rejection,
  type Database,
  type Occupancy,
  type TransactionSql,
} from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import { isConnectionLost } from '../../kit/database/sqlstate.js';
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

/** Closed sales that are settled in one go, at most, and for how long, in milliseconds: the next round goes on. */
const SETTLED_AT_ONCE = 100;
const SETTLING_MS = 120_000;
/** In which a database answers that is there. */
const PROBE_MS = 5_000;

/** How long one transaction here may take, in milliseconds, and how long it waits for one lock: less than the activity that asks for it. */
const TRANSACTION_MS = 8_000;
const LOCK_MS = 1_000;

/** In a transaction that neither waits nor goes on for longer than whoever asked for it. */
function briefly<T>(database: Database, work: (sql: TransactionSql) => Promise<T>): Promise<T> {
  return database.transaction(async (sql) => {
    await sql(`select set_config('lock_timeout', $1, true)`, [String(LOCK_MS)]);
    return work(sql);
  }, TRANSACTION_MS);
}

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
    await briefly(database, async (sql) => {
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

/**
 * Settles closed sales of which nothing waits any more: what they have not sold goes back to the stock. One that cannot be settled stops no
 * other.
 *
 * @param options `only`: this one; default: all
 * @throws where the database is gone: one that takes too long loses its connection as well, and another connection is to be had then
 */
export async function settleSales(
  database: Database,
  occupancy: Occupancy,
  { only, beat = () => undefined }: { readonly only?: string; readonly beat?: () => void } = {},
): Promise<SettledSales> {
  const done: SettledSales = { settled: [], unsettled: [] };
  const until = performance.now() + SETTLING_MS;
  const sales = only === undefined ? await occupancy.settleable(SETTLED_AT_ONCE) : [only];
  for (const sale of sales) {
    if (performance.now() >= until) break;
    beat();
    try {
      if (await settle(database, occupancy, sale)) done.settled.push(sale);
    } catch (error) {
      if (isConnectionLost(error) && !(await isThere(database))) throw error;
      done.unsettled.push({ sale, message: messageOf(error) });
    }
  }
  return done;
}

async function isThere(database: Database): Promise<boolean> {
  return database.run('select 1', [], PROBE_MS).then(
    () => true,
    () => false,
  );
}

/** @returns whether it was settled now */
function settle(database: Database, occupancy: Occupancy, sale: string): Promise<boolean> {
  return briefly(database, async (sql) => {
    const settled = await occupancy.settle(sql, sale);
    if (settled === undefined) return false;
    const { sku } = settled.terms as SaleTerms;
    await sql(MOVE, [sku, 'unsold', settled.returned]);
    return true;
  });
}
