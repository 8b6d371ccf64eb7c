import {
  createExecutions,
  createLeaseLock,
  createMarkers,
  fence,
  insertOrRead,
  moveState,
  updateVersioned,
  type Database,
} from '../../src/kit/database/index.js';
import { redisLeaseLock, redisMarkers, type Redis } from '../../src/kit/redis/index.js';

/** Rows that are updated: so many that two clients rarely meet on one. */
export const ROWS = 100_000;

export const tables = `
create table rows (id integer primary key, value integer not null default 0, version integer not null default 0, status text not null default 'open');
insert into rows (id) select generate_series(0, ${ROWS - 1});
create table facts (id integer primary key, value integer not null);
vacuum analyze rows;`;

/** What each cell does, by its name, with a number that no other call has. The first is what the others are compared with. */
export type Cells = Readonly<Record<string, (n: number) => Promise<unknown>>>;

export const PLAIN = 'a plain update';
const PLAIN_TRANSACTION = 'the same in begin … commit';

const UPDATE = 'update rows set value = value + 1 where id = $1';
const nothing = () => Promise.resolve();

export function cellsOf(db: Database, redis: Redis | undefined): Cells {
  const lock = createLeaseLock(db);
  const markers = createMarkers(db);
  const executions = createExecutions({ database: db });
  const key = (n: number) => ({ id: n % ROWS });
  return {
    [PLAIN]: (n) => db.run(UPDATE, [n % ROWS]),
    [PLAIN_TRANSACTION]: (n) => db.transaction((sql) => sql(UPDATE, [n % ROWS])),
    'state-guarded update': (n) => moveState(db.run, { table: 'rows', key: key(n) }, { from: ['open'], to: 'open' }),
    'version update: read and write': (n) =>
      updateVersioned<{ value: number }>(db.run, { table: 'rows', key: key(n) }, ({ value }) => ({ value: value + 1 })),
    'business key: insert or read': (n) =>
      insertOrRead(db.run, { table: 'facts', key: { id: n }, values: { value: n } }),
    'fence and update in one transaction': (n) =>
      db.transaction(async (sql) => {
        await fence(sql, `row/${n % ROWS}`, n);
        await sql(UPDATE, [n % ROWS]);
      }),
    'marker, PostgreSQL': (n) => markers.once(`sms/${n}`, nothing),
    'execution record: taken and ended': (n) => executions.run({ task: 'bench', businessId: String(n) }, nothing),
    'lease lock, PostgreSQL: take and release': (n) => lock.hold(`row/${n % ROWS}`, nothing),
    ...(redis && redisCells(redis)),
  };
}

function redisCells(redis: Redis): Cells {
  const lock = redisLeaseLock({ redis });
  const markers = redisMarkers({ redis });
  return {
    'marker, Redis': (n) => markers.once(`sms/${n}`, nothing),
    'lease lock, Redis: take and release': (n) => lock.hold(`row/${n % ROWS}`, nothing),
  };
}
