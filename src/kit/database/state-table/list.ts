import type { JournalListOrder } from '../../workflow/journal.js';
import { readList, type PlacedLine } from '../announcement/list.js';
import { listed, placed } from '../announcement/statements.js';
import type { Database } from '../sql.js';

const scanned = (time: string) => `${placed},
scanned as (
  select row.gid, null as transaction, 'state-table' as lane, row.created_at as "beganAt", row.ended_at as "endedAt",
    case row.state when 'success' then 'committed' when 'refused' then 'compensated' when 'left' then 'failed' else 'running' end as state,
    row.${time} as time
  from backstitch.state_table as row, place
  where (row.${time}, row.gid) < (place.at, place.gid) and row.${time} >= place.since
    and row.ended_at is ${time === 'ended_at' ? 'not' : ''} null
  order by row.${time} desc, row.gid desc limit $4::int
)${listed}`;

const statements = { running: scanned('created_at'), ended: scanned('ended_at') };

/** Reads the next lines of the list of a state table's rows, as {@link readList} does of the transactions in a database. */
export function readStateList(
  database: Database,
  order: Pick<JournalListOrder, 'of' | 'since' | 'after'>,
  scan: number,
): Promise<PlacedLine[]> {
  return readList(database, order, scan, statements);
}
