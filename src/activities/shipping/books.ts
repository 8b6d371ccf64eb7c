import type { Database } from '../../kit/database/index.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';

/** A shipment, as the books read it. */
export interface ShipmentRecord extends OrderRow {
  customer_id: string;
  sku: string;
  units: number;
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
  };
}

export type ShippingReader = ReturnType<typeof readShipping>;
