import { FORGET_MS, ofJson } from './batches.js';
import { listInDoubt } from './prepared/in-doubt.js';
import type { Database } from './sql.js';

/** What a database knows of what is needed still though it is old, for whoever removes something elsewhere. */

/** The kit's tables that grow, as far as a database has them. */
export interface GrowingTables {
  readonly guard: boolean;
  readonly inbox: boolean;
  readonly states: boolean;
  readonly outbox: boolean;
  readonly log: boolean;
  readonly once: boolean;
  readonly locks: boolean;
  readonly occupancy: boolean;
}

const tables = `
select to_regclass('backstitch.guard') is not null as guard, to_regclass('backstitch.inbox') is not null as inbox,
  to_regclass('backstitch.state_table') is not null as states, to_regclass('backstitch.outbox') is not null as outbox,
  to_regclass('backstitch.log') is not null as log, to_regclass('backstitch.executions') is not null as once,
  to_regclass('backstitch.leases') is not null as locks, to_regclass('backstitch.occupancy') is not null as occupancy`;

export async function growingTables(database: Database): Promise<GrowingTables> {
  const [found] = await database.run<GrowingTables>(tables, [], FORGET_MS);
  if (found === undefined) throw new Error('the database did not say what tables it has');
  return found;
}

/** By its age, or as somebody still has it: of all its rows, of whichever branch. */
const guarded = `
select gid from backstitch.guard where gid in (${ofJson('$1')})
  and (ended_at is null or ended_at >= now() - make_interval(days => $2::int) or fate->>'state' in ('running', 'undoing'))
union
select gid from backstitch.announcements where gid in (${ofJson('$1')})`;

const asked = `
select gid from backstitch.state_table where gid in (${ofJson('$1')})
  and (ended_at is null or ended_at >= now() - make_interval(days => $2::int))`;

/** Which of these transactions have not ended as far as this database knows, or have not been at rest here for so many days. */
export async function unendedHere(
  database: Database,
  { guard, states }: GrowingTables,
  gids: readonly string[],
  days: number,
): Promise<string[]> {
  const values = [JSON.stringify(gids), days];
  const read = async (text: string) =>
    (await database.run<{ gid: string }>(text, values, FORGET_MS)).map(({ gid }) => gid);
  return [...(guard ? await read(guarded) : []), ...(states ? await read(asked) : [])];
}

/** The transactions of which a branch is prepared in this database. */
export async function preparedHere(database: Database): Promise<string[]> {
  return (await listInDoubt(database, { olderThanMs: 0 })).map(({ gid }) => gid);
}

/** More are not read: the rest is looked at by the next run, when these are delivered or were decided about. */
const MOST_OLD = 10_000;

const oldFront = `
select id from backstitch.outbox where added_at < now() - make_interval(days => $1::int) limit $2::int`;

const parked = `select distinct id from backstitch.outbox_parked where id in (${ofJson('$1')})`;

/**
 * Which messages a database's outboxes still have to deliver, or have as dead letters, though they are so many days old.
 *
 * @throws Error for more than 10,000 that are not aside: whoever asks cannot know which
 */
export async function waitingHere(
  database: Database,
  days: number,
): Promise<(ids: readonly string[]) => Promise<string[]>> {
  // Those in the front are found by their age, once: what comes to it later is no old message. Those aside have an index.
  const front = new Set(
    (await database.run<{ id: string }>(oldFront, [days, MOST_OLD + 1], FORGET_MS)).map(({ id }) => id),
  );
  if (front.size > MOST_OLD)
    throw new Error(`more than ${MOST_OLD} messages wait for ${days} days: nobody delivers them`);
  return async (ids) => {
    const aside = await database.run<{ id: string }>(parked, [JSON.stringify(ids)], FORGET_MS);
    return [...ids.filter((id) => front.has(id)), ...aside.map(({ id }) => id)];
  };
}
