import type { Sql } from '../sql.js';
import { outboxPrefix } from './subscribers.js';

/**
 * Takes back what was added to be delivered later.
 *
 * A relay reads what is due, and passes what somebody has locked. So its lanes are locked first, and looked at after that: what is not due
 * then was read by no relay before, and is read by none until this transaction has ended.
 *
 * @returns whether it was there and not due: it was removed, from all its subscribers
 */
export async function removeLater(sql: Sql, outbox: string, id: string): Promise<boolean> {
  const lanes = await sql<{ stream: string; lane: string }>(lock, [id, outboxPrefix(outbox)]);
  if (lanes.length === 0) return false;
  const values = [lanes.map(({ stream }) => stream), lanes.map(({ lane }) => lane)];
  const [removed] = await sql<{ count: number }>(remove, values);
  return (removed?.count ?? 0) > 0;
}

const lock = `
select l.stream, l.lane from backstitch.outbox_lanes l
where (l.stream, l.lane) in (
  select p.stream, p.lane from backstitch.outbox_parked p where p.id = $1 and starts_with(p.stream, $2) and p.lane = 's:' || p.seq
)
order by l.stream, l.lane for update`;

/** All of them or none: whatever was tried is due, or was. The statement's time is one for all, and later than the locks. */
const remove = `
with found as materialized (
  select stream, lane, l.attempts = 0 and l.failed_at is null and l.due_at > statement_timestamp() as waits
  from unnest($1::text[], $2::text[]) locked (stream, lane) join backstitch.outbox_lanes l using (stream, lane)
), lanes as (
  delete from backstitch.outbox_lanes l using found
  where l.stream = found.stream and l.lane = found.lane and (select bool_and(waits) from found)
), gone as (
  delete from backstitch.outbox_parked p using found
  where p.stream = found.stream and p.lane = found.lane and (select bool_and(waits) from found)
  returning p.seq
)
select count(*)::integer as count from gone`;
