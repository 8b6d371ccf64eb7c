import { removeRows, type Removal } from '../batches.js';
import type { Database, Sql } from '../sql.js';
import { LOCK_RETENTION_DAYS } from './postgres.js';

/**
 * The fence: the side of a resource that is protected by a lease lock. In its own database it keeps the highest token that has written to
 * it, and refuses a lower one, in the transaction of the write.
 *
 * States of a resource: not there → the token of its first writer → a higher one → … It never goes down.
 *
 * Invariant: what is written with a token is committed only if none with a higher one was before. Two who would write at once meet on
 * the row: the second waits until the first has ended, and looks then.
 *
 * It does not know who holds the lock: whoever has a lease that is over may write as long as nobody with a later one has. That is as if it
 * had done so in time.
 */

/** A write came too late: somebody with a later lease has written to the resource. Nothing of the transaction may be committed. */
export class Fenced extends Error {
  constructor(resource: string, token: number, highest: number | undefined) {
    super(
      `a write to '${resource}' with token ${token} is refused: one with ${highest ?? 'a higher one'} was before it, and this lease is over`,
    );
    this.name = 'Fenced';
  }
}

/** A limit of the transaction, by the place of its value, unless it has one: a guard's may be shorter. */
const limit = (name: string, place: number) =>
  `set_config('${name}', case current_setting('${name}') when '0' then $${place}::text else current_setting('${name}') end, true)`;

/** `$1` resource, `$2` token, `$3` and `$4` the limits: milliseconds for the whole transaction, and for a lock. */
const raise = `
with limits as materialized (
  select ${limit('transaction_timeout', 3)}, ${limit('idle_in_transaction_session_timeout', 3)}, ${limit('lock_timeout', 4)}
)
insert into backstitch.fences as f (resource, token, fenced_at)
select $1, $2::bigint, clock_timestamp() from limits
on conflict (resource) do update set token = excluded.token, fenced_at = excluded.fenced_at where f.token <= excluded.token
returning 1`;
const read = 'select token::float8 as token from backstitch.fences where resource = $1';

/** How long a transaction with a fence may take by default, in milliseconds. */
const TIMEOUT_MS = 30_000;

/**
 * Lets a write through, if no later lease has written to the resource. Call it in the SQL transaction of the write, before the write. Other
 * writers wait for that transaction from then on: it ends after `timeoutMs` (or its own limit), also if the process is stopped in the middle of it.
 *
 * @param resource as the lock has it, or a part of it: where a lock protects several rows each may have a fence of its own
 * @param token the lease's
 * @param options `timeoutMs`: how long the transaction may take from now, in milliseconds; it waits for a lock for half as long. Default: 30,000
 * @throws {@link Fenced} roll back then
 */
export async function fence(
  sql: Sql,
  resource: string,
  token: number,
  { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<void> {
  if (!Number.isSafeInteger(token) || token < 0) {
    throw new TypeError(`the token of '${resource}' is ${token}: it must be the whole number of its lease`);
  }
  const limits = [String(timeoutMs), String(Math.ceil(timeoutMs / 2))];
  const raised = await sql(raise, [resource, token, ...limits]);
  if (raised.length > 0) return;
  const [found] = await sql<{ token: number }>(read, [resource]);
  throw new Fenced(resource, token, found?.token);
}

const forget = `
delete from backstitch.fences where ctid = any (array(
  select ctid from backstitch.fences where fenced_at < now() - make_interval(days => $1::int)
  limit $2::int for update skip locked))
returning 1`;

/**
 * Removes the fences of resources to which nobody has written for so many days, in batches of one statement each: longer than any holder
 * may be stopped and wake. One that wakes after that could write.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 30. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetFences(
  database: Database,
  { olderThanDays = LOCK_RETENTION_DAYS, ...removal }: Partial<Removal> = {},
): Promise<number> {
  return removeRows(database, forget, { ...removal, olderThanDays });
}
