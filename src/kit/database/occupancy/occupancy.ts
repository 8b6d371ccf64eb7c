import type { Database, Sql } from '../sql.js';
import { Together } from '../together.js';
import * as statements from './statements.js';

/**
 * Occupancy: units of something scarce that many want at the same moment, each of whom has them for a while until it is known whether
 * they keep them. What it is known by is in another database: an order that is paid. Nothing spans the two; consistency is weak in
 * between and comes by compensation of what the states show.
 *
 * States of what is occupied, under an id of the business: `occupied` → `consumed` | `released`. Both are final.
 *
 * Transitions, each by a guarded update, once:
 * - Nothing → `occupied`: the units leave the pool. Asked again under the same id it has the same answer, and takes nothing more.
 * - `occupied` → `consumed`: the other database says that it is paid.
 * - `occupied` → `released`: it is due, and the other database has *barred* it before: it is not paid, nor ever can be. The units go back.
 *
 * Invariant: free + occupied + consumed + returned units are those that the pool was opened with, at every moment. So nothing is oversold,
 * whoever dies at whichever point: what is lost in between is occupied too long, which sells less until it is reclaimed.
 *
 * A pool: open → closed → settled. Closed nothing more is occupied; settled nothing is occupied any more, and what is free was given
 * back to whom the units came from.
 */
export interface Occupancy {
  /**
   * Opens a pool, in your own SQL transaction: there the units leave whatever they come from.
   *
   * @returns whether it was opened now; false: it had been, on the same terms
   * @throws {@link PoolConflict} where it had been on other terms; a RangeError for what makes no sense
   */
  open(sql: Sql, pool: NewPool): Promise<boolean>;

  /**
   * Occupies units. What this process asks of a pool at the same time is decided together, in one statement: first come, first served.
   *
   * @throws what the database throws: whether they are occupied is not known then, and who asks again under the same id finds out;
   * `TooMany` where too many wait already
   */
  occupy(asked: Occupy): Promise<OccupyAnswer>;

  /** Consumes what is occupied. @returns the rows of these ids as they are now: each may have been moved before, or not be there */
  consume(ids: readonly string[]): Promise<Map<string, OccupiedRow>>;

  /** Releases what is occupied of a pool, and gives its units back. Only after it was barred. @returns as {@link consume} */
  release(pool: string, ids: readonly string[]): Promise<Map<string, OccupiedRow>>;

  look(ids: readonly string[]): Promise<Map<string, OccupiedRow>>;

  /** What is due, oldest first, behind a place, at most so many. */
  due(after: DuePlace | undefined, most: number): Promise<{ rows: OccupiedRow[]; next?: DuePlace }>;

  /** A pool with its sums; nothing: there is none. */
  pool(pool: string): Promise<PoolState | undefined>;

  /** The terms of a pool; nothing: there is none. They never change. */
  terms(pool: string): Promise<unknown>;

  /** Closes a pool: nothing more of it is occupied. @returns whether there is one */
  close(pool: string): Promise<boolean>;

  /** Pools that can be settled, at most so many. */
  settleable(most: number): Promise<string[]>;

  /**
   * Settles a pool, in your own SQL transaction: there what is free goes back to where it came from.
   *
   * @returns what goes back; nothing: it is not closed, something is occupied still, or it was settled before
   */
  settle(sql: Sql, pool: string): Promise<{ returned: number; terms: unknown } | undefined>;
}

/** A pool as it is opened. */
export interface NewPool {
  readonly pool: string;
  /** A whole number, 0 at least. */
  readonly units: number;
  /** How many units one may occupy at once. Default: any number */
  readonly mostAtOnce?: number;
  /** How many units one holder may have in all: occupied, or consumed. Default: any number */
  readonly mostPerHolder?: number;
  /** When what was occupied is due to be reclaimed, in milliseconds from then. Default: 30 minutes */
  readonly holdMs?: number;
  /** Of the owner: anything that JSON carries. Default: nothing */
  readonly terms?: unknown;
}

/** What is asked of a pool. */
export interface Occupy {
  readonly pool: string;
  /** The business's own id of it, unique over all pools. */
  readonly id: string;
  readonly holder: string;
  /** A whole number, 1 at least. */
  readonly units: number;
}

/**
 * What is heard: `occupied`, now or before, and what became of that since; or that nothing is: `gone` (fewer are free than asked),
 * `closed`, `too many` (at once, or of this holder), `unknown` (there is no such pool), `conflict` (under this id something else was
 * occupied). A no is not kept: who asks again later may hear another answer.
 */
export type OccupyAnswer =
  | { readonly answer: 'occupied'; readonly state: OccupiedState; readonly occupiedAt: number; readonly dueAt: number }
  | { readonly answer: 'gone' | 'closed' | 'too many' | 'unknown' | 'conflict' };

export type OccupiedState = 'occupied' | 'consumed' | 'released';

/** What is or was occupied. Times are milliseconds since 1970, by the clock of the database. */
export interface OccupiedRow extends Occupy {
  readonly state: OccupiedState;
  readonly occupiedAt: number;
  readonly dueAt: number;
  readonly endedAt: number | null;
}

/** A place among what is due. */
export interface DuePlace {
  readonly at: string;
  readonly id: string;
}

/** A pool as it is. Times as in {@link OccupiedRow}; `occupied`, `consumed`, `released`: units. `rows`: how many are occupied. */
export interface PoolState extends Required<Omit<NewPool, 'mostAtOnce' | 'mostPerHolder'>> {
  readonly mostAtOnce: number | null;
  readonly mostPerHolder: number | null;
  readonly free: number;
  readonly returned: number;
  readonly occupied: number;
  readonly consumed: number;
  readonly released: number;
  readonly rows: number;
  readonly openedAt: number;
  readonly closedAt: number | null;
  readonly settledAt: number | null;
}

/** Until what is occupied is due to be reclaimed, in milliseconds. */
export const HOLD_MS = 30 * 60_000;

/** How long one statement may take with its connection, in milliseconds. */
const STATEMENT_MS = 5_000;
const MAX_INTEGER = 2_147_483_647;

/** A pool of this name was opened on other terms: nothing has changed. */
export class PoolConflict extends Error {
  constructor(pool: string) {
    super(`the pool '${pool}' was opened before on other terms`);
    this.name = 'PoolConflict';
  }
}

/**
 * Makes the occupancy of one database, which has `occupancyMigrations`.
 *
 * @param options `together`: how many are decided in one statement at most, default 500; `waiting`: how many may wait for that, in each
 * pool, default 10,000
 * @example
 * ```ts
 * await database.transaction((sql) => occupancy.open(sql, { pool: 'sale-7', units: 100, mostPerHolder: 2 }));
 * const { answer } = await occupancy.occupy({ pool: 'sale-7', id: purchaseId, holder: customerId, units: 1 });
 * if (answer === 'gone') return reply(409, 'sold out');
 * ```
 */
export function createOccupancy(
  database: Database,
  { together, waiting }: { readonly together?: number; readonly waiting?: number } = {},
): Occupancy {
  const run = <Row extends object>(text: string, values: readonly unknown[]) =>
    database.run<Row>(text, values, STATEMENT_MS);
  /** One for each pool that is asked just now. */
  const queues = new Map<string, { readonly queue: Together<Occupy, OccupyAnswer>; asked: number }>();
  const look = async (ids: readonly string[]) => byId(await run<OccupiedRow>(statements.look, [ids]));
  /** What was moved is read again with all others: a row that was moved by somebody else meanwhile tells how. */
  const moving = async (text: string, values: readonly unknown[], ids: readonly string[]) => {
    if (ids.length > 0) await run(text, values);
    return look(ids);
  };
  return {
    async open(sql, pool) {
      const values = valuesOf(pool);
      if ((await sql(statements.open, values)).length > 0) return true;
      const [found] = await sql<{ same: boolean }>(statements.isOpenedBy, values);
      if (found?.same !== true) throw new PoolConflict(pool.pool);
      return false;
    },

    async occupy(asked) {
      checkAsked(asked);
      const { pool } = asked;
      const of = queues.get(pool) ?? {
        asked: 0,
        queue: new Together<Occupy, OccupyAnswer>({
          send: async (all) => (await run<ReadAnswer>(statements.occupy, [pool, textOf(all)])).map(answerOf),
          keyOf: ({ id }) => id,
          ...{ most: together, waiting },
        }),
      };
      queues.set(pool, of);
      of.asked += 1;
      try {
        return await of.queue.ask(asked);
      } finally {
        of.asked -= 1;
        if (of.asked === 0) queues.delete(pool);
      }
    },

    consume: (ids) => moving(statements.consume, [ids], ids),
    release: (pool, ids) => moving(statements.release, [pool, ids], ids),
    look,

    async due(after, most) {
      const rows = await run<OccupiedRow & { readonly place: string }>(statements.due, [
        after?.at ?? '-infinity',
        after?.id ?? '',
        most,
      ]);
      const last = rows.length < most ? undefined : rows.at(-1);
      return {
        rows,
        ...(last && { next: { at: last.place, id: last.id } }),
      };
    },

    async pool(pool) {
      const [found] = await readPools(database, '', 1, pool);
      return found;
    },

    async terms(pool) {
      const [found] = await run<{ terms: string }>(statements.terms, [pool]);
      return found === undefined ? undefined : (JSON.parse(found.terms) as unknown);
    },

    close: async (pool) => (await run(statements.close, [pool])).length > 0,

    settleable: async (most) => (await run<{ pool: string }>(statements.settleable, [most])).map(({ pool }) => pool),

    async settle(sql, pool) {
      const [settled] = await sql<{ returned: number; terms: string }>(statements.settle, [pool]);
      return settled && { returned: settled.returned, terms: JSON.parse(settled.terms) as unknown };
    },
  };
}

/** Reads pools in the order of their names, after one of them. */
export async function readPools(
  database: Pick<Database, 'run'>,
  after: string,
  most: number,
  only: string | null = null,
): Promise<PoolState[]> {
  const rows = await database.run<PoolState & { terms: string }>(statements.pools, [after, most, only]);
  return rows.map((row) => ({ ...row, terms: JSON.parse(row.terms) as unknown }));
}

interface ReadAnswer {
  readonly place: number;
  readonly answer: OccupyAnswer['answer'];
  readonly state: OccupiedState;
  readonly atMs: number;
  readonly dueMs: number;
}

function answerOf({ answer, state, atMs, dueMs }: ReadAnswer): OccupyAnswer {
  return answer === 'occupied' ? { answer, state, occupiedAt: atMs, dueAt: dueMs } : { answer };
}

function textOf(all: readonly Occupy[]): string {
  return JSON.stringify(all.map(({ id, holder, units }, place) => ({ place, id, holder, units })));
}

function byId(rows: readonly OccupiedRow[]): Map<string, OccupiedRow> {
  return new Map(rows.map((row) => [row.id, row]));
}

function valuesOf({ pool, units, mostAtOnce, mostPerHolder, holdMs = HOLD_MS, terms = null }: NewPool): unknown[] {
  const check = (name: string, value: number, least: number) => {
    if (Number.isSafeInteger(value) && value >= least && value <= MAX_INTEGER) return;
    throw new RangeError(`${name} of a pool is ${value}: it must be a whole number from ${least} to ${MAX_INTEGER}`);
  };
  check('units', units, 0);
  check('holdMs', holdMs, 0);
  if (mostAtOnce !== undefined) check('mostAtOnce', mostAtOnce, 1);
  if (mostPerHolder !== undefined) check('mostPerHolder', mostPerHolder, 1);
  return [pool, units, mostAtOnce ?? null, mostPerHolder ?? null, holdMs, JSON.stringify(terms)];
}

/** What no column can hold is refused before it is put together with others. */
function checkAsked({ id, holder, units }: Occupy): void {
  for (const text of [id, holder]) {
    if (text.length > 0 && text.length <= 200 && !text.includes('\0')) continue;
    throw new RangeError(`'${text.slice(0, 20)}' must have 1 to 200 characters, and none of code 0`);
  }
  if (Number.isSafeInteger(units) && units >= 1 && units <= MAX_INTEGER) return;
  throw new RangeError(`units are ${units}: they must be a whole number from 1 to ${MAX_INTEGER}`);
}
