import type { OrderStatus } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { readLedger } from '../books/ledger.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import { pointsLedger } from './migrations.js';

/** An order, as the books read it. */
export interface OrderRecord extends OrderRow {
  customer_id: string;
  sku: string;
  units: number;
  amount: number;
  points_spent: number;
  status: OrderStatus;
  /** Of an order that lives for weeks. */
  sub_state: string | null;
  coupon: string | null;
  /** What the coupon takes off the amount, in cents. */
  discount: number;
  recalled: boolean;
  /** No orchestrator has it: its services follow each other's events. */
  choreographed: boolean;
  /** It ended more than a day ago, by the clock of the database. */
  is_old: boolean;
}

/** The points that an order has brought its customer, as the books read them. */
export interface EarnedRecord extends OrderRow {
  points: string;
}

/** How the books read the orders database. */
export function readOrders(database: Database) {
  return {
    points: readLedger(database, pointsLedger),
    orders: () =>
      streamByOrder<OrderRecord>(
        database,
        `select order_id, customer_id, sku, units, amount, points_spent, status, recalled_at is not null as recalled,
           sub_state, coupon, discount, choreographed, coalesce(ended_at < now() - interval '1 day', false) as is_old
         from orders where order_id > $1 order by order_id limit $2`,
      ),
    earned: () =>
      streamByOrder<EarnedRecord>(
        database,
        `select order_id, amount as points from point_entries
         where kind = 'earned' and order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type OrdersReader = ReturnType<typeof readOrders>;
