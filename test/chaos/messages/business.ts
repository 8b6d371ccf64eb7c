import { createOutbox, type Message, type Sql } from '../../../src/kit/database/index.js';

/**
 * The business of the run: numbers. The producer counts for each key, one up with each message, in the transaction that adds it; the
 * consumer counts along, and notes what does not follow.
 */

export const READY = 'ready to deliver';
export const CONSUMER = 'counter';
export const chaosOutbox = createOutbox({ name: 'chaos', partitions: 2 });

export const producerTables = `
create table sent (key text primary key, last integer not null);`;

export const consumerTables = `
create table counted (key text primary key, last integer not null);
create table wrong (key text not null, last integer not null, came integer not null);`;

interface Numbered {
  readonly key: string;
  readonly n: number;
}

/** Sends the next of a key, in an open transaction. */
export async function sendNext(sql: Sql, key: string): Promise<void> {
  const [row] = await sql<{ last: number }>(
    'insert into sent as s (key, last) values ($1, 1) on conflict (key) do update set last = s.last + 1 returning last',
    [key],
  );
  await chaosOutbox.add(sql, { topic: 'numbered', key, payload: { key, n: row?.last ?? 0 } satisfies Numbered });
}

/** The consumer's work: what comes has to be one more than what came last. */
export async function handleNumbered(sql: Sql, { payload }: Message): Promise<void> {
  const { key, n } = payload as Numbered;
  const counted = await sql(
    `insert into counted as c (key, last) select $1, 1 where $2::integer = 1
     on conflict (key) do nothing returning 1`,
    [key, n],
  );
  if (counted.length > 0) return;
  const next = await sql('update counted set last = $2 where key = $1 and last = $2::integer - 1 returning 1', [
    key,
    n,
  ]);
  if (next.length > 0) return;
  await sql(
    'insert into wrong (key, last, came) select $1, coalesce((select last from counted where key = $1), 0), $2',
    [key, n],
  );
}
