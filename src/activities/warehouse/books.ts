import { purchaseGid } from '../../contracts/bookstore.js';
import type { Database } from '../../kit/database/index.js';
import { readLedger } from '../books/ledger.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import { booksLedger } from './migrations.js';
import type { JobState } from '../../contracts/lifecycle.js';
import { JOBS, PARCELS } from './sql.js';

/** A parcel as the books read it, by the id of its purchase. */
export interface ParcelRecord extends OrderRow {
  book: string;
  copies: number;
}

/** A job of the warehouse as the books read it. */
export interface JobRecord extends OrderRow {
  sku: string;
  units: number;
  state: JobState;
}

/** How the books read the warehouse's database. */
export function readWarehouse(database: Database) {
  const prefix = purchaseGid('');
  return {
    stock: readLedger(database, booksLedger),
    parcels: () => streamByOrder<ParcelRecord>(database, PARCELS, prefix, prefix.length + 1),
    jobs: () => streamByOrder<JobRecord>(database, JOBS),
  };
}

export type WarehouseReader = ReturnType<typeof readWarehouse>;
