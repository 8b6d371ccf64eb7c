import type { Sql, TransactionSql } from '../sql.js';
import { sqlStateOf } from '../sqlstate.js';
import { NotCommitted } from './not-committed.js';
import { BEGIN, COMMIT, type Fly } from './pg-flight.js';
import type { PgClient } from './pg-pool.js';

/** A statement that this connection prepared is gone or no longer fits its table: only a new connection prepares again. */
const UNPREPARED = ['26000', '0A000'];

/** How a pool's transactions send their statements. */
export interface PgWay {
  readonly queryOf: (text: string, values: readonly unknown[]) => { name?: string; text: string; values: unknown[] };
  readonly prepare: boolean;
  /** Absent: BEGIN and COMMIT take a round trip each. */
  readonly fly: Fly | undefined;
}

/** Connections that have BEGIN prepared. */
const readied = new WeakSet<PgClient>();

/**
 * One SQL transaction on a connection.
 *
 * States: idle (nothing was sent, or a statement that stood by itself has failed) → open (BEGIN was sent) → ended.
 *
 * Invariant: nothing but the one statement that stands by itself runs before the server has answered BEGIN. A connection
 * that fails to begin, to commit or to roll back is in doubt and given up.
 */
export class PgTransaction {
  readonly sql: TransactionSql;
  readonly #client: PgClient;
  readonly #way: PgWay;
  readonly #giveUp: () => void;
  /** Settles with the answer to BEGIN. */
  #begun: Promise<void> | undefined;
  /** The connection's last word was an error. */
  #inDoubt = false;
  #ended = false;
  /** Under which name it is prepared at its end, instead of committed. */
  #prepareAs: string | undefined;
  /** Why it did not commit. */
  #failure: { readonly error: unknown } | undefined;

  constructor(client: PgClient, way: PgWay, giveUp: () => void) {
    this.#client = client;
    this.#way = way;
    this.#giveUp = giveUp;
    const run: Sql = (text, values) => this.#run(text, values) as never;
    const commitWith: Sql = (text, values = []) => this.#commitWith(text, values) as never;
    const prepareAs = (name: string) => {
      this.#refuseEnded();
      this.#prepareAs = name;
    };
    this.sql = Object.assign(run, { commitWith, prepareAs });
  }

  async commit(): Promise<void> {
    const open = !this.#ended && this.#begun !== undefined;
    this.#ended = true;
    if (open) {
      await this.#begun;
      const name = this.#prepareAs;
      if (name === undefined) ended('COMMIT', (await this.#send(COMMIT)).command);
      else ended('PREPARE', (await this.#send({ text: prepareText(name) })).command);
    }
    if (this.#inDoubt) this.#giveUp();
    if (this.#failure) throw this.#failure.error;
  }

  /** Never fails: the first error is the one to report. */
  async rollback(error: unknown): Promise<void> {
    if (UNPREPARED.includes(sqlStateOf(error) ?? '')) this.#giveUp();
    if (!this.#ended && this.#begun !== undefined) {
      this.#ended = true;
      await this.#begun.then(() => this.#send({ text: 'rollback' })).catch(() => undefined);
    }
    this.#ended = true;
    if (this.#inDoubt) this.#giveUp();
  }

  async #run(text: string, values?: readonly unknown[]): Promise<object[]> {
    this.#refuseEnded();
    const query = values && this.#way.queryOf(text, values);
    if (this.#begun === undefined) {
      const { fly } = this.#way;
      const begin = this.#way.prepare ? 'prepared' : 'parsed';
      if (query && fly && (begin === 'parsed' || readied.has(this.#client))) {
        const flight = fly(this.#client, query, { begin });
        this.#open(
          flight.rows.then(noop, (error: unknown) => {
            if (!flight.begun) throw error;
          }),
        );
        return flight.rows;
      }
      // A connection's first transaction prepares BEGIN, at a round trip.
      const begun = this.#client.query(this.#way.prepare ? BEGIN : { text: BEGIN.text });
      this.#open(begun.then(() => void readied.add(this.#client)));
    }
    await this.#begun;
    return (await this.#client.query(query ?? { text })).rows;
  }

  async #commitWith(text: string, values: readonly unknown[]): Promise<object[]> {
    this.#refuseEnded();
    const query = this.#way.queryOf(text, values);
    if (this.#begun === undefined) {
      // One statement is a transaction by itself.
      this.#inDoubt = true;
      const { rows } = await this.#client.query(query);
      this.#inDoubt = false;
      this.#ended = true;
      return rows;
    }
    await this.#begun;
    this.#ended = true;
    try {
      return await this.#last(query);
    } catch (error) {
      // Whether it was the statement or the commit that failed: the transaction ends with its connection.
      this.#giveUp();
      this.#failure = { error };
      throw error;
    }
  }

  async #last(query: ReturnType<PgWay['queryOf']>): Promise<object[]> {
    const { fly } = this.#way;
    if (!fly) {
      const { rows } = await this.#client.query(query);
      ended('COMMIT', (await this.#client.query(COMMIT)).command);
      return rows;
    }
    const flight = fly(this.#client, query, { commit: true });
    const rows = await flight.rows;
    ended('COMMIT', flight.ended);
    return rows;
  }

  #open(begun: Promise<void>): void {
    this.#begun = begun.then(
      () => {
        this.#inDoubt = false;
      },
      (error: unknown) => {
        this.#giveUp();
        throw error;
      },
    );
    // Whoever sends the next statement, or ends the transaction, hears of it.
    this.#begun.catch(noop);
  }

  async #send(query: { name?: string; text: string }) {
    try {
      return await this.#client.query(query);
    } catch (error) {
      this.#giveUp();
      throw error;
    }
  }

  #refuseEnded(): void {
    if (this.#ended) throw new Error('the SQL transaction has ended: it takes no more statements');
  }
}

/** The end of a transaction that failed answers ROLLBACK, without an error: that of a commit, and that of PREPARE TRANSACTION. */
function ended(wanted: 'COMMIT' | 'PREPARE', answer = 'nothing'): void {
  if (answer !== wanted) throw new NotCommitted(answer);
}

/** No values go with PREPARE TRANSACTION. */
function prepareText(name: string): string {
  return `prepare transaction '${name.replaceAll("'", "''")}'`;
}

function noop(): void {
  // Nothing to do.
}
