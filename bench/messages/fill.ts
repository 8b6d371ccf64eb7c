import type pg from 'pg';

/** Rows as the outbox has them, many at a time: who adds them one by one would be at it for an hour. */

const PARKED = `
insert into backstitch.outbox_parked (stream, lane, seq, id, topic, key, payload, added_at)`;

/** So many that are not due for 30 days, each a lane of its own. */
export async function fillDelayed(producer: pg.Pool, stream: string, count: number): Promise<void> {
  await producer.query(
    `with lanes as (
       insert into backstitch.outbox_lanes (stream, lane, due_at)
       select $1, 's:' || n, now() + interval '30 days' from generate_series(1, $2::integer) n
     )
     ${PARKED}
     select $1, 's:' || n, n, 'w' || n, 'sold', 'k' || n % 200, json_build_object('id', n), now()
     from generate_series(1, $2::integer) n`,
    [stream, count],
  );
  await settle(producer, count);
}

/** So many of one key, behind its dead letter. */
export async function fillBehindDead(producer: pg.Pool, stream: string, count: number): Promise<void> {
  await producer.query(
    `with lane as (
       insert into backstitch.outbox_lanes (stream, lane, attempts, failed_at, error, dead_at)
       values ($1, 'k:dead', 30, now(), 'refused', now())
     )
     ${PARKED}
     select $1, 'k:dead', n, 'd' || n, 'sold', 'dead', json_build_object('id', n), now()
     from generate_series(1, $2::integer) n`,
    [stream, count],
  );
  await settle(producer, count);
}

/** So many of 200 keys that nobody has delivered yet. */
export async function fillReady(producer: pg.Pool, stream: string, count: number): Promise<void> {
  await producer.query(
    `insert into backstitch.outbox (stream, seq, id, topic, key, payload)
     select $1, n, 'r' || n, 'sold', 'k' || n % 200, json_build_object('id', n) from generate_series(1, $2::integer) n`,
    [stream, count],
  );
  await settle(producer, count);
}

/** Nothing is there any more. */
export async function clear(producer: pg.Pool): Promise<void> {
  await producer.query('truncate backstitch.outbox, backstitch.outbox_lanes, backstitch.outbox_parked');
}

async function settle(producer: pg.Pool, count: number): Promise<void> {
  await producer.query("select setval('backstitch.outbox_seq', greatest($1, nextval('backstitch.outbox_seq')))", [
    count + 1,
  ]);
  await producer.query('vacuum analyze backstitch.outbox, backstitch.outbox_lanes, backstitch.outbox_parked');
}
