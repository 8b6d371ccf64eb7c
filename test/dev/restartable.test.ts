import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { isAlive, type ProcessIdentity } from '../../src/dev/processes.js';
import { startServers, type Servers } from '../../src/dev/servers.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';

describe('a server that was started here', function () {
  this.timeout(120_000);
  let root: string;
  let servers: Servers;
  const deaths: string[] = [];

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'backstitch-restart-'));
    chmodSync(root, 0o755); // PostgreSQL's own user gets through.
    servers = await startServers({
      state: root,
      databases: ['orders'],
      searchAttributes: searchAttributeTypes,
      onDeath: ({ message }) => deaths.push(message),
    });
  });
  after(async () => {
    await servers.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const server = (name: 'postgres' | 'temporal') => {
    const found = servers.started[name];
    assert.ok(found);
    return found;
  };
  const query = async (text: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: servers.databaseUrl('orders') });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const onTemporal = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const connection = await Connection.connect({ address: servers.temporal.address, connectTimeout: 1_000 });
    try {
      return await work(new Client({ connection }));
    } finally {
      await connection.close();
    }
  };

  for (const signal of ['SIGKILL', undefined] as const) {
    const how = signal === undefined ? 'stopped in order' : `killed with ${signal}`;

    it(`PostgreSQL, ${how}, comes back on its port with all that was committed, and nobody calls it dead`, async () => {
      const table = `kept_${how.length}`;
      await query(`create table ${table} as select 1 as n`);
      await server('postgres').down(signal);
      await assert.rejects(query('select 1'), /ECONNREFUSED/);
      await server('postgres').up();
      assert.deepEqual(await query(`select * from ${table}`), [{ n: 1 }]);
      assert.deepEqual(deaths, []);
    });

    it(`Temporal, ${how}, comes back on its port with every run, and nobody calls it dead`, async () => {
      const workflowId = randomUUID();
      await onTemporal((client) => client.workflow.start('waits', { workflowId, taskQueue: 'nobody' }));
      await server('temporal').down(signal);
      await assert.rejects(onTemporal(() => Promise.resolve()));
      await server('temporal').up();
      const { status } = await onTemporal((client) => client.workflow.getHandle(workflowId).describe());
      assert.equal(status.name, 'RUNNING');
      assert.deepEqual(deaths, []);
    });
  }

  it('does what is asked one after the other, whoever asks, and nothing twice', async () => {
    const postgres = server('postgres');
    await Promise.all([postgres.down('SIGKILL'), postgres.down(), postgres.up(), postgres.up()]);
    assert.deepEqual(await query('select 1 as n'), [{ n: 1 }]);
    assert.deepEqual(deaths, []);
  });

  it('is called dead when it ends by itself, also after it was brought up again; and can be brought up then', async () => {
    const children = JSON.parse(readFileSync(join(servers.state, 'children.json'), 'utf8')) as (ProcessIdentity & {
      name: string;
    })[];
    const postgres = children.find((child) => child.name === 'PostgreSQL' && isAlive(child));
    assert.ok(postgres);
    process.kill(postgres.pid, 'SIGQUIT');
    while (deaths.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.match(deaths.join(), /^PostgreSQL ended with code \d+; its last lines/);
    await server('postgres').down();
    await server('postgres').up();
    assert.deepEqual(await query('select 1 as n'), [{ n: 1 }]);
    assert.equal(deaths.length, 1);
  });

  it('is not started again after all were stopped for good', async () => {
    const { postgres, temporal } = servers.started;
    await servers.stop();
    await assert.rejects(Promise.resolve(postgres?.up()), /stopped for good/);
    await assert.rejects(Promise.resolve(temporal?.up()), /stopped for good/);
    await assert.rejects(query('select 1'), /ECONNREFUSED/);
  });
});
