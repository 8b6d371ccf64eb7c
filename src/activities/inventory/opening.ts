import { deliverSchema, type Deliver } from '../../contracts/services.js';
import type { Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { DELIVER_MISSING, LOCK_STOCK } from './sql.js';

/**
 * Delivers stock until `units` were delivered in all since the shop opened. Idempotent because it names the total: run
 * again it finds nothing missing, a higher total adds the difference, and a lower one changes nothing.
 */
export async function deliver(database: Database, input: Deliver): Promise<void> {
  const { sku, units } = validInput(deliverSchema, input);
  await database.transaction(async (sql) => {
    await sql(LOCK_STOCK, [sku]);
    // A statement of its own: its snapshot is taken under the lock, so it sees every delivery before it.
    await sql(DELIVER_MISSING, [sku, units]);
  });
}
