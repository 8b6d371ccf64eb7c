import { purchaseGid } from '../../contracts/bookstore.js';
import type { Database } from '../../kit/database/index.js';
import { readLedger } from '../books/ledger.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import { booksLedger } from './migrations.js';
import { PARCELS } from './sql.js';

/** A parcel as the books read it, by the id of its purchase. */
export interface ParcelRecord extends OrderRow {
  book: string;
  copies: number;
}

/** How the books read the warehouse's database. */
export function readWarehouse(database: Database) {
  const prefix = purchaseGid('');
  return {
    stock: readLedger(database, booksLedger),
    parcels: () => streamByOrder<ParcelRecord>(database, PARCELS, prefix, prefix.length + 1),
  };
}

export type WarehouseReader = ReturnType<typeof readWarehouse>;
