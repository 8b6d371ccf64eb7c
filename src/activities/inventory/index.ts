import { releaseSchema, reserveSchema } from '../../contracts/services.js';
import { Rejection, transactional, type Guard, type Sql } from '../../kit/database/index.js';
import { safeInteger } from '../integers.js';
import { validInput } from '../input.js';
import { RELEASE, RELEASE_AT_ONCE, RESERVATION_STATUS, RESERVE, RESERVE_AT_ONCE } from './sql.js';

/** The stock, and what orders reserve of it: plain functions of an `sql`, which know nothing of transactions. */
function createStock(sql: Sql) {
  const statusOf = async (orderId: string): Promise<string | undefined> =>
    (await sql<{ status: string }>(RESERVATION_STATUS, [orderId]))[0]?.status;

  return {
    /** Takes units from the stock. Rejections: `OutOfStock`, `UnknownSku`, `AlreadyReserved`, `InvalidInput`. */
    async reserve(orderId: string, sku: string, units: number): Promise<{ orderId: string }> {
      validInput(reserveSchema, { orderId, sku, units });
      type Row = { available: string; order_id: string | null };
      const [row] = await sql<Row>(RESERVE, [orderId, sku, units]);
      if (!row) throw new Rejection('UnknownSku', `the shop has no article ${sku} (order ${orderId})`);
      if (row.order_id !== null) return { orderId };
      if ((await statusOf(orderId)) !== undefined)
        throw new Rejection('AlreadyReserved', `order ${orderId} reserved its stock before`);
      const available = safeInteger(row.available, 'the stock');
      throw new Rejection('OutOfStock', `${available} ${sku} are left, order ${orderId} needs ${units}`);
    },

    /** Puts the units back. Rejections: `NotReserved`, `InvalidInput`. */
    async release(orderId: string, sku: string): Promise<{ released: number }> {
      validInput(releaseSchema, { orderId, sku });
      const [row] = await sql<{ released: number }>(RELEASE, [orderId, sku]);
      if (row) return row;
      throw new Rejection(
        'NotReserved',
        `the stock of order ${orderId} cannot be released: it is ${(await statusOf(orderId)) ?? 'not there'}`,
      );
    },
  };
}

/** The inventory service: the stock as a participant, under the guard. */
export function createInventory({ guard }: { guard: Guard }) {
  return transactional(guard, createStock, {
    reserve: {
      compensation: (stock, [orderId, sku]) => stock.release(orderId, sku),
      undoAtOnce: ([orderId, sku]) => ({ statement: RELEASE_AT_ONCE, values: [orderId, sku] }),
      atOnce: ([orderId, sku, units]) => {
        validInput(reserveSchema, { orderId, sku, units });
        return { statement: RESERVE_AT_ONCE, values: [orderId, sku, units] };
      },
    },
    // By itself when a parcel came back, long after its order was placed.
    release: {},
  }).participant;
}

export type Inventory = ReturnType<typeof createInventory>;
