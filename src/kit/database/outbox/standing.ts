import type { ShownStream } from '../../workflow/outbox.js';
import type { Database } from '../sql.js';

/** How a stream stands. */
export type StreamStanding = Omit<ShownStream, 'outbox'>;

const STATEMENT_MS = 10_000;

/** How these streams stand, in their order. */
export async function standingOf(database: Database, streams: readonly string[]): Promise<StreamStanding[]> {
  type Row = Omit<StreamStanding, 'oldestMs' | 'relay'> & {
    oldestMs: number | null;
    owner: string | null;
    since: number | null;
  };
  const rows = await database.run<Row>(standing, [streams], STATEMENT_MS);
  return rows.map(({ oldestMs, owner, since, ...row }) => ({
    ...row,
    ...(oldestMs !== null && { oldestMs: Math.floor(oldestMs) }),
    ...(owner !== null && since !== null && { relay: { owner, since: Math.floor(since) } }),
  }));
}

const standing = `
select s.stream,
  (select count(*)::integer from (select from backstitch.outbox o where o.stream = s.stream limit 10000) o) as waiting,
  (select count(*)::integer from (select from backstitch.outbox_parked p where p.stream = s.stream limit 10000) p) as aside,
  (select count(*)::integer from (
    select from backstitch.outbox_lanes l where l.stream = s.stream and l.dead_at is not null limit 10000
  ) l) as dead,
  (extract(epoch from clock_timestamp() - least(
    (select o.added_at from backstitch.outbox o where o.stream = s.stream order by o.seq limit 1),
    (select min(l.failed_at) from backstitch.outbox_lanes l where l.stream = s.stream and l.dead_at is null),
    -- What nobody has tried: it was to be delivered later, or goes on after a person's decision.
    (select min(l.due_at) from backstitch.outbox_lanes l where l.stream = s.stream and l.due_at <= now() and l.failed_at is null)
  )) * 1000)::float8 as "oldestMs",
  r.owner, (extract(epoch from r.since) * 1000)::float8 as since
from unnest($1::text[]) with ordinality s (stream, place)
left join backstitch.outbox_relays r on r.stream = s.stream
order by s.place`;
