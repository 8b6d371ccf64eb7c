import type { RecallStatus } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';

/** A shipment, as the books read it. */
export interface ShipmentRecord extends OrderRow {
  customer_id: string;
  sku: string;
  units: number;
}

/** A recall of a parcel, as the books read it. */
export interface RecallRecord extends OrderRow {
  status: RecallStatus;
  /** The log has a row that the recall brought nothing back. */
  logged: boolean;
}

/** How the books read the shipping database. */
export function readShipping(database: Database) {
  return {
    shipments: () =>
      streamByOrder<ShipmentRecord>(
        database,
        `select order_id, customer_id, sku, units
         from shipments where order_id > $1 order by order_id limit $2`,
      ),
    recalls: () =>
      streamByOrder<RecallRecord>(
        database,
        `select order_id, status, exists (select from amends_log where amends_log.order_id = recalls.order_id) as logged
         from recalls where order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type ShippingReader = ReturnType<typeof readShipping>;
