import { columnName, tableName, type Values } from '../identifiers.js';
import type { Sql } from '../sql.js';

/**
 * The unique business key: a fact has one row, whose key is made of what the fact is about (`(order_id, reason)`), with a unique index on
 * it. Whoever states it first inserts the row; everybody after that finds it.
 *
 * States of a fact: not there → there. It never changes by being stated again.
 *
 * Invariant: of any number of statements of one fact, at once or one after the other, one inserts it, and all of the others hear what
 * is there. Two who state it at once meet on the index: the second waits until the first has ended.
 */

/** A fact of one's own table. */
export interface Fact {
  /** The table, such as `point_entries` or `shop.point_entries`: a name in code, never input. */
  readonly table: string;
  /** The business key, by its columns, all of the unique index and no other. */
  readonly key: Values;
  /**
   * What else the row says. Of a fact that is there it has to be the same. What goes into a column of type `json` is given as an object: a
   * text or a list can be compared in `jsonb` only.
   */
  readonly values?: Values;
}

/** What became of a fact. */
export interface Stated<Row> {
  /** Whether this call has inserted it: the work that belongs to it is this caller's, in the same SQL transaction. */
  readonly inserted: boolean;
  readonly row: Row;
}

/** A fact is there with other values: one key was used for two facts. */
export class OtherFact extends Error {
  constructor({ table, key }: Fact) {
    super(`${table} has ${JSON.stringify(key)} already, with other values: one key stands for two facts`);
    this.name = 'OtherFact';
  }
}

/** Looks for a row that was removed again while it was met, so often. */
const LOOKS = 3;

/**
 * States a fact once: inserts its row, or reads the one that is there.
 *
 * @param sql in a SQL transaction, with the work that belongs to the fact behind it; or a statement by itself, where the row is the work
 * @throws {@link OtherFact} if it is there with other values: nothing was done
 * @throws a TypeError for what is no name
 */
export async function insertOrRead<Row extends object>(sql: Sql, fact: Fact): Promise<Stated<Row>> {
  const { table, key, values = {} } = fact;
  const columns = [...Object.keys(key), ...Object.keys(values)];
  const given = [...Object.values(key), ...Object.values(values)];
  const places = columns.map((_, place) => `$${place + 1}`);
  const keyColumns = Object.keys(key).map(columnName);
  // Two statements: one with `do nothing` and a union can return no row, as it does not see what was committed since it began.
  const insert = `
insert into ${tableName(table)} (${columns.map(columnName).join(', ')}) values (${places.join(', ')})
on conflict (${keyColumns.join(', ')}) do nothing returning *`;
  const isSame = Object.entries(values).map(([column, value], place) => {
    const given = `$${keyColumns.length + place + 1}`;
    // The type json has no equality of its own: two are the same by what they mean.
    if (isJson(value)) return `to_jsonb(${columnName(column)}) is not distinct from ${given}::jsonb`;
    return `${columnName(column)} is not distinct from ${given}`;
  });
  const read = `
select *, ${['true', ...isSame].join(' and ')} as "isSameFact" from ${tableName(table)}
where ${keyColumns.map((column, place) => `${column} = ${places[place] ?? ''}`).join(' and ')}`;
  for (let look = 0; look < LOOKS; look++) {
    const [inserted] = await sql<Row>(insert, given);
    if (inserted !== undefined) return { inserted: true, row: inserted };
    const [found] = await sql<Row & { isSameFact?: boolean }>(read, given);
    if (found === undefined) continue;
    const { isSameFact, ...row } = found;
    if (isSameFact !== true) throw new OtherFact(fact);
    return { inserted: false, row: row as unknown as Row };
  }
  throw new Error(
    `the row ${JSON.stringify(key)} of ${table} was removed again and again while it was read: try again`,
  );
}

/** What a client writes as JSON: a plain object, and none that says by itself how it is written (`toPostgres`). */
function isJson(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || 'toPostgres' in value) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
