import { FORGET_MS, ofJson, removeInBatches, type Removal } from '../../kit/database/batches.js';
import { forgottenOf, OCCUPANCY_RETENTION_DAYS, type Database } from '../../kit/database/index.js';

/** How long the events of an order are kept after its end: a year, and some time to look back at it. */
export const EVENTS_RETENTION_DAYS = 400;

/**
 * The orders after `$3` in the order of their ids, so that none is read twice; of those that are final for so many days all events go. An
 * order that is recalled is final when the carrier has said what became of its parcel.
 */
const FORGET = `
with page as materialized (
  select order_id, choreographed and status <> 'created' and (status <> 'placed' or recalled_at is null)
    and ended_at < now() - make_interval(days => $1::int) as is_old
  from orders where order_id > $3 order by order_id limit $2::int
), gone as (
  delete from order_events where order_id in (select order_id from page where is_old) returning 1
)
select (select count(*) from gone)::int as removed, count(*)::int as found, max(order_id) as last from page`;

/** Forgets the events of orders that have been final for so long. Those of any other stay, however old they are. */
export async function forgetEvents(
  database: Database,
  { olderThanDays = EVENTS_RETENTION_DAYS, batch = 1_000, onBatch }: Partial<Removal> = {},
): Promise<number> {
  let after = '';
  return removeInBatches({ olderThanDays, batch, onBatch }, async (days, limit) => {
    type Row = { removed: number; found: number; last: string | null };
    const [row] = await database.run<Row>(FORGET, [days, limit, after]);
    after = row?.last ?? after;
    return { removed: row?.removed ?? 0, isFull: (row?.found ?? 0) >= limit };
  });
}

const OPEN = `select order_id as id from orders where order_id = any ($1::text[]) and status = 'created'`;

/** Which of these orders are not final: the books ask the state table of those that it has created. */
export async function openOrders(database: Database, orderIds: readonly string[]): Promise<string[]> {
  return (await database.run<{ id: string }>(OPEN, [orderIds])).map(({ id }) => id);
}

const OLD_SALE_ORDERS = `
select order_id as id, sale as pool, ended_at < now() - make_interval(days => $1::int) as "isOld"
from sale_orders where order_id > $3 order by order_id limit $2::int`;

/** `ended_at` again: it is the statement that removes which has to be right. */
const FORGET_SALE_ORDERS = `
delete from sale_orders where order_id in (${ofJson('$2')}) and ended_at < now() - make_interval(days => $1::int)
returning 1`;

/**
 * Forgets orders of sales that have ended so long ago, when the inventory has forgotten their units, and their sale is settled: an order
 * that came late is kept out by its row here for as long as anything could be released there.
 */
export async function forgetSaleOrders(
  { orders, inventory }: { readonly orders: Database; readonly inventory: Database },
  { olderThanDays = OCCUPANCY_RETENTION_DAYS, batch = 1_000, onBatch }: Partial<Removal> = {},
): Promise<number> {
  let after = '';
  return removeInBatches({ olderThanDays, batch, onBatch }, async (days, limit) => {
    type Row = { id: string; pool: string; isOld: boolean | null };
    const page = await orders.run<Row>(OLD_SALE_ORDERS, [days, limit, after], FORGET_MS);
    after = page.at(-1)?.id ?? after;
    const old = page.filter(({ isOld }) => isOld === true);
    const free = old.length === 0 ? [] : await forgottenOf(inventory, old);
    const gone = free.length === 0 ? [] : await orders.run(FORGET_SALE_ORDERS, [days, JSON.stringify(free)], FORGET_MS);
    return { removed: gone.length, isFull: page.length >= limit };
  });
}
