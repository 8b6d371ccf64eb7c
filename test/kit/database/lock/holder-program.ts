/**
 * A holder that is paused: `holder-program.ts RESOURCE FENCE`, with the database's URL as DATABASE and a Redis server's as REDIS, if its
 * lease is kept there. It says when it holds the resource, waits to be told to write, and writes without looking at anything else.
 */
import { createClient } from '@redis/client';
import pg from 'pg';
import { createLeaseLock, fence, pgDatabase } from '../../../../src/kit/database/index.js';
import { nodeRedis, redisLeaseLock } from '../../../../src/kit/redis/index.js';

const [resource = '', fenced = ''] = process.argv.slice(2);
const { DATABASE, REDIS } = process.env;
const database = pgDatabase(new pg.Pool({ connectionString: DATABASE, max: 4 }));
const options = { leaseMs: 1_000 };
async function lockOf() {
  if (REDIS === undefined) return createLeaseLock(database, options);
  const client = createClient({ url: REDIS });
  await client.connect();
  return redisLeaseLock({ redis: nodeRedis(client), ...options });
}
const lock = await lockOf();
const told = new Promise<void>((resolve) => {
  process.once('message', () => {
    resolve();
  });
});
const held = lock.hold(resource, async ({ token }) => {
  console.log(`holds ${token};`);
  await told;
  try {
    await database.transaction(async (sql) => {
      if (fenced === 'fenced') await fence(sql, resource, token);
      await sql(`update resources set value = 'by the paused one' where name = $1`, [resource]);
    });
    console.log('written;');
  } catch (error) {
    console.log(`not written: ${(error as Error).name};`);
  }
});
const outcome = await held.then(
  ({ outcome }) => outcome,
  (error: unknown) => (error as Error).name,
);
console.log(`ended: ${outcome};`);
process.exit(0);
