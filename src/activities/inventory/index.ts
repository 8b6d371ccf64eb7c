import { reserveSchema, type Reserve } from '../../contracts/services.js';
import { Rejection, type Guard } from '../../kit/database/index.js';
import type { Undoable } from '../../kit/workflow/participant.js';
import { safeInteger } from '../integers.js';
import { validInput } from '../input.js';
import { RELEASE, RESERVATION_STATUS, RESERVE } from './sql.js';

/** What reserving stock answers. */
interface Reserved {
  orderId: string;
}

/** The inventory service: stock, and what orders reserve of it. */
export function createInventory({ guard }: { guard: Guard }) {
  /** Takes units from the stock. Rejections: `OutOfStock`, `UnknownSku`, `AlreadyReserved`, `InvalidInput`. */
  const reserve = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, sku, units } = validInput(reserveSchema, input);
        type Row = { available: string; order_id: string | null };
        const [row] = await sql<Row>(RESERVE, [orderId, sku, units]);
        if (!row) throw new Rejection('UnknownSku', `the shop has no article ${sku} (order ${orderId})`);
        if (row.order_id !== null) return { orderId };
        const [reservation] = await sql(RESERVATION_STATUS, [orderId]);
        if (reservation) throw new Rejection('AlreadyReserved', `order ${orderId} reserved its stock before`);
        const available = safeInteger(row.available, 'the stock');
        throw new Rejection('OutOfStock', `${available} ${sku} are left, order ${orderId} needs ${units}`);
      }),
    /** Puts the units back. */
    compensation: (operation, input) =>
      guard.undo(operation, input, async (sql) => {
        const { orderId, sku } = input;
        const [row] = await sql<{ units: number }>(RELEASE, [orderId, sku]);
        if (row) return { released: row.units };
        const [reservation] = await sql<{ status: string }>(RESERVATION_STATUS, [orderId]);
        throw new Error(
          `the stock of order ${orderId} cannot be released: it is ${reservation?.status ?? 'not there'}`,
        );
      }),
  } satisfies Undoable<Reserve, Reserved>;

  return { reserve };
}

export type Inventory = ReturnType<typeof createInventory>;
