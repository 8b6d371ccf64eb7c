import type { Statement } from '../guard/at-once.js';
import { named, type MachineRowNames } from './names.js';

/** The statements of one machine's rows: made once, so that each is prepared once a connection. */
export interface MachineStatements {
  /**
   * Moves a row if it is where it has to be, and notes the move. `$1` id, `$2` and `$3` from, `$4` and `$5` to, `$6` version, `$7` when, in
   * milliseconds, `$8` event, `$9` request, `$10` actor, `$11` reason. Gives what `Moved` has, or no row.
   */
  readonly move: Statement;
  /** Where a row is. `$1` id. */
  readonly read: string;
  /** The same with its newest moves, the oldest of them first, as of the same moment. `$1` id, `$2` how many. Absent: none are kept. */
  readonly readMoves?: string;
}

export function machineStatements(names: MachineRowNames): MachineStatements {
  const table = named(names.table);
  const id = named(names.id ?? 'id');
  const state = named(names.state ?? 'status');
  const version = named(names.version ?? 'version');
  const sub = names.subState === undefined ? undefined : named(names.subState);
  const movedAt = names.movedAt === undefined ? undefined : named(names.movedAt);
  const moves = names.moves === undefined ? undefined : named(names.moves);
  const when = 'to_timestamp($7::double precision / 1000)';
  const whole = (main: string, part: string) => `concat_ws('.', ${main}, ${part})`;
  const set = [
    `${state} = ${sub === undefined ? whole('$4::text', '$5::text') : '$4::text'}`,
    ...(sub === undefined ? [] : [`${sub} = $5::text`]),
    `${version} = ${version} + 1`,
    ...(movedAt === undefined ? [] : [`${movedAt} = ${when}`]),
  ];
  const isFrom =
    sub === undefined
      ? `${state} = ${whole('$2::text', '$3::text')}`
      : `${state} = $2::text and ${sub} is not distinct from $3::text`;
  const note =
    moves === undefined
      ? // A statement has to use all of its values.
        `noted as (select $8::text, $9::text, $10::text, $11::text, $7::double precision)`
      : `noted as (
  insert into ${moves} (id, version, event, request_id, from_state, to_state, actor, reason, moved_at)
  select $1, moved.version, $8::text, $9::text, ${whole('$2::text', '$3::text')}, ${whole('$4::text', '$5::text')}, $10::text, $11::text, ${when}
  from moved
)`;
  const since = movedAt === undefined ? 'null::float8' : `floor(extract(epoch from ${movedAt}) * 1000)::float8`;
  const row = `${state} as main, ${sub ?? 'null'} as sub, ${version} as version, ${since} as since`;
  return {
    move: {
      with: `moved as (
  update ${table} set ${set.join(', ')}
  where ${id} = $1 and ${isFrom} and ${version} = $6::integer
  returning ${version} as version
), ${note}`,
      text: `select moved.version, ${whole('$2::text', '$3::text')} as "from", ${whole('$4::text', '$5::text')} as state, $7::double precision as since from moved`,
    },
    read: `
select ${row} from ${table} where ${id} = $1`,
    ...(moves !== undefined && {
      readMoves: `
select ${row}, (
  select coalesce(json_agg(json_build_object(
    'event', event, 'requestId', request_id, 'from', from_state, 'to', to_state,
    'version', version, 'at', floor(extract(epoch from moved_at) * 1000)
  ) order by version), '[]')::text
  from (select * from ${moves} where id = $1 order by version desc limit $2::integer) as newest
) as moves
from ${table} where ${id} = $1`,
    }),
  };
}
