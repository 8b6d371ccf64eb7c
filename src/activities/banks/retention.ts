import { removeInBatches, type Removal } from '../../kit/database/batches.js';
import { GUARD_RETENTION_DAYS, type Database } from '../../kit/database/index.js';

/** What a bank keeps of movements that have ended, beside its entries: nothing of it is needed when the guard has forgotten them. */
const ended = { holds: `state <> 'held'`, transfers: `state <> 'announced'` } as const;

const FORGET = (table: keyof typeof ended) => `
delete from ${table} where ctid = any (array(
  select t.ctid from ${table} t
  where ${ended[table]} and ended_at < now() - make_interval(days => $1::int)
    and not exists (select from backstitch.guard g where g.gid = t.gid)
  limit $2::int))
returning 1`;

/** Forgets holds, or transfers by two-phase commit, that have ended so long ago, when the guard has forgotten their transaction. */
export async function forgetEnded(
  database: Database,
  table: keyof typeof ended,
  { olderThanDays = GUARD_RETENTION_DAYS, batch = 1_000, onBatch }: Partial<Removal> = {},
): Promise<number> {
  return removeInBatches({ olderThanDays, batch, onBatch }, async (...values) => {
    const removed = (await database.run(FORGET(table), values)).length;
    return { removed, isFull: removed >= values[1] };
  });
}

const OPEN = `
select gid from holds where gid = any ($1::text[]) and state = 'held'
union select gid from transfers where gid = any ($1::text[]) and state = 'announced'
union select locked_by from accounts where locked_by = any ($1::text[])
union select gid from purchases where gid = any ($1::text[]) and 'in progress' in (warehouse, merchant)`;

/** Which of these transactions have something in the bank that has not ended: a hold, a lock, a transfer, a purchase. */
export async function openAtBank(database: Database, gids: readonly string[]): Promise<string[]> {
  return (await database.run<{ gid: string }>(OPEN, [gids])).map(({ gid }) => gid);
}
