import { limitsAt } from '../guard/statements.js';
import { columnsOf } from './rows.js';

/**
 * The statements of a state table. Each that moves a row says where it believes it to be: whoever is wrong changes nothing, and
 * reads what is there. Times are the database's. `$1` is the gid, and the last two values limit the statement.
 */

const returning = `returning ${columnsOf('row')}`;
const inMs = (place: number) => `clock_timestamp() + make_interval(secs => $${place}::float8 / 1000)`;

/** Stores a row. No row comes back if there is one. `$2` calls, `$3` two states, `$4` hash, `$5` driver, `$6` due in so many milliseconds. */
export const store = `
with ${limitsAt(7, 8)}
insert into backstitch.state_table as row (gid, calls, two_states, input_hash, driver, created_at, due_at)
select $1, $2::text::json, $3::boolean, $4, $5, now(), now() + make_interval(secs => $6::float8 / 1000) from limits
on conflict (gid) do nothing
${returning}`;

export const read = `select ${columnsOf('row')} from backstitch.state_table as row where gid = $1`;

/**
 * Operations are done: from `$2` to `$3` of them. `$4`: the state from then on, unless a person has the row and it is not the last
 * one; `$5` what they returned. It may be told of a row that a person has: what is true is true.
 */
export const advance = `
with ${limitsAt(6, 7)}
update backstitch.state_table as row set
  done = $3::int, results = results || $5::text::jsonb,
  state = case when state = 'error' and $4 <> 'success' then state else $4 end,
  failure = case when state = 'error' and $4 <> 'success' then failure end,
  due_at = case when $4 <> 'success' then due_at end,
  ended_at = case when $4 = 'success' then clock_timestamp() end
from limits
where gid = $1 and done = $2::int and ended_at is null
${returning}`;

/**
 * That an operation, by the place of its number, was not begun anew since it was called: what is known of the branch that it had before
 * says nothing of the one that it has now.
 */
const asCalled = (index: string, renewed: number) =>
  `coalesce((row.calls->${index}->>'renewed')::int, 0) = $${renewed}::int`;

/** The first operation was refused: nothing happened. `$2` why; `$3` how often it had been begun anew when it was called. */
export const refuse = `
with ${limitsAt(4, 5)}
update backstitch.state_table as row set
  state = 'refused', failure = $2::text::jsonb, due_at = null, ended_at = clock_timestamp()
from limits
where gid = $1 and done = 0 and ended_at is null and ${asCalled('0', 3)}
${returning}`;

/**
 * A person has to see to it: of a row of which no person knows. `$2` how many were done when it failed, `$3` how many are, `$4` what
 * those between returned, `$5` why, `$6` how often what has failed had been begun anew. The scan takes it to the desk at once.
 */
export const fail = `
with ${limitsAt(7, 8)}
update backstitch.state_table as row set
  state = 'error', done = $3::int, results = results || $4::text::jsonb, failure = $5::text::jsonb,
  due_at = case when state = 'error' then due_at else clock_timestamp() end
from limits
where gid = $1 and done = $2::int and ended_at is null and ${asCalled('$3::int', 6)}
${returning}`;

/** Notes why it is not done yet, unless somebody else has called since. `$2` driver, `$3` why. */
export const note = `
with ${limitsAt(4, 5)}
update backstitch.state_table as row set failure = $3::text::jsonb
from limits
where gid = $1 and driver = $2 and ended_at is null and state <> 'error'`;

/**
 * Takes what is due, the oldest first, for a round: `$1` rows at most, `$2` driver, `$3` milliseconds after which the round is given
 * up. A round counts when it begins: one that ends its process would never end otherwise.
 */
export const take = `
with ${limitsAt(4, 5)},
due as materialized (
  select gid from backstitch.state_table, limits
  where due_at <= clock_timestamp() order by due_at limit $1::int for no key update of state_table skip locked
)
update backstitch.state_table as row set
  driver = $2, due_at = ${inMs(3)}, rounds = row.rounds + case when row.state = 'error' then 0 else 1 end
from due
where row.gid = due.gid
${returning}`;

/**
 * Ends a round that has come to nothing, if it is still this driver's: `$2` driver; `$3` why; `$4` rounds from which on it is an
 * error; `$5` milliseconds until the next round. Of two states: what is done is written with the error, so that it names what has failed:
 * `$6` from how many on, `$7` how many more, `$8` what they returned.
 */
export const endRound = `
with ${limitsAt(9, 10)}
update backstitch.state_table as row set
  failure = $3::text::jsonb,
  done = done + case when rounds >= $4::int and done = $6::int then $7::int else 0 end,
  results = case when rounds >= $4::int and done = $6::int then results || $8::text::jsonb else results end,
  state = case when rounds >= $4::int then 'error' else state end,
  due_at = case when rounds >= $4::int then clock_timestamp() else ${inMs(5)} end
from limits
where gid = $1 and driver = $2 and ended_at is null and state <> 'error'
${returning}`;

/** Gives a round back that was not made, or a row that could not be taken to the desk. `$2` driver, `$3` milliseconds until the next. */
export const giveBack = `
with ${limitsAt(4, 5)}
update backstitch.state_table as row set
  due_at = ${inMs(3)}, rounds = rounds - case when state = 'error' then 0 else 1 end
from limits
where gid = $1 and driver = $2 and due_at is not null`;

/** It is being taken to the desk: whoever ends it meanwhile leaves somebody to be told. No row comes back if it is no error any more. */
export const toDesk = `
with ${limitsAt(2, 3)}
update backstitch.state_table as row set at_desk = true from limits where gid = $1 and state = 'error'
${returning}`;

/** A person has it from now on. */
export const atDesk = `update backstitch.state_table set due_at = null, at_desk = true where gid = $1 and state = 'error'`;

/** Those that have ended while a person had them, `$1` at most: whoever has them is to be told. */
export const endedAtDesk = `
select gid from backstitch.state_table where at_desk and ended_at is not null order by gid limit $1::int`;

/** It was told. */
export const offDesk = `update backstitch.state_table set at_desk = false where gid = $1 and ended_at is not null`;

/**
 * What a person has decided of an operation: `$2` which, from 0 on; `$3` the decision; `$4` the calls from now on. Once for each
 * decision: it is asked again when its answer was lost.
 */
export const decide = `
with ${limitsAt(5, 6)}
update backstitch.state_table as row set
  decisions = case when decisions @> jsonb_build_array($3::text::jsonb) then decisions
    else decisions || jsonb_build_array($3::text::jsonb) end,
  calls = $4::text::json
from limits
where gid = $1 and done = $2::int and state = 'error'
${returning}`;

/** What could not be barred behind a decision: `$2` how many operations are done, `$3` the decision, `$4` why. */
export const noteNotBarred = `
with ${limitsAt(5, 6)}
update backstitch.state_table as row set decisions = (
  select jsonb_agg(case when each @> $3::text::jsonb then each || jsonb_build_object('notBarred', $4::text) else each end order by place)
  from jsonb_array_elements(decisions) with ordinality as decided (each, place)
)
from limits
where gid = $1 and done = $2::int and state = 'error'
${returning}`;

/** A person leaves it as it is. `$2` how many are done, `$3` why. */
export const leave = `
with ${limitsAt(4, 5)}
update backstitch.state_table as row set
  state = 'left', failure = $3::text::jsonb, due_at = null, ended_at = clock_timestamp()
from limits
where gid = $1 and done = $2::int and state = 'error'
${returning}`;

/** Why what a person has asked for came to nothing. `$2` how many are done, `$3` why, `$4` how often it had been begun anew. */
export const noteError = `
with ${limitsAt(5, 6)}
update backstitch.state_table as row set failure = $3::text::jsonb
from limits
where gid = $1 and done = $2::int and state = 'error' and ${asCalled('$2::int', 4)}
${returning}`;
