/**
 * The two things that the kit needs of a database client, so that users of pg, postgres.js, Kysely, Drizzle or Prisma
 * keep their client: run one statement, and run several in one transaction.
 */

/**
 * Runs one statement with its values (`$1`, `$2`, …) and resolves to its rows.
 *
 * @throws the client's own error; if it carries a `code` with a SQLSTATE, the kit tells retryable from definite by it.
 */
export type Sql = <Row extends object = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<Row[]>;

/** Runs a statement in a transaction that is open. */
export interface TransactionSql extends Sql {
  /**
   * Runs the transaction's last statement and commits, in one round trip, and resolves to its rows once that is
   * committed. No statement can follow.
   *
   * As the first statement it stands by itself: if it throws, nothing has happened, and the transaction can go on with
   * others. After others nothing is committed if it throws.
   *
   * Optional: a client that cannot do it leaves it out, and whoever would call it calls the `Sql` itself.
   */
  readonly commitWith?: Sql;
  /**
   * The transaction is prepared under this name (PREPARE TRANSACTION) when its work resolves, instead of committed: it then
   * belongs to no connection, and waits until somebody commits it or rolls it back. If it cannot be prepared nothing of it
   * has happened. The last statement was not run by {@link commitWith} then.
   *
   * Optional: with a client that leaves it out there is no two-phase commit.
   *
   * @param name of A-Z, a-z, 0-9 and `%`, `/`, `.`, `_`, `-`; fewer than 200
   */
  readonly prepareAs?: (name: string) => void;
}

/** Notifications that are listened to. */
export interface Listening {
  /** Resolves when none come any more: the connection was lost, or it was closed. */
  readonly ended: Promise<void>;
  /** Ends it. */
  close(): Promise<void>;
}

/** A database as the kit sees it. Adapters: `pgDatabase`, `postgresJsDatabase`. */
export interface Database {
  /**
   * Runs one statement in a transaction of its own.
   *
   * @param timeoutMs how long it may take with its connection, as in {@link transaction}
   */
  readonly run: <Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    timeoutMs?: number,
  ) => Promise<Row[]>;
  /**
   * Runs one statement with each of these lists of values, in one transaction of its own, round trip and wait for the disk:
   * all of them, or none. Resolves to the rows of each.
   *
   * Optional: a client that cannot do it leaves it out, and they are run one by one.
   */
  readonly runAll?: <Row extends object = Record<string, unknown>>(
    text: string,
    lists: readonly (readonly (string | null)[])[],
    timeoutMs: number,
  ) => Promise<Row[][]>;
  /**
   * Runs `work` in one SQL transaction at READ COMMITTED: committed (or prepared, if it said so) when it resolves, rolled back
   * when it throws.
   *
   * The `sql` that `work` gets is valid only until it settles. A statement whose promise nobody awaits is part of the
   * transaction nevertheless: it is sent before the commit, and if it fails nothing is committed.
   *
   * @param timeoutMs how long it may take with its connection, in milliseconds; a client that can gives the connection
   * up then, as the server, whose own limit is shorter, must be out of reach
   */
  transaction<T>(work: (sql: TransactionSql) => Promise<T>, timeoutMs?: number): Promise<T>;
  /**
   * Listens to a channel (LISTEN), on a connection of its own: a client with a pool takes one from it for as long as it listens.
   *
   * Optional: with a client that leaves it out whoever would listen asks again and again instead.
   *
   * @param channel of a-z and `_`
   * @param onNotify called with each notification's payload
   */
  readonly listen?: (channel: string, onNotify: (payload: string) => void) => Promise<Listening>;
}
