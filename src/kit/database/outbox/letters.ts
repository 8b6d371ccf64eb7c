import type { LettersCursor, LettersOrder, ShownLetter } from '../../workflow/outbox.js';
import { textToLog } from '../guard/json.js';
import type { Database } from '../sql.js';
import { CHANNEL } from './add-statements.js';
import { BYTES, EXACT, MS } from './columns.js';

/**
 * Messages that could not be delivered: those that are tried on, and dead letters, which were given up and wait for a person. Each holds
 * up its key until it is delivered, discarded or, explicitly, skipped: then the messages behind it go on without it, and it stays what
 * it is.
 */

/** A message that could not be delivered. Times are milliseconds since 1970, by the database's clock. */
export type Letter = Omit<ShownLetter, 'outbox'>;

/** What a person decides about one. */
export type LetterOrder = Pick<LettersOrder, 'action' | 'actor' | 'reason' | 'all'> &
  Pick<ShownLetter, 'stream' | 'seq'>;

/** Which of them: of this topic, with this message id, of this key; not only dead letters. Default: all dead letters */
export type LetterFilter = Pick<LettersOrder, 'topic' | 'id' | 'all'> & {
  readonly key?: string;
  /** Only of these streams. Default: all of the database */
  readonly streams?: readonly string[];
};

/** So many of them, what has failed first first, and how many there are (up to 10,000). */
export async function listLetters(
  database: Database,
  filter: LetterFilter = {},
  most = 50,
): Promise<{ letters: Letter[]; total: number }> {
  const letters = await findLetters(database, filter, { most });
  // Fewer than were asked for are all: counted a moment later they might be more than are shown.
  if (letters.length < most) return { letters, total: letters.length };
  const [count] = await database.run<{ total: string }>(total, valuesOf(filter), STATEMENT_MS);
  return { letters, total: Math.max(Number(count?.total ?? 0), letters.length) };
}

/** The same without how many there are. @param options `timeoutMs`: how long it may take with its connection; default: 10 s */
export async function findLetters(
  database: Database,
  filter: LetterFilter = {},
  { most = 50, timeoutMs = STATEMENT_MS }: { readonly most?: number; readonly timeoutMs?: number } = {},
): Promise<Letter[]> {
  const rows = await database.run<LetterRow>(list, [...valuesOf(filter), most], timeoutMs);
  return rows.map(({ seq, key, payload, addedAt, failedAt, deadAt, dueAt, error, ...row }) => ({
    ...row,
    seq: Number(seq),
    ...(key !== null && { key }),
    ...(payload !== null && { payload: JSON.parse(payload) as unknown }),
    addedAt: Math.floor(addedAt),
    failedAt: Math.floor(failedAt),
    ...(deadAt !== null && { deadAt: Math.floor(deadAt) }),
    ...(dueAt !== null && { dueAt: Math.floor(dueAt) }),
    error: error ?? '',
  }));
}

/** A message that an order is about, and how far the order has got with it. */
export interface FoundLetter extends Pick<ShownLetter, 'stream' | 'seq' | 'id'> {
  readonly cursor: LettersCursor;
}

/** An order begins now. */
export async function beginOrder(database: Database): Promise<LettersCursor> {
  const began = await timeOf(database);
  return { began, at: began };
}

/** The time, by the clock of a database, as its cursors have it. */
export async function timeOf(database: Database): Promise<string> {
  const [row] = await database.run<{ now: string }>(`select ${EXACT('clock_timestamp()')} as now`, [], STATEMENT_MS);
  if (row === undefined) throw new Error('the database does not tell the time');
  return row.now;
}

/** How many messages of these streams somebody has decided about so, for this reason, since then. */
export async function countDecided(
  database: Database,
  { action, actor, reason }: Pick<LetterOrder, 'action' | 'actor' | 'reason'>,
  streams: readonly string[],
  since: string,
): Promise<number> {
  const values = [streams, ACTIONS[action], textToLog(actor), textToLog(reason), since];
  const [row] = await database.run<{ count: number }>(counted, values, STATEMENT_MS);
  return row?.count ?? 0;
}

/**
 * The next so many of those that had failed when an order began: what fails again because of the order is not found once more.
 *
 * @param after how far it has got
 */
export async function nextLetters(
  database: Database,
  filter: LetterFilter,
  most: number,
  { began, failedAt, seq }: LettersCursor,
): Promise<FoundLetter[]> {
  const values = [...valuesOf(filter), most, began, failedAt ?? null, seq ?? null];
  type Row = Pick<LetterRow, 'stream' | 'seq' | 'id'> & { failedAt: string };
  const rows = await database.run<Row>(following, values, STATEMENT_MS);
  return rows.map(({ stream, seq, id, failedAt }) => ({
    ...{ stream, seq: Number(seq), id },
    cursor: { began, failedAt, seq: Number(seq) },
  }));
}

function valuesOf({ topic, id, key, streams, all = false }: LetterFilter): unknown[] {
  return [topic ?? null, id ?? null, streams ?? null, all, key ?? null];
}

/**
 * Does what a person has decided, and keeps who it was and why.
 *
 * @returns false if that is no dead letter (any more), nor, if `all` says so, one that fails: nothing was done
 */
export async function decideLetter(
  database: Database,
  { action, stream, seq, actor, reason, all = false }: LetterOrder,
): Promise<boolean> {
  return database.transaction(async (sql) => {
    const [lane] = await sql<{ lane: string; error: string | null }>(lockFailed, [stream, seq, all]);
    if (lane === undefined) return false;
    await sql(decided, [stream, lane.lane, seq, ACTIONS[action], textToLog(actor), textToLog(reason), lane.error]);
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
const ACTIONS = { resend: 'resent', discard: 'discarded', skip: 'skipped' } as const;
/** Larger payloads are not shown: an answer has room for 2 MB. */
const SHOWN_BYTES = 20_000;

interface LetterRow {
  readonly stream: string;
  readonly seq: string;
  readonly id: string;
  readonly topic: string;
  readonly key: string | null;
  readonly payload: string | null;
  readonly bytes: number;
  readonly addedAt: number;
  readonly failedAt: number;
  readonly deadAt: number | null;
  readonly dueAt: number | null;
  readonly attempts: number;
  readonly error: string | null;
  readonly behind: number;
}

const first = (of: string) => `cross join lateral (
  select * from backstitch.outbox_parked parked where parked.stream = ${of}.stream and parked.lane = ${of}.lane order by seq limit 1
) p`;

const wanted = `l.failed_at is not null and ($4::boolean or l.dead_at is not null) and ($1::text is null or p.topic = $1)
  and ($2::text is null or p.id = $2) and ($3::text[] is null or l.stream = any ($3)) and ($5::text is null or p.key = $5)`;

const list = `
select l.stream, p.seq::text, p.id, p.topic, p.key, ${BYTES('p')} as bytes,
  case when ${BYTES('p')} <= ${SHOWN_BYTES} then p.payload::text end as payload,
  ${MS('p.added_at')} as "addedAt", ${MS('l.failed_at')} as "failedAt", ${MS('l.dead_at')} as "deadAt", ${MS('l.due_at')} as "dueAt",
  l.attempts, l.error,
  (select count(*)::integer - 1 from (
    select from backstitch.outbox_parked all_parked
    where all_parked.stream = l.stream and all_parked.lane = l.lane limit 1001
  ) waiting) as behind
from backstitch.outbox_lanes l ${first('l')}
where ${wanted} order by l.failed_at, p.seq limit $6`;

const total = `
select count(*)::text as total from (
  select from backstitch.outbox_lanes l ${first('l')} where ${wanted} limit 10000
) failed`;

const following = `
select l.stream, p.seq::text, p.id, ${EXACT('l.failed_at')} as "failedAt"
from backstitch.outbox_lanes l ${first('l')}
where ${wanted} and l.failed_at <= $7::timestamptz and l.failed_at >= coalesce($8::timestamptz, '-infinity')
  and ($8::timestamptz is null or (l.failed_at, p.seq) > ($8::timestamptz, $9::bigint))
order by l.failed_at, p.seq limit $6`;

const lockFailed = `
select l.lane, l.error from backstitch.outbox_lanes l
where l.stream = $1 and l.failed_at is not null and ($3::boolean or l.dead_at is not null) and l.lane = (
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

const counted = `
select count(*)::int as count from backstitch.outbox_decisions
where stream = any ($1) and action = $2 and actor = $3 and reason = $4 and at >= $5::timestamptz`;

/** Attempts go on being counted: who has refused it knows by that that it was sent again. */
const resend = `
update backstitch.outbox_lanes set due_at = clock_timestamp(), failed_at = null, dead_at = null, late_at = null, told_at = null
where stream = $1 and lane = $2`;

const discard = 'delete from backstitch.outbox_parked where stream = $1 and lane = $2 and seq = $3';

const setAside = `
with moved as (
  update backstitch.outbox_parked set lane = 's:' || seq where stream = $1 and lane = $2 and seq = $3 returning *
)
insert into backstitch.outbox_lanes (stream, lane, due_at, attempts, failed_at, error, dead_at, late_at, told_at)
select l.stream, moved.lane, l.due_at, l.attempts, l.failed_at, l.error, l.dead_at, l.late_at, l.told_at
from moved join backstitch.outbox_lanes l on l.stream = $1 and l.lane = $2`;

const goOn = `
update backstitch.outbox_lanes set due_at = clock_timestamp(), attempts = 0, failed_at = null, error = null, dead_at = null,
  late_at = null, told_at = null
where stream = $1 and lane = $2`;

const endLane = `
delete from backstitch.outbox_lanes
where stream = $1 and lane = $2 and not exists (select from backstitch.outbox_parked where stream = $1 and lane = $2)`;
