import { belongs } from '../guard/belongs.js';
import type { Database } from '../sql.js';

/**
 * What a database knows of transactions that are on their way: announced, prepared, with a row of the guard that is young or waits for an
 * answer, in a state table that has not ended; or with a message that was not delivered, or was handled lately, whose id begins with the gid.
 * A dead letter counts: a person has it. What a state machine has begun belongs to it: its sagas' gids are its own, a dot, and more.
 */

const LATE = (place: number) => `clock_timestamp() - make_interval(secs => $${place}::float8 / 1000)`;

const ALIVE = `(outcome = 'intent' or greatest(began_at, ended_at) > ${LATE(2)})`;
const WHY = `case outcome when 'intent' then 'a step waits for its answer' else 'a step of it was done lately' end as why`;

type Looks = readonly (readonly [table: string, text: string])[];

/** Each by the table that it needs; `$1`: gids, `$2`: how old is young, in milliseconds. */
const looks: Looks = [
  ['announcements', `select gid, 'a process drives it' as why from backstitch.announcements where gid = any ($1)`],
  [
    'guard',
    `select gid, ${WHY} from backstitch.guard where gid = any ($1) and ${ALIVE}
    union all
    select asked.gid, ${WHY} from unnest($1::text[]) as asked (gid) join backstitch.guard on ${belongs('guard.gid', 'asked.gid')}
    where ${ALIVE}`,
  ],
  [
    'state_table',
    `select gid, 'its row of the state table has not ended' as why from backstitch.state_table
    where gid = any ($1) and ended_at is null`,
  ],
  [
    'inbox',
    `select split_part(message_id, '/', 1) as gid, 'a message of it was handled lately' as why from backstitch.inbox
    where handled_at > ${LATE(2)} and split_part(message_id, '/', 1) = any ($1)`,
  ],
];

/** What waits has no index by its id: to look for it reads all that waits. */
const waits: Looks = [
  [
    'outbox',
    `select split_part(id, '/', 1) as gid, 'a message of it is on its way' as why from backstitch.outbox
    where split_part(id, '/', 1) = any ($1) and $2::float8 is not null`,
  ],
  [
    'outbox_parked',
    `select split_part(id, '/', 1) as gid, 'a message of it waits' as why from backstitch.outbox_parked
    where split_part(id, '/', 1) = any ($1) and $2::float8 is not null`,
  ],
];

const PREPARED = `
select split_part(gid, '/', 3) as gid, 'a branch of it is prepared' as why from pg_prepared_xacts
where database = current_database() and starts_with(gid, 'backstitch/') and split_part(gid, '/', 3) = any ($1) and $2::float8 is not null`;

const tables = `select array_agg(t) as found from unnest($1::text[]) t where to_regclass('backstitch.' || t) is not null`;

/** How long one look may take with its connection, in milliseconds. */
const LOOK_MS = 30_000;

/** Those of the transactions that are in flight as far as this database knows, and why; but for {@link waitingOf}. */
export function inFlight(database: Asked, gids: readonly string[], youngMs: number): Promise<Map<string, string>> {
  return asking(database, looks, [gids, youngMs], PREPARED);
}

/** Those of the transactions of which a message was not delivered from this database. It reads all that waits there. */
export function waitingOf(database: Asked, gids: readonly string[]): Promise<Map<string, string>> {
  return asking(database, waits, [gids, 0]);
}

type Asked = Pick<Database, 'run'>;

async function asking(
  database: Asked,
  all: Looks,
  values: readonly unknown[],
  ...more: readonly string[]
): Promise<Map<string, string>> {
  const [row] = await database.run<{ found: string[] | null }>(tables, [all.map(([table]) => table)], LOOK_MS);
  const texts = [...all.filter(([table]) => row?.found?.includes(table)).map(([, text]) => text), ...more];
  if (texts.length === 0) return new Map();
  const found = await database.run<{ gid: string; why: string }>(texts.join('\nunion all\n'), values, LOOK_MS);
  return new Map(found.map(({ gid, why }) => [gid, why]));
}
