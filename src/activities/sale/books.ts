import type { SaleOrderStatus } from '../../contracts/sale.js';
import {
  haveForgotten,
  readPools,
  type Database,
  type OccupiedState,
  type PoolState,
} from '../../kit/database/index.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';

/** What was occupied for a purchase, as the books read it. */
export interface OccupiedRecord extends OrderRow {
  sale: string;
  customer_id: string;
  units: number;
  state: OccupiedState;
  /** It should have been paid or reclaimed some rounds of the reclaim ago, by the clock of the database. */
  is_overdue: boolean;
}

/** An order of a sale, as the books read it. */
export interface SaleOrderRecord extends OrderRow {
  sale: string;
  customer_id: string;
  units: number;
  status: SaleOrderStatus;
}

/** After how long it is a difference that nobody has reclaimed what is due: two rounds of the schedule, and a moment. */
const OVERDUE_MINUTES = 15;
/** Sales that are read at a time. */
const PAGE = 100;

/** How the books read what two databases have of sales. */
export function readSales({ inventory, orders }: { readonly inventory: Database; readonly orders: Database }) {
  return {
    async *sales(): AsyncGenerator<PoolState> {
      let after = '';
      for (;;) {
        const pools = await readPools(inventory, after, PAGE);
        yield* pools;
        const last = pools.at(-1);
        if (last === undefined || pools.length < PAGE) return;
        after = last.pool;
      }
    },
    occupied: () =>
      streamByOrder<OccupiedRecord>(
        inventory,
        `select id as order_id, pool as sale, holder as customer_id, units, state,
           state = 'occupied' and due_at < now() - interval '${OVERDUE_MINUTES} minutes' as is_overdue
         from backstitch.occupancy where id > $1 order by id limit $2`,
      ),
    orders: () =>
      streamByOrder<SaleOrderRecord>(
        orders,
        `select order_id, sale, customer_id, units, status
         from sale_orders where order_id > $1 order by order_id limit $2`,
      ),
    /** Whether a sale does not know any more for whom all of its units were: they are forgotten before their orders are. */
    hasForgotten: async (sale: string): Promise<boolean> => (await haveForgotten(inventory, [sale])).has(sale),
    /** What the stock has given to sales, and not got back. */
    async fromStock(): Promise<string> {
      const text = `select -coalesce(sum(amount), 0) as units from stock_entries where kind in ('sale', 'unsold')`;
      const [row] = await inventory.run<{ units: string }>(text);
      return row?.units ?? '0';
    },
  };
}

export type SalesReader = ReturnType<typeof readSales>;
