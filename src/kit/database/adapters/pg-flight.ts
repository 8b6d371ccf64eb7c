import type { PgClient, PgPool } from './pg-pool.js';

/**
 * BEGIN in one flight with the first statement of a transaction, and COMMIT with its last: a round trip less each.
 *
 * The statements of a flight have one Sync, up to which PostgreSQL skips everything that follows an error. So a first
 * statement whose BEGIN failed never runs, and nothing is committed whose last statement failed. The option `pipeline` of
 * node-postgres does not give that: there each statement has a Sync of its own, and one that was sent behind a BEGIN that
 * failed (as somebody cancelled it) would run, and commit, by itself.
 */

/** Opens a transaction; prepared under this name where statements are prepared. */
export const BEGIN = { name: 'bs_begin', text: 'begin isolation level read committed' };
export const COMMIT = { text: 'commit' };

/** What goes along with a statement. */
export interface Along {
  /** BEGIN: as the connection has prepared it, or parsed anew, which only a statement without a name may have before it. */
  readonly begin?: 'prepared' | 'parsed';
  readonly commit?: true;
  /** The same statement again, with each of these lists of values. */
  readonly again?: readonly (readonly (string | null)[])[];
}

/** A statement on its way, with what goes along. */
export interface Flight {
  /** The statement's rows. @throws the first error of the flight */
  readonly rows: Promise<object[]>;
  /** Those of each time that it ran. */
  readonly all: Promise<object[][]>;
  /** Whether the answer to BEGIN has come. */
  readonly begun: boolean;
  /** The answer to COMMIT: `ROLLBACK` if a statement had failed. */
  readonly ended: string | undefined;
}

/** Sends a statement. */
export type Fly = (client: PgClient, query: { name?: string; text: string; values: unknown[] }, along: Along) => Flight;

/** What a flight needs of pg's class `Query`, whose parts these are since version 7. */
interface Query {
  submit(connection: Connection): unknown;
  readonly portal: string;
  readonly name: string | undefined;
  prepare(connection: Connection): void;
  _getRows(connection: Connection, rows?: number): void;
  handleCommandComplete(message: { text: string }, connection: Connection): void;
  handleEmptyQuery(connection: Connection): void;
}
type QueryClass = new (
  query: { name?: string; text: string; values: unknown[] },
  callback: (error: Error | null, result?: Result | Result[]) => void,
) => Query;
interface Result {
  readonly rows: object[];
}

/** What it needs of pg's `Connection`. */
interface Connection {
  parse(statement: { text: string }): void;
  bind(statement: { statement: string | undefined; values?: readonly (string | null)[] }): void;
  describe(portal: { type: 'P'; name: string }): void;
  execute(portal: { portal: string }): void;
  sync(): void;
}

/** How this pool's connections send flights; `undefined` if they are none of pg's own, as with `pg-native`. */
export function flightsOf(pool: PgPool): Fly | undefined {
  const { Query } = (pool.Client ?? {}) as { Query?: QueryClass };
  const own = Query?.prototype as Partial<Query> | undefined;
  const parts = ['submit', 'prepare', '_getRows', 'handleCommandComplete', 'handleEmptyQuery'] as const;
  if (Query === undefined || parts.some((part) => typeof own?.[part] !== 'function')) return undefined;
  const FlightQuery = flightQuery(Query);
  return (client, query, along) => {
    let flight!: InstanceType<typeof FlightQuery>;
    const all = new Promise<object[][]>((resolve, reject) => {
      flight = new FlightQuery(query, along, (error, result = []) => {
        if (error) reject(error);
        else resolve((Array.isArray(result) ? result : [result]).map(({ rows }) => rows));
      });
      (client as unknown as { query(query: Query): unknown }).query(flight);
    }).catch((error: unknown) => {
      // Its own leads to the socket; as pg itself does, it is replaced by one that leads to whoever asked.
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    });
    return {
      all,
      get rows() {
        return all.then(([rows = []]) => rows);
      },
      get begun() {
        return flight.begun;
      },
      get ended() {
        return flight.ended;
      },
    };
  };
}

function flightQuery(Base: QueryClass) {
  return class FlightQuery extends Base {
    begun = false;
    ended: string | undefined;
    readonly #along: Along;
    #ran = 0;

    constructor(
      query: ConstructorParameters<QueryClass>[0],
      along: Along,
      callback: ConstructorParameters<QueryClass>[1],
    ) {
      super(query, callback);
      this.#along = along;
    }

    /** Only the extended protocol has flights, and pg would send a statement without values by the simple one. */
    requiresPreparation(): boolean {
      return true;
    }

    override prepare(connection: Connection): void {
      const { begin } = this.#along;
      if (begin) this.#send(connection, begin === 'prepared' ? { statement: BEGIN.name } : BEGIN);
      super.prepare(connection);
    }

    /** Called once the statement is bound; not if its values cannot be written. */
    override _getRows(connection: Connection): void {
      connection.execute({ portal: this.portal });
      for (const values of this.#along.again ?? []) {
        connection.bind({ statement: this.name, values });
        connection.describe({ type: 'P', name: '' });
        connection.execute({ portal: '' });
      }
      if (this.#along.commit) this.#send(connection, COMMIT);
      connection.sync();
    }

    /** Each answers once: BEGIN, the statement each time that it runs, COMMIT. */
    override handleCommandComplete(message: { text: string }, connection: Connection): void {
      if (this.#along.begin && !this.begun) this.begun = true;
      else if (this.#ran > (this.#along.again?.length ?? 0)) this.ended = message.text;
      else {
        this.#ran++;
        super.handleCommandComplete(message, connection);
      }
    }

    override handleEmptyQuery(connection: Connection): void {
      this.#ran++;
      super.handleEmptyQuery(connection);
    }

    #send(connection: Connection, { statement, text }: { statement?: string; text?: string }): void {
      // pg takes whatever is parsed for the statement that it has a name for, if it has one.
      if (text !== undefined) connection.parse({ text });
      connection.bind({ statement });
      connection.execute({ portal: '' });
    }
  };
}
