import { removeInBatches, type Removal } from '../../kit/database/batches.js';
import type { Database } from '../../kit/database/index.js';

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
