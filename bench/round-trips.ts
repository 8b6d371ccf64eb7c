import type pg from 'pg';

/** Counts what a pool's connections send and wait for: a statement with what goes along with it (BEGIN, COMMIT) is one. */
export class RoundTrips {
  #count = 0;

  /** So many until now. */
  get count(): number {
    return this.#count;
  }

  /** Counts those of a pool's connections, from the next one on that it opens. */
  watch(pool: pg.Pool): pg.Pool {
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      Object.assign(client, {
        query: (...args: unknown[]) => {
          this.#count++;
          return query(...args);
        },
      });
    });
    return pool;
  }
}
