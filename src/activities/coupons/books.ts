import type { Database } from '../../kit/database/index.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';

/** A coupon that is held or used, as the books read it. */
export interface CouponRecord extends OrderRow {
  code: string;
  customer_id: string;
  amount_off: number;
  status: 'AVAILABLE' | 'HELD' | 'USED';
}

/** How the books read the coupons database. */
export function readCoupons(database: Database) {
  return {
    coupons: () =>
      streamByOrder<CouponRecord>(
        database,
        `select order_id, code, customer_id, amount_off, status
         from coupons where order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type CouponsReader = ReturnType<typeof readCoupons>;
