import { openWalletsSchema, type OpenWallets } from '../../contracts/services.js';
import type { Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { OPEN_WALLETS } from './sql.js';

/**
 * Opens up to 1,000 wallets with their first deposit. Idempotent by the wallets' key: a wallet and its deposit are one
 * statement, and a wallet that is there is left alone, whatever is in it by now.
 */
export async function openWallets(database: Database, input: OpenWallets): Promise<void> {
  const { customerIds, cents } = validInput(openWalletsSchema, input);
  await database.run(OPEN_WALLETS, [customerIds, cents]);
}
