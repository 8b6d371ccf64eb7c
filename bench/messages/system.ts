import type pg from 'pg';

/** The two databases, each by a pool. */
export interface MessageStage {
  readonly producer: pg.Pool;
  readonly consumer: pg.Pool;
  readonly producerUrl: string;
}

/**
 * A way to carry messages from one database to another. The work is the same for all: with a row of the producer's, one message; of
 * it a dedup row and a row of the consumer's, in one transaction.
 */
export interface MessageSystem {
  /** Makes what it needs, in empty databases. */
  open(): Promise<void>;
  /** Writes a row and a message of it, in one SQL transaction. @param key null: in any order */
  produce(id: number, key: string | null): Promise<void>;
  /** Begins to carry them. @param onHandled called with each id when its transaction is committed */
  start(onHandled: (id: number) => void): Promise<void>;
  stop(): Promise<void>;
  /** Leaves so many that are not due for days. */
  fill(count: number): Promise<void>;
}
