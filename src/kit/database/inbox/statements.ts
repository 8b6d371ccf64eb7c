import { limitsAt } from '../guard/statements.js';

/**
 * The inbox's statements. At READ COMMITTED an insert that meets the same key in flight waits for it. Messages travel as one JSON
 * text, so that every client writes them alike, and rows are locked in one order, so that no two batches wait for each other.
 */

/** `$1`: the consumer; `$2`: the messages; `$3`, `$4`: the limits, as in the guard. */
const limits = limitsAt(3, 4);
const given = `json_to_recordset($2::text::json) as m(
  id text, source text, seq bigint, topic text, key text, hash text, attempt integer, failure jsonb)`;
const columns = 'consumer, message_id, source, seq, topic, key, content_hash, attempt';
const values = '$1, m.id, m.source, m.seq, m.topic, m.key, m.hash, m.attempt';

/** A message that was refused is free for a delivery that began later: somebody has sent it again. */
const isFree = `i.outcome = 'rejected' and i.attempt < excluded.attempt`;
const anew = `content_hash = excluded.content_hash, source = excluded.source, seq = excluded.seq, topic = excluded.topic,
  key = excluded.key, attempt = excluded.attempt, outcome = excluded.outcome, failure = excluded.failure,
  handled_at = excluded.handled_at`;

/** Locks the keys, and tells what is known of them. */
export const lockKeys = `
with ${limits}
insert into backstitch.inbox_keys as k (consumer, source, key, last_seq)
select $1, m.source, m.key, -1
from limits, (select distinct source, key from json_to_recordset($2::text::json) as m(source text, key text)) m
order by m.source, m.key
on conflict (consumer, source, key) do update set last_seq = k.last_seq
returning source, key, last_seq::float8 as last, coalesce((
  select s.seq from backstitch.inbox_sources s where s.consumer = k.consumer and s.source = k.source
), -1)::float8 as forgotten`;

const claiming = `
insert into backstitch.inbox as i (${columns}, outcome)
select ${values}, 'applied' from limits, ${given}
order by m.id
on conflict (consumer, message_id) do update set ${anew} where ${isFree}
returning message_id as id`;

/** Claims messages: those whose ids come back are the caller's to handle. */
export const claim = `
with ${limits}${claiming}`;

/** The same, and how far that takes the keys, which are locked. `$5`: the keys. */
export const claimInOrder = `
with ${limits},
moved as (
  update backstitch.inbox_keys k set last_seq = m.last
  from json_to_recordset($5::text::json) as m(source text, key text, last bigint)
  where k.consumer = $1 and k.source = m.source and k.key = m.key
)${claiming}`;

/** What is known of messages, in a statement (and so a snapshot) of its own. */
export const read = `
select message_id as id, outcome, content_hash as hash, result::text as result, failure::text as failure
from backstitch.inbox
where consumer = $1 and message_id in (select value from json_array_elements_text($2::text::json))`;

/** Stores what the work resulted in, before the commit. */
export const finish = `
update backstitch.inbox i set result = m.result
from json_to_recordset($2::text::json) as m(id text, result jsonb)
where i.consumer = $1 and i.message_id = m.id`;

/** Stores that the work was refused, in a transaction of its own. No row comes back when something is stored that counts. */
export const reject = `
with ${limits}
insert into backstitch.inbox as i (${columns}, outcome, failure)
select ${values}, 'rejected', m.failure from limits, ${given}
on conflict (consumer, message_id) do update set ${anew} where ${isFree}
returning 1 as stored`;

/** Up to this number of a source nothing is waited for. */
export const beginAfter = `
insert into backstitch.inbox_sources as s (consumer, source, seq) values ($1, $2, $3)
on conflict (consumer, source) do update set seq = greatest(s.seq, excluded.seq)`;

/**
 * Messages that were handled before so many days, each as a list of its consumer and its id, but for those that are listed (`$3`).
 * `now()`, as an index is not used for what changes within a statement.
 */
export const findOld = `
select json_build_array(consumer, message_id)::text as found from backstitch.inbox
where handled_at < now() - make_interval(days => $1::int)
  and (consumer, message_id) not in (select m.value->>0, m.value->>1 from json_array_elements($3::text::json) as m)
limit $2::int`;

/** Forgets those of a batch (`$2`) that are old still, and notes how far that went. With a key's last message its row goes. */
export const forget = `
with gone as (
  delete from backstitch.inbox where ctid = any (array(
    select i.ctid from json_array_elements($2::text::json) as m
    join backstitch.inbox i on i.consumer = m.value->>0 and i.message_id = m.value->>1
    where i.handled_at < now() - make_interval(days => $1::int)
    for update of i skip locked))
  returning consumer, source, key, seq, outcome
), noted as (
  insert into backstitch.inbox_sources as s (consumer, source, seq)
  select consumer, source, max(seq) from gone where key is not null and outcome = 'applied' group by 1, 2 order by 1, 2
  on conflict (consumer, source) do update set seq = greatest(s.seq, excluded.seq)
), keys as (
  delete from backstitch.inbox_keys k
  using (select consumer, source, key, max(seq) as seq from gone where outcome = 'applied' group by 1, 2, 3) g
  where k.consumer = g.consumer and k.source = g.source and k.key = g.key and k.last_seq <= g.seq
)
select count(*)::integer as removed from gone`;
