import { orderGid } from '../../contracts/place-order.js';
import { transferGid } from '../../contracts/transfer.js';
import type { Database, State } from '../../kit/database/index.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';

/** An order that was asked for by the state table. */
export interface AskedRecord extends OrderRow {
  state: State;
}

/** Gids that are read at a time. */
const PAGE = 500;

const ASKED = `
select substr(gid, $3::int) as order_id, state from backstitch.state_table
where gid > $4::text || $1 and starts_with(gid, $4) order by gid limit $2`;

const OPEN = `
select gid from backstitch.state_table
where ended_at is null and gid > $1 and starts_with(gid, $2) order by gid limit $3`;

/** How the books read what callers have asked for. */
export function readCallers(database: Database) {
  const orders = orderGid('');
  return {
    /** The orders, by their ids. */
    orders: () => streamByOrder<AskedRecord>(database, ASKED, orders.length + 1, orders),

    /** The gids of transfers that have not ended: pending, or with a person. */
    async *openTransfers(): AsyncGenerator<string[]> {
      for (let after = ''; ;) {
        const rows = await database.run<{ gid: string }>(OPEN, [after, transferGid(''), PAGE]);
        const last = rows.at(-1);
        if (last === undefined) return;
        yield rows.map(({ gid }) => gid);
        after = last.gid;
      }
    },
  };
}

export type CallersReader = ReturnType<typeof readCallers>;
