import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { isAlive, type ProcessIdentity } from '../../src/dev/processes.js';
import { Program } from '../support/program.js';

interface Ready {
  address: string;
  ui: string;
  url: string;
  state: string;
}

describe('the embedded servers', function () {
  this.timeout(120_000);
  let root: string;
  const programs: Program[] = [];

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'backstitch-servers-'));
  });
  after(async () => {
    for (const program of programs) program.kill('SIGTERM');
    await Promise.all(programs.map((program) => program.ended));
    rmSync(root, { recursive: true, force: true });
  });

  const start = async (...args: string[]): Promise<{ program: Program; ready: Ready }> => {
    // Without the environment of whoever runs the tests: nothing but what is started here.
    const none = { TEMPORAL_ADDRESS: undefined, DATABASE_URL: undefined, DATABASE_URL_ORDERS: undefined };
    const program = new Program('test/dev/servers-program.ts', [root, ...args], none);
    programs.push(program);
    const [, json = ''] = await program.printed(/READY (.*)/);
    return { program, ready: JSON.parse(json) as Ready };
  };
  const children = (state: string): (ProcessIdentity & { name: string })[] =>
    JSON.parse(readFileSync(join(state, 'children.json'), 'utf8')) as (ProcessIdentity & { name: string })[];

  it('serve, two programs side by side, each with ports and data of its own', async () => {
    const [one, two] = [await start(), await start()];
    assert.equal(new Set([one, two].flatMap(({ ready }) => [ready.address, ready.ui, ready.url, ready.state])).size, 8);
    for (const { ready } of [one, two]) {
      assert.equal((await query(ready.url, 'show max_prepared_transactions'))[0]?.max_prepared_transactions, '100');
      const connection = await Connection.connect({ address: ready.address });
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      assert.ok('TxState' in customAttributes && 'TxScheme' in customAttributes);
      await connection.close();
      assert.match(await (await fetch(ready.ui)).text(), /<html/i);
    }
    two.program.kill('SIGTERM');
    assert.equal(await two.program.ended, 0);
    one.program.kill('SIGINT');
    assert.equal(await one.program.ended, 0);
  });

  it('are stopped by SIGTERM, and keep their data', async () => {
    const first = await start();
    await query(first.ready.url, 'create table kept (n int)');
    const servers = children(first.ready.state);
    assert.equal(servers.length, 2);
    first.program.kill('SIGTERM');
    assert.equal(await first.program.ended, 0);
    assert.deepEqual(servers.filter(isAlive), []);
    const second = await start();
    assert.deepEqual(await query(second.ready.url, 'select * from kept'), []);
    second.program.kill('SIGTERM');
    await second.program.ended;
  });

  it('of a program that was killed are ended by the next one, which finds their data', async () => {
    const first = await start();
    await query(first.ready.url, 'create table committed as select 1 as n');
    const orphans = children(first.ready.state);
    first.program.kill('SIGKILL');
    assert.equal(await first.program.ended, 'SIGKILL');
    const second = await start();
    assert.equal(second.ready.state, first.ready.state);
    assert.match(second.program.stdout, /ending PostgreSQL \(process \d+\), left behind/);
    assert.deepEqual(orphans.filter(isAlive), []);
    assert.deepEqual(await query(second.ready.url, 'select * from committed'), [{ n: 1 }]);
    second.program.kill('SIGTERM');
    await second.program.ended;
  });

  it('that die are reported, with the last lines that they printed', async () => {
    const { program, ready } = await start('fresh');
    const server = children(ready.state).find(({ name }) => name === 'PostgreSQL');
    assert.ok(server);
    process.kill(server.pid, 'SIGQUIT');
    const [report] = await program.printed(
      /DEATH PostgreSQL ended with code \d+; its last lines [\s\S]*immediate shutdown/,
    );
    assert.ok(report);
    program.kill('SIGTERM');
    await program.ended;
  });
});

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}
