import { takeBackParcelSchema, type TakeBackParcel } from '../../contracts/services.js';
import type { RecallStatus } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { RECALL_STATUS } from './sql.js';

/** The recall of an order's parcel as it is now; `null`: there is none. */
export async function recallState(database: Database, input: TakeBackParcel): Promise<RecallStatus | null> {
  const { orderId } = validInput(takeBackParcelSchema, input);
  const [recall] = await database.run<{ status: RecallStatus }>(RECALL_STATUS, [orderId]);
  return recall?.status ?? null;
}
