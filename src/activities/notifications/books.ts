import type { Database } from '../../kit/database/index.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import type { Kind } from './sql.js';

/** What a customer was told of an order, as the books read it. */
export interface NotificationRecord extends OrderRow {
  customer_id: string;
}

/** How the books read the notifications database. */
export function readNotifications(database: Database) {
  return {
    told: (kind: Kind) =>
      streamByOrder<NotificationRecord>(
        database,
        `select order_id, customer_id
         from notifications where kind = '${kind}' and order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type NotificationsReader = ReturnType<typeof readNotifications>;
