import type { Database } from '../../kit/database/index.js';
import { readLedger } from '../books/ledger.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import { stockLedger } from './migrations.js';

/** A reservation, as the books read it. */
export interface ReservationRecord extends OrderRow {
  sku: string;
  units: number;
  status: 'frozen' | 'reserved' | 'released';
  /** On account of an event. Another transaction may have asked for an order of the same id. Absent in what is expected. */
  choreographed?: boolean;
}

/** How the books read the inventory database. */
export function readInventory(database: Database) {
  return {
    stock: readLedger(database, stockLedger),
    reservations: () =>
      streamByOrder<ReservationRecord>(
        database,
        `select order_id, sku, units, status, choreographed
         from reservations where order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type InventoryReader = ReturnType<typeof readInventory>;
