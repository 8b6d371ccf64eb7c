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
  recalled: boolean;
}

/** How the books read the orders database. */
export function readOrders(database: Database) {
  return {
    points: readLedger(database, pointsLedger),
    orders: () =>
      streamByOrder<OrderRecord>(
        database,
        `select order_id, customer_id, sku, units, amount, points_spent, status, recalled_at is not null as recalled
         from orders where order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type OrdersReader = ReturnType<typeof readOrders>;
