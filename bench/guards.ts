import type { Database, Guard } from '../src/kit/database/index.js';

/**
 * What stands in the guard's place in the systems that the kit is measured against: the shop's own services then run
 * the same business SQL, in the same SQL transactions, without the guard.
 */

/** No guard at all: the work in its SQL transaction, and nothing else. */
export function noGuard(database: Database): Guard {
  return {
    apply: (_operation, _input, work) => database.transaction(work),
    // The shop's undo needs no stored result: it reads what it needs from its own tables.
    undo: (_operation, _input, work) => database.transaction((sql) => work(sql, undefined as never)),
  } as Guard;
}

export const DEDUP_TABLE = 'create table if not exists bench_done (key text primary key)';
const CLAIM = 'insert into bench_done (key) values ($1) on conflict do nothing returning key';

/** A dedup row, written in the same SQL transaction as the work: what one writes by hand to be idempotent. */
export function dedupRow(database: Database): Guard {
  const once = (key: string, work: (sql: never) => Promise<unknown>) =>
    database.transaction(async (sql) => {
      const [claimed] = await sql(CLAIM, [key]);
      return claimed && work(sql as never);
    });
  return {
    apply: ({ gid, branch, op }, _input, work) => once(`${gid}/${branch}/${op}`, work),
    undo: ({ gid, branch, op }, _input, work) => once(`${gid}/${branch}/${op}`, (sql) => work(sql, undefined as never)),
  } as Guard;
}
