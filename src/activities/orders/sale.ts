import type { BuySale, SaleOrderStatus, TornSale } from '../../contracts/sale.js';
import { Together, type BarAnswer, type Database, type OccupiedRow } from '../../kit/database/index.js';
import { safeInteger } from '../integers.js';

/**
 * Orders of flash sales: the second half of a purchase, whose units the inventory has occupied before.
 *
 * States: `unpaid` → `paid` | `cancelled`; or `barred` from the first. All but `unpaid` are final.
 * - Nothing → `unpaid`: submitted. Again under the same id it is the same order.
 * - `unpaid` → `paid`: its money has come, by one payment. Another payment of the same order changes nothing, and is told apart.
 * - `unpaid` → `cancelled`, nothing → `barred`: its units are about to be reclaimed. A submit that comes afterwards finds this row, and is
 *   refused by it.
 *
 * Invariant: the row is the only word on whether a purchase is paid, and by what; it is never both paid and barred or cancelled, whoever
 * meets whom on it. One that is paid is *torn* if its units had been released by then: that cannot be while both databases keep what they
 * have committed, and if it is so after all the row says it, for as long as it is there.
 */

/** An order as this database has it. */
export interface SaleOrder {
  readonly id: string;
  readonly sale: string;
  readonly customerId: string;
  readonly units: number;
  readonly cents: number;
  readonly status: SaleOrderStatus;
  /** What it was paid by; `null`: it is not paid, or was under a release that did not write that down. */
  readonly paymentId: string | null;
}

/** Sales with torn orders that are named, at most. */
const TORN_SALES = 100;

/** How long one statement may take with its connection, in milliseconds. */
const STATEMENT_MS = 5_000;
/** How long a bar waits for a lock, in milliseconds: then it is tried for each by itself. */
const LOCK_MS = 1_000;

const row =
  'order_id as id, sale, customer_id as "customerId", units, cents::text as cents, status, payment_id as "paymentId"';
const given = `json_to_recordset($1::text::json) as a(id text, sale text, "customerId" text, units integer, cents bigint)`;

/** Submits many; each comes back as it is, whoever has submitted it. The update changes nothing. */
const SUBMIT = `
insert into sale_orders as o (order_id, sale, customer_id, units, cents)
select id, sale, "customerId", units, cents from ${given} order by id
on conflict (order_id) do update set order_id = o.order_id
returning ${row}`;

/** Bars many, or cancels them where they wait for their payment. What is paid stays so. */
const BAR = `
with limits as materialized (select set_config('lock_timeout', $2, true))
insert into sale_orders as o (order_id, sale, customer_id, units, cents, status, ended_at)
select id, sale, "customerId", units, 0, 'barred', clock_timestamp() from limits, ${given} order by id
on conflict (order_id) do update set status = case o.status when 'unpaid' then 'cancelled' else o.status end,
  ended_at = coalesce(o.ended_at, clock_timestamp())
returning order_id as id, status`;

const PAY = `
update sale_orders set status = 'paid', payment_id = $2, ended_at = clock_timestamp()
where order_id = $1 and status = 'unpaid'
returning ${row}`;

const TEAR = `
update sale_orders set torn_at = clock_timestamp() where order_id = $1 and status = 'paid' and torn_at is null`;

/** A day is long enough to be told of it: every reconciliation names it after that. */
const TORN = `
select sale, count(*)::int as count, min(order_id) as id from sale_orders where torn_at > now() - interval '1 day'
group by sale order by sale limit ${TORN_SALES}`;

const LOOK = `select ${row} from sale_orders where order_id = $1`;

type ReadOrder = Omit<SaleOrder, 'cents'> & { readonly cents: string };

/** The orders of sales in one database. */
export function createSaleOrders(database: Database) {
  const run = <Row extends object>(text: string, values: readonly unknown[]) =>
    database.run<Row>(text, values, STATEMENT_MS);
  const submitting = new Together<BuySale & { readonly cents: number }, SaleOrder>({
    async send(asked) {
      const found = await run<ReadOrder>(SUBMIT, [JSON.stringify(asked)]);
      const byId = new Map(found.map((order) => [order.id, orderOf(order)]));
      return asked.flatMap(({ id }) => byId.get(id) ?? []);
    },
    keyOf: ({ id }) => id,
  });
  const look = async (id: string): Promise<SaleOrder | undefined> => {
    const [found] = await run<ReadOrder>(LOOK, [id]);
    return found && orderOf(found);
  };
  return {
    /** Submits an order, or finds the one that is there: submitted before, paid, or barred. Those of one moment go in one statement. */
    submit: (purchase: BuySale, cents: number): Promise<SaleOrder> => submitting.ask({ ...purchase, cents }),

    /** Pays an order that waits for it, once. @returns it as it is then, whatever has paid it; nothing: there is none */
    pay: async (id: string, paymentId: string): Promise<SaleOrder | undefined> => {
      const [paid] = await run<ReadOrder>(PAY, [id, paymentId]);
      return paid === undefined ? look(id) : orderOf(paid);
    },

    look,

    /** Writes down that an order is torn. */
    tear: async (id: string): Promise<void> => {
      await run(TEAR, [id]);
    },

    /** Sales with orders that were found to be torn within a day: how many, and one of them. */
    torn: () => run<TornSale>(TORN, []),

    /** See `reclaimDue`. */
    async bar(rows: readonly OccupiedRow[]): Promise<Map<string, BarAnswer>> {
      const asked = rows.map(({ id, pool: sale, holder: customerId, units }) => ({ id, sale, customerId, units }));
      const found = await run<{ id: string; status: SaleOrderStatus }>(BAR, [JSON.stringify(asked), String(LOCK_MS)]);
      return new Map(found.map(({ id, status }) => [id, status === 'paid' ? 'paid' : 'barred']));
    },
  };
}

export type SaleOrders = ReturnType<typeof createSaleOrders>;

function orderOf({ cents, ...order }: ReadOrder): SaleOrder {
  return { ...order, cents: safeInteger(cents, 'the price of an order') };
}
