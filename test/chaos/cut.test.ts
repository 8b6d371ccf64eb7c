import assert from 'node:assert/strict';
import pg from 'pg';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { until } from '../support/until.js';
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
    const seen = async () => (await reader.query('select from marks')).rowCount ?? 0;
    const { rows } = await writer.query<{ pid: number }>('select pg_backend_pid() as pid');
    const [{ pid } = assert.fail()] = rows;
    const isWaiting = async () => {
      const text = `select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep'`;
      return (await reader.query(text, [pid])).rowCount === 1;
    };
    // What commits waits from the moment at which the checkpointer has read the settings: those before are committed at once.
    let insert: Promise<unknown> | undefined;
    await until(async () => {
      insert ??= writer.query('insert into marks values (1)').then(() => (insert = undefined));
      return isWaiting();
    });
    const [before, committed] = [await written(servers), await seen()];
    await reader.query('select pg_cancel_backend($1)', [pid]);
    await insert;
    assert.equal(await seen(), committed + 1);
    assert.notEqual(await written(servers), before);
  });
});
