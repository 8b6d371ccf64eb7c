import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { written } from './cut.js';

describe('the moment at which everything is looked at in a chaos run', function () {
  this.timeout(60_000);
  let servers: Servers;
  const clients: pg.Client[] = [];

  const connect = async (commit: 'on' | 'local') => {
    const client = new pg.Client({ connectionString: servers.databaseUrl('orders') });
    await client.connect();
    clients.push(client);
    await client.query(`set synchronous_commit = ${commit}`);
    return client;
  };

  // A server of its own: its settings are changed.
  before(async () => {
    servers = await startServers({ ephemeral: true, databases: ['orders'] });
  });
  after(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await servers.stop();
  });

  it('is over when a commit comes to be seen that was in the log before', async () => {
    const [writer, reader] = [await connect('on'), await connect('local')];
    await reader.query('create table marks (mark int)');
    // Nobody ever confirms a commit: between its record and its end there is all the time.
    await reader.query(`alter system set synchronous_standby_names = 'nobody'`);
    await reader.query('select pg_reload_conf()');
    const seen = async () => (await reader.query('select from marks')).rowCount;
    const { rows } = await writer.query<{ pid: number }>('select pg_backend_pid() as pid');
    const [{ pid } = assert.fail()] = rows;
    const isWaiting = async () => {
      const text = `select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep'`;
      return (await reader.query(text, [pid])).rowCount === 1;
    };
    const show = () => reader.query<{ names: string }>(`select current_setting('synchronous_standby_names') as names`);
    while ((await show()).rows[0]?.names !== 'nobody') await delay(20);
    const insert = writer.query('insert into marks values (1)');
    while (!(await isWaiting())) await delay(20);
    const before = await written(servers);
    assert.equal(await seen(), 0);
    await reader.query('select pg_cancel_backend($1)', [pid]);
    await insert;
    assert.equal(await seen(), 1);
    assert.notEqual(await written(servers), before);
  });
});
