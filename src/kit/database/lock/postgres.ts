import { removeRows, type Removal } from '../batches.js';
import type { Database } from '../sql.js';
import { leaseLockIn } from './hold.js';
import type { LeaseLock, LeaseOptions, LeaseStore } from './lease.js';

/** The statements of leases. `$1` is the resource, `$2` the owner, `$3` the length of the lease in milliseconds. */

const nowInMicroseconds = '(extract(epoch from clock_timestamp()) * 1000000)::bigint';
/** A row that somebody keeps locked is waited for on the server no longer than the holder waits. @param of so many milliseconds, as a text */
const limits = (of: string) => `limits as materialized (select set_config('lock_timeout', ${of}, true))`;
const inLease = 'clock_timestamp() + make_interval(secs => $3::float8 / 1000)';

/**
 * Takes it, or tells for how long it is another's. What is set is computed when others who would take it have ended. Where somebody was
 * first since the statement began, neither part has a row.
 */
const take = `
with ${limits('$4')}, taken as (
  insert into backstitch.leases as l (resource, token, owner, taken_at, expires_at)
  select $1, ${nowInMicroseconds}, $2, clock_timestamp(), ${inLease} from limits
  on conflict (resource) do update set
    token = greatest(l.token + 1, ${nowInMicroseconds}), owner = excluded.owner,
    taken_at = clock_timestamp(), expires_at = ${inLease}
  where l.owner is null or l.owner = excluded.owner or l.expires_at <= clock_timestamp()
  returning token
)
select token::float8 as token, null::float8 as "heldForMs" from taken
union all
select null, extract(epoch from expires_at - clock_timestamp()) * 1000 from backstitch.leases
where resource = $1 and not exists (select from taken)`;

const renew = `
with ${limits('$4')}
update backstitch.leases set expires_at = ${inLease} from limits
where resource = $1 and owner = $2 and expires_at > clock_timestamp()
returning 1`;

const release = `
with ${limits('$3')}
update backstitch.leases set owner = null, expires_at = clock_timestamp() from limits
where resource = $1 and owner = $2`;

const forget = `
delete from backstitch.leases where ctid = any (array(
  select ctid from backstitch.leases where expires_at < now() - make_interval(days => $1::int)
  limit $2::int for update skip locked))
returning 1`;

/**
 * A lease lock in a database. The tables are made by `lockMigrations`. Leases are rows, and statements by themselves: no connection is
 * held while a resource is.
 *
 * @throws a RangeError for wrong options
 */
export function createLeaseLock(database: Database, options: LeaseOptions = {}): LeaseLock {
  return leaseLockIn(storeIn(database), options);
}

function storeIn(database: Database): LeaseStore {
  type Row = { readonly token: number | null; readonly heldForMs: number | null };
  return {
    async take(resource, owner, leaseMs, limitMs) {
      const [row] = await database.run<Row>(take, [resource, owner, leaseMs, String(limitMs)], limitMs);
      return row?.token != null ? { token: row.token } : { heldForMs: row?.heldForMs ?? 0 };
    },
    renew: async (resource, owner, leaseMs, limitMs) =>
      (await database.run(renew, [resource, owner, leaseMs, String(Math.ceil(limitMs))], limitMs)).length > 0,
    async release(resource, owner, limitMs) {
      await database.run(release, [resource, owner, String(limitMs)], limitMs);
    },
  };
}

/** How long leases that are over, and fences, are kept by default, in days. */
export const LOCK_RETENTION_DAYS = 30;

/**
 * Removes leases that were given back, or were over, so many days ago, in batches of one statement each. It is for the room that they
 * take: a resource's next token is higher all the same.
 *
 * @param options `olderThanDays`: a whole number, 1 at least; default: 30. `batch`: default: 1,000 rows
 * @returns how many rows were removed
 * @throws a RangeError for an age or a batch below 1: nothing is removed
 */
export async function forgetLeases(
  database: Database,
  { olderThanDays = LOCK_RETENTION_DAYS, ...removal }: Partial<Removal> = {},
): Promise<number> {
  return removeRows(database, forget, { ...removal, olderThanDays });
}
