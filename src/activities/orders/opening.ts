import { openCustomersSchema, type OpenCustomers } from '../../contracts/services.js';
import type { Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { OPEN_CUSTOMERS } from './sql.js';

/**
 * Opens up to 1,000 customers with their first points. Idempotent by the customers' key: a customer and its opening
 * entry are one statement, and a customer that is there is left alone, whatever points it has by now.
 */
export async function openCustomers(database: Database, input: OpenCustomers): Promise<void> {
  const { customerIds, points } = validInput(openCustomersSchema, input);
  await database.run(OPEN_CUSTOMERS, [customerIds, points]);
}
