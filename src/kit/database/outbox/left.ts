import type { ShownLetter } from '../../workflow/outbox.js';
import { textToLog } from '../guard/json.js';
import type { Database } from '../sql.js';
import { BYTES } from './columns.js';
import type { Outbox } from './outbox.js';
import { outboxPrefix } from './subscribers.js';

/**
 * Streams that are left over: a subscriber has another name now, or there are fewer partitions, and something waits that was added
 * before. No relay delivers that. Whoever gives the outbox the subscriber back (with no topics) has it delivered; or a person drops it.
 */

const STATEMENT_MS = 10_000;

/** The streams of an outbox in which something waits though it has them no more. */
export async function leftStreams(
  database: Database,
  { name, streams }: Pick<Outbox, 'name' | 'streams'>,
): Promise<string[]> {
  const values = [outboxPrefix(name), streams.map((stream) => stream.name)];
  const rows = await database.run<{ stream: string }>(left, values, STATEMENT_MS);
  return rows.map(({ stream }) => stream);
}

/** What is dropped, by whom, and why. */
export interface DropOrder {
  readonly stream: string;
  readonly actor: string;
  readonly reason: string;
}

/**
 * Drops the next messages of a stream that nobody delivers any more: so many, with payloads of so many bytes, the first in any case;
 * those of its order, and those aside when none of them is left. They are kept with who it was and why.
 *
 * @returns those: none, when nothing is left
 */
export async function dropLeft(
  database: Database,
  { stream, actor, reason }: DropOrder,
  { count, bytes }: { readonly count: number; readonly bytes: number },
): Promise<Pick<ShownLetter, 'stream' | 'seq' | 'id'>[]> {
  const who = [textToLog(actor), textToLog(reason)];
  const rows = await database.transaction(async (sql) => {
    const front = await sql<Dropped>(dropFront, [stream, count, ...who, bytes]);
    if (front.length > 0) return front;
    const aside = await sql<Dropped>(dropAside, [stream, count, ...who, bytes]);
    await sql(endLanes, [stream, [...new Set(aside.map(({ lane }) => lane))]]);
    return aside;
  }, STATEMENT_MS);
  return rows.map(({ seq, id }) => ({ stream, seq: Number(seq), id }));
}

interface Dropped {
  readonly seq: string;
  readonly id: string;
  readonly lane: string | null;
}

/** From one stream to the next, however many messages each has. */
const streamsIn = (table: string) => `
  (select stream from backstitch.${table} order by stream limit 1)
  union all
  select (select t.stream from backstitch.${table} t where t.stream > found.stream order by t.stream limit 1)
  from found where found.stream is not null`;

const left = `
with recursive front as (${streamsIn('outbox').replaceAll('found', 'front')}
), aside as (${streamsIn('outbox_parked').replaceAll('found', 'aside')}
)
select stream from (select stream from front union select stream from aside) streams
where stream is not null and starts_with(stream, $1) and stream <> all ($2::text[]) order by stream`;

const drop = (table: string, order: string, lane: string) => `
with gone as (
  delete from backstitch.${table} where stream = $1 and (${order}) in (
    select ${order} from (
      select ${order}, sum(${BYTES('first')}) over (order by ${order}) - ${BYTES('first')} as before from (
        select * from backstitch.${table} where stream = $1 order by ${order} limit $2
      ) first
    ) sized where before < $5::bigint
  ) returning *, ${lane} as of_lane
), kept as (
  insert into backstitch.outbox_decisions (stream, seq, action, actor, reason, error, message)
  select stream, seq, 'discarded', $3, $4,
    (select l.error from backstitch.outbox_lanes l where l.stream = gone.stream and l.lane = gone.of_lane),
    jsonb_build_object('id', id, 'topic', topic, 'key', key, 'payload', payload, 'addedAt', added_at)
  from gone
)
select seq::text, id, of_lane as lane from gone order by gone.seq`;

const dropFront = drop('outbox', 'seq', 'null::text');
const dropAside = drop('outbox_parked', 'lane, seq', 'lane');

const endLanes = `
delete from backstitch.outbox_lanes l where l.stream = $1 and l.lane = any ($2::text[]) and not exists (
  select from backstitch.outbox_parked p where p.stream = l.stream and p.lane = l.lane
)`;
