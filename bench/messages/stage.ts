import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { isAlive, type ProcessIdentity } from '../../src/dev/processes.js';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { say } from '../program.js';
import type { MessageStage } from './system.js';

/**
 * Work in two new databases on a server of its own, which waits for the disk.
 *
 * @param work gets the server's pids, for its CPU time
 * @param name another one for a server beside another
 */
export async function onStage<Result>(
  work: (stage: MessageStage, pids: readonly number[] | undefined) => Promise<Result>,
  name = 'bench',
): Promise<Result> {
  const servers = await startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', name),
    fresh: true,
    databases: ['producer', 'consumer'],
    onDeath: (report) => {
      say(report.message);
      process.exit(1);
    },
  });
  const poolOf = (database: string) => {
    const pool = new pg.Pool({ connectionString: servers.databaseUrl(database), max: 40 });
    pool.on('error', () => undefined); // What is being asked fails with it.
    pool.on('connect', (client) => client.on('error', () => undefined));
    return pool;
  };
  const [producer, consumer] = [poolOf('producer'), poolOf('consumer')];
  try {
    await producer.query('create table sales (id integer primary key)');
    await consumer.query('create table effects (id integer primary key)');
    return await work({ producer, consumer, producerUrl: servers.databaseUrl('producer') }, pidsOf(servers));
  } finally {
    await Promise.all([producer.end(), consumer.end()]);
    await servers.stop();
  }
}

/** The server's, for its CPU time. */
export function pidsOf(servers: Servers): readonly number[] | undefined {
  const recorded = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as ProcessIdentity[];
  const alive = recorded.filter(isAlive);
  return alive.length === 1 ? alive.map(({ pid }) => pid) : undefined;
}
