import { releaseSchema, reserveSchema, type Reserve } from '../../contracts/services.js';
import { Rejection, transactional, type Guard, type Sql } from '../../kit/database/index.js';
import type { TryConfirmCancel } from '../../kit/workflow/participant.js';
import { safeInteger } from '../integers.js';
import { validInput } from '../input.js';
import {
  FREEZE,
  FREEZE_AT_ONCE,
  RELEASE,
  RELEASE_AT_ONCE,
  RESERVATION_STATUS,
  RESERVE,
  RESERVE_AT_ONCE,
  RESERVE_FROZEN,
  THAW,
} from './sql.js';

/** The stock, and what orders reserve of it: plain functions of an `sql`, which know nothing of transactions. */
export function createStock(sql: Sql) {
  return {
    /** Takes units from the stock. Rejections: `OutOfStock`, `UnknownSku`, `AlreadyReserved`, `InvalidInput`. */
    reserve: (orderId: string, sku: string, units: number): Promise<{ orderId: string }> =>
      take(sql, RESERVE, { orderId, sku, units }),

    /** Puts the units back. Rejections: `NotReserved`, `InvalidInput`. */
    async release(orderId: string, sku: string): Promise<{ released: number }> {
      validInput(releaseSchema, { orderId, sku });
      const [row] = await sql<{ released: number }>(RELEASE, [orderId, sku]);
      if (row) return row;
      throw new Rejection(
        'NotReserved',
        `the stock of order ${orderId} cannot be released: it is ${(await statusOf(sql, orderId)) ?? 'not there'}`,
      );
    },
  };
}

/** Takes units out of the stock, or freezes them there, by this statement. */
async function take(sql: Sql, statement: string, asked: Reserve): Promise<{ orderId: string }> {
  const { orderId, sku, units } = validInput(reserveSchema, asked);
  type Row = { available: string; order_id: string | null };
  const [row] = await sql<Row>(statement, [orderId, sku, units]);
  if (!row) throw new Rejection('UnknownSku', `the shop has no article ${sku} (order ${orderId})`);
  if (row.order_id !== null) return { orderId };
  if ((await statusOf(sql, orderId)) !== undefined)
    throw new Rejection('AlreadyReserved', `order ${orderId} reserved its stock before`);
  const available = safeInteger(row.available, 'the stock');
  throw new Rejection('OutOfStock', `${available} ${sku} are left, order ${orderId} needs ${units}`);
}

async function statusOf(sql: Sql, orderId: string): Promise<string | undefined> {
  return (await sql<{ status: string }>(RESERVATION_STATUS, [orderId]))[0]?.status;
}

/** The inventory service: the stock as a participant, under the guard. */
export function createInventory({ guard }: { guard: Guard }) {
  const { participant } = transactional(guard, createStock, {
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
  });

  /** Ends what is frozen for an order. */
  const ending =
    (statement: string) =>
    async (sql: Sql, { orderId, sku }: Reserve) => {
      const [row] = await sql<{ units: number }>(statement, [orderId, sku]);
      if (row) return row.units;
      const status = (await statusOf(sql, orderId)) ?? 'not there';
      throw new Rejection('NotFrozen', `nothing is frozen for order ${orderId}: its stock is ${status}`);
    };
  const reserve = ending(RESERVE_FROZEN);
  const thaw = ending(THAW);

  /** Freezes units, which can then be reserved by nothing else; then reserves or thaws them. Rejections as `reserve`. */
  const freeze = {
    try: (operation, input) =>
      guard.apply(
        operation,
        input,
        (sql) => take(sql, FREEZE, input),
        () => {
          const { orderId, sku, units } = validInput(reserveSchema, input);
          return { statement: FREEZE_AT_ONCE, values: [orderId, sku, units] };
        },
      ),
    confirm: (operation, input) =>
      guard.confirm(operation, input, async (sql) => ({ reserved: await reserve(sql, input) })),
    cancel: (operation, input) => guard.undo(operation, input, async (sql) => ({ thawed: await thaw(sql, input) })),
  } satisfies TryConfirmCancel<Reserve, { orderId: string }>;

  return { ...participant, freeze };
}

export type Inventory = ReturnType<typeof createInventory>;
