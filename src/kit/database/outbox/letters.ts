import type { LettersOrder, ShownLetter } from '../../workflow/outbox.js';
import { textToLog } from '../guard/json.js';
import type { Database } from '../sql.js';
import { CHANNEL } from './add-statements.js';

/**
 * Dead letters: messages that were given up, and wait for a person. Each holds up its key until it is sent again, discarded or,
 * explicitly, skipped: then the messages behind it go on without it, and it stays a dead letter.
 */

/** A message that was given up. Times are milliseconds since 1970, by the database's clock. */
export type DeadLetter = Omit<ShownLetter, 'outbox'>;

/** What a person decides about a dead letter. */
export type LetterOrder = Pick<LettersOrder, 'action' | 'actor' | 'reason'> & Pick<ShownLetter, 'stream' | 'seq'>;

/** Which dead letters: of this topic, with this message id, of this key; `most` of them. Default: the 50 oldest of all */
export interface LetterFilter {
  readonly topic?: string;
  readonly id?: string;
  readonly key?: string;
  readonly most?: number;
  /** Only of these streams. Default: all of the database */
  readonly streams?: readonly string[];
}

/** Dead letters, the oldest first, and how many there are (up to 10,000). */
export async function listDead(
  database: Database,
  { topic, id, key, most = 50, streams }: LetterFilter = {},
): Promise<{ letters: DeadLetter[]; total: number }> {
  const which = [topic ?? null, id ?? null, streams ?? null, key ?? null];
  const rows = await database.run<LetterRow>(list, [...which, most], STATEMENT_MS);
  const [count] = await database.run<{ total: string }>(total, which, STATEMENT_MS);
  const letters = rows.map(({ seq, key, payload, addedAt, deadAt, error, ...row }) => ({
    ...row,
    seq: Number(seq),
    ...(key !== null && { key }),
    ...(payload !== null && { payload: JSON.parse(payload) as unknown }),
    addedAt: Math.floor(addedAt),
    deadAt: Math.floor(deadAt),
    error: error ?? '',
  }));
  return { letters, total: Number(count?.total ?? 0) };
}

/**
 * Does what a person has decided, and keeps who it was and why.
 *
 * @returns false if that is no dead letter (any more): nothing was done
 */
export async function decideLetter(
  database: Database,
  { action, stream, seq, actor, reason }: LetterOrder,
): Promise<boolean> {
  return database.transaction(async (sql) => {
    const [lane] = await sql<{ lane: string; error: string | null }>(lockDead, [stream, seq]);
    if (lane === undefined) return false;
    const done = { resend: 'resent', discard: 'discarded', skip: 'skipped' }[action];
    await sql(decided, [stream, lane.lane, seq, done, textToLog(actor), textToLog(reason), lane.error]);
    if (action === 'resend') await sql(resend, [stream, lane.lane]);
    else {
      // What is skipped has a lane of its own from now on; one that had it already (it has no key) holds up nobody.
      if (action === 'skip' && lane.lane !== `s:${seq}`) await sql(setAside, [stream, lane.lane, seq]);
      if (action === 'discard') await sql(discard, [stream, lane.lane, seq]);
      if (action === 'discard' || lane.lane !== `s:${seq}`) {
        await sql(goOn, [stream, lane.lane]);
        await sql(endLane, [stream, lane.lane]);
      }
    }
    await sql(`select pg_notify('${CHANNEL}', $1)`, [stream]);
    return true;
  }, STATEMENT_MS);
}

const STATEMENT_MS = 10_000;

interface LetterRow {
  readonly stream: string;
  readonly seq: string;
  readonly id: string;
  readonly topic: string;
  readonly key: string | null;
  readonly payload: string | null;
  readonly addedAt: number;
  readonly deadAt: number;
  readonly attempts: number;
  readonly error: string | null;
  readonly behind: number;
}

const first = (of: string) => `cross join lateral (
  select * from backstitch.outbox_parked parked where parked.stream = ${of}.stream and parked.lane = ${of}.lane order by seq limit 1
) p`;

const wanted = `l.dead_at is not null and ($1::text is null or p.topic = $1) and ($2::text is null or p.id = $2)
  and ($3::text[] is null or l.stream = any ($3)) and ($4::text is null or p.key = $4)`;

const list = `
select l.stream, p.seq::text, p.id, p.topic, p.key, p.payload::text as payload,
  (extract(epoch from p.added_at) * 1000)::float8 as "addedAt", (extract(epoch from l.dead_at) * 1000)::float8 as "deadAt",
  l.attempts, l.error,
  (select count(*)::integer - 1 from (
    select from backstitch.outbox_parked all_parked
    where all_parked.stream = l.stream and all_parked.lane = l.lane limit 1001
  ) waiting) as behind
from backstitch.outbox_lanes l ${first('l')}
where ${wanted} order by l.dead_at, p.seq limit $5`;

const total = `
select count(*)::text as total from (
  select from backstitch.outbox_lanes l ${first('l')} where ${wanted} limit 10000
) dead`;

const lockDead = `
select l.lane, l.error from backstitch.outbox_lanes l
where l.stream = $1 and l.dead_at is not null and l.lane = (
  select lane from backstitch.outbox_parked where stream = $1 and seq = $2
) and $2::bigint = (
  select min(seq) from backstitch.outbox_parked parked where parked.stream = l.stream and parked.lane = l.lane
)
for update of l`;

const decided = `
insert into backstitch.outbox_decisions (stream, seq, action, actor, reason, error, message)
select stream, seq, $4, $5, $6, $7, case when $4 = 'discarded' then
  jsonb_build_object('id', id, 'topic', topic, 'key', key, 'payload', payload, 'addedAt', added_at) end
from backstitch.outbox_parked where stream = $1 and lane = $2 and seq = $3`;

/** Attempts go on being counted: who has refused it knows by that that it was sent again. */
const resend = `
update backstitch.outbox_lanes set due_at = clock_timestamp(), failed_at = null, dead_at = null
where stream = $1 and lane = $2`;

const discard = 'delete from backstitch.outbox_parked where stream = $1 and lane = $2 and seq = $3';

const setAside = `
with moved as (
  update backstitch.outbox_parked set lane = 's:' || seq where stream = $1 and lane = $2 and seq = $3 returning *
)
insert into backstitch.outbox_lanes (stream, lane, attempts, failed_at, error, dead_at)
select l.stream, moved.lane, l.attempts, l.failed_at, l.error, l.dead_at
from moved join backstitch.outbox_lanes l on l.stream = $1 and l.lane = $2`;

const goOn = `
update backstitch.outbox_lanes set due_at = clock_timestamp(), attempts = 0, failed_at = null, error = null, dead_at = null
where stream = $1 and lane = $2`;

const endLane = `
delete from backstitch.outbox_lanes
where stream = $1 and lane = $2 and not exists (select from backstitch.outbox_parked where stream = $1 and lane = $2)`;
