import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Database, Sql } from '../src/kit/database/index.js';

/**
 * A database as one uses pg by hand: begin, the statements (prepared once a connection), commit, each awaited. What the
 * floors run on, so that nothing of the kit is in them.
 */
export function plainPg(pool: pg.Pool): Database {
  pool.on('error', () => undefined); // A connection that was lost is replaced.
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    let name = names.get(text);
    if (name === undefined) names.set(text, (name = createHash('sha256').update(text).digest('hex').slice(0, 32)));
    return name;
  };
  const sqlOf =
    (client: pg.PoolClient): Sql =>
    async <Row extends object>(text: string, values: readonly unknown[] = []) =>
      (await client.query({ name: nameOf(text), text, values: [...values] })).rows as Row[];
  return {
    run: async (text, values) => {
      const client = await pool.connect();
      try {
        return await sqlOf(client)(text, values);
      } finally {
        client.release();
      }
    },
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        try {
          const result = await work(sqlOf(client));
          await client.query('commit');
          return result;
        } catch (error) {
          await client.query('rollback');
          throw error;
        }
      } finally {
        client.release();
      }
    },
  };
}
