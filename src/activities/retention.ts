import { orderGid } from '../contracts/place-order.js';
import { bankNames } from '../contracts/transfer.js';
import {
  GUARD_RETENTION_DAYS,
  OCCUPANCY_RETENTION_DAYS,
  type Database,
  type KeepingRemoval,
} from '../kit/database/index.js';
import { forgetEnded, openAtBank } from './banks/retention.js';
import type { ShopDatabases } from './index.js';
import { EVENTS_RETENTION_DAYS, forgetEvents, forgetSaleOrders, openOrders } from './orders/retention.js';

/** What of the shop's own tables is forgotten, and what it needs still of the kit's (docs/operations.md, Retention). */

type How = Pick<KeepingRemoval<string>, 'olderThanDays' | 'onBatch'>;

export function shopRetention(databases: ShopDatabases) {
  return {
    own: [
      {
        ...{ database: 'orders', table: 'order_events', days: EVENTS_RETENTION_DAYS },
        forget: (how: How) => forgetEvents(databases.orders, how),
      },
      {
        ...{ database: 'orders', table: 'sale_orders', days: OCCUPANCY_RETENTION_DAYS },
        forget: (how: How) => forgetSaleOrders(databases, how),
      },
      ...bankNames.flatMap((bank) =>
        (['holds', 'transfers'] as const).map((table) => ({
          ...{ database: bank, table, days: GUARD_RETENTION_DAYS },
          forget: (how: How) => forgetEnded(databases[bank], table, how),
        })),
      ),
    ],
    /** Which transactions have something that has not ended, though they may be long over. */
    needs: {
      ...Object.fromEntries(
        bankNames.map((bank) => [bank, (gids: readonly string[]) => openAtBank(databases[bank], gids)]),
      ),
      orders: ofOrders((ids) => openOrders(databases.orders, ids)),
      payments: ofOrders((ids) => withStatus(databases.payments, FROZEN_OR_REQUESTED, ids)),
      inventory: ofOrders((ids) => withStatus(databases.inventory, FROZEN, ids)),
    },
  };
}

const FROZEN_OR_REQUESTED = `
select order_id as id from payments where order_id = any ($1::text[]) and status in ('frozen', 'requested')`;
const FROZEN = `select order_id as id from reservations where order_id = any ($1::text[]) and status = 'frozen'`;

async function withStatus(database: Database, text: string, ids: readonly string[]): Promise<string[]> {
  return (await database.run<{ id: string }>(text, [ids])).map(({ id }) => id);
}

/** Asks of orders by their transactions. */
function ofOrders(ask: (orderIds: readonly string[]) => Promise<string[]>) {
  const prefix = orderGid('');
  return async (gids: readonly string[]) => {
    const orderIds = gids.filter((gid) => gid.startsWith(prefix)).map((gid) => gid.slice(prefix.length));
    return (await ask(orderIds)).map(orderGid);
  };
}
