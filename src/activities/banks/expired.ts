import type { Database } from '../../kit/database/index.js';
import { within } from '../../kit/database/within.js';
import type { ExpiredHold } from '../../kit/workflow/index.js';
import { expiredBy, expiredSql, HOLD_MINUTES } from '../expired.js';
import { DROP_ENDED } from './transfers-sql.js';

const LATE = `interval '${HOLD_MINUTES} minutes'`;

/**
 * Holds that should have been confirmed or cancelled; accounts that are locked, each under the name `lock of <account>`; and
 * transfers that are announced and neither moved nor dropped, without those that are prepared: the scan looks after them.
 */
const EXPIRED = expiredSql(`
  select gid, branch, expires_at from holds where state = 'held' and expires_at < now()
  union all
  select locked_by, 'lock of ' || account, locked_at + ${LATE} from accounts
  where locked_by is not null and locked_at < now() - ${LATE}
  union all
  select gid, branch, announced_at + ${LATE} from transfers
  where state = 'announced' and announced_at < now() - ${LATE} and not exists (
    select from pg_prepared_xacts as prepared where prepared.database = current_database()
      and split_part(prepared.gid, '/', 3) = transfers.gid and split_part(prepared.gid, '/', 4) = transfers.branch
  )`);

/** How long it may take to drop what has ended, in milliseconds: whoever reads has 10 s until the first page is there. */
const DROP_MS = 4_000;

/** What a bank holds for transfers, and should not any more: oldest first. What it knows to have ended it drops before. */
export async function* expiredHolds(database: Database): AsyncGenerator<ExpiredHold> {
  // What is not dropped now is by the next scan; nothing counts it until then.
  await within(DROP_MS, database.run(DROP_ENDED, [], DROP_MS)).catch(() => undefined);
  yield* expiredBy(database, EXPIRED);
}
