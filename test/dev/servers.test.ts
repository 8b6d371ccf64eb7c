import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isAlive, type ProcessIdentity } from '../../src/dev/processes.js';
import { Program } from '../support/program.js';
import { connectTo } from '../support/connection.js';

interface Ready {
  address: string;
  ui: string;
  url: string;
  state: string;
  taskQueue: string;
}

describe('the embedded servers', function () {
  this.timeout(120_000);
  let root: string;
  const programs: Program[] = [];

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'backstitch-servers-'));
    chmodSync(root, 0o755); // As a working folder is: PostgreSQL's own user gets through.
  });
  after(async () => {
    for (const program of programs) program.kill('SIGTERM');
    await Promise.all(programs.map((program) => program.ended));
    rmSync(root, { recursive: true, force: true });
  });

  const launch = (args: string[], env: NodeJS.ProcessEnv = {}): Program => {
    const program = new Program('test/dev/servers-program.ts', [root, ...args], env);
    programs.push(program);
    return program;
  };
  const start = async (args: string[] = [], env?: NodeJS.ProcessEnv): Promise<{ program: Program; ready: Ready }> => {
    const program = launch(args, env);
    const [, json = ''] = await program.printed(/READY (.*)/);
    return { program, ready: JSON.parse(json) as Ready };
  };
  const children = (state: string): (ProcessIdentity & { name: string })[] =>
    JSON.parse(readFileSync(join(state, 'children.json'), 'utf8')) as (ProcessIdentity & { name: string })[];

  it('serve, two programs started at the same moment, each with ports and data of its own', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    assert.equal(new Set([one, two].flatMap(({ ready }) => [ready.address, ready.ui, ready.url, ready.state])).size, 8);
    for (const { ready } of [one, two]) {
      assert.equal((await query(ready.url, 'show max_prepared_transactions'))[0]?.max_prepared_transactions, '100');
      const connection = await connectTo(ready.address);
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
    first.program.kill('SIGINT'); // As an echo, which must not keep it from stopping them in order.
    assert.equal(await first.program.ended, 0);
    assert.match(first.program.stdout, /STOPPED/);
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

    // And when all are killed at once, as by a machine that has no memory left.
    second.program.kill('SIGKILL');
    for (const { pid } of children(second.ready.state)) process.kill(pid, 'SIGKILL');
    const third = await start();
    assert.deepEqual(await query(third.ready.url, 'select * from committed'), [{ n: 1 }]);

    // And when the program ends by itself without having stopped them, as at a second Ctrl-C.
    const left = children(third.ready.state);
    const server = left.find(({ name }) => name === 'PostgreSQL');
    assert.ok(server);
    process.kill(server.pid, 'SIGSTOP'); // So that it is still stopping when the second signal comes.
    third.program.kill('SIGINT');
    await third.program.printed(/SIGINT: stopping/);
    await delay(1_100); // Within a second, it would be taken for the first one's echo.
    third.program.kill('SIGTERM');
    assert.equal(await third.program.ended, 130);
    process.kill(server.pid, 'SIGCONT');
    const fourth = await start();
    assert.deepEqual(left.filter(isAlive), []);
    assert.deepEqual(await query(fourth.ready.url, 'select * from committed'), [{ n: 1 }]);
    fourth.program.kill('SIGTERM');
    await fourth.program.ended;
  });

  it('that the environment names are used: nothing is started, what is missing there is created', async () => {
    const first = await start(['fresh']);
    const other = new URL(first.ready.url);
    other.pathname = '/postgres';
    await query(other.href, 'drop database orders');
    const { program, ready } = await start([], { TEMPORAL_ADDRESS: first.ready.address, DATABASE_URL: other.href });
    assert.deepEqual([ready.address, ready.url], [first.ready.address, first.ready.url]);
    assert.deepEqual(children(ready.state), []);
    assert.deepEqual(await query(ready.url, 'select 1 as n'), [{ n: 1 }]);
    program.kill('SIGTERM');
    await program.ended;

    // A role that may not create: said in one line.
    await query(other.href, "create role visitor login password 'visitor'");
    await query(other.href, 'drop database orders');
    Object.assign(other, { username: 'visitor', password: 'visitor' });
    const refused = launch([], { TEMPORAL_ADDRESS: first.ready.address, DATABASE_URL: other.href });
    await refused.ended;
    assert.match(
      refused.stderr,
      /the database 'orders' is missing at 127\.0\.0\.1:\d+ and cannot be created \(permission denied[^\n]*\): create it, or let the role 'visitor' create databases/,
    );
    first.program.kill('SIGTERM');
    await first.program.ended;
  });

  it('that cannot be reached, and ports that are taken, are named in one line', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = (taken.address() as AddressInfo).port;
    try {
      const cases: [env: NodeJS.ProcessEnv, message: string][] = [
        [{ PORTS: `{"postgres":${port}}` }, `port ${port} for PostgreSQL is taken: choose another`],
        [{ PORTS: `{"temporal":${port}}` }, `port ${port} for the Temporal server is taken: choose another`],
        [{ PORTS: `{"ui":${port}}` }, `port ${port} for the Web UI is taken: choose another`],
        [{ PORTS: '{"temporal":7001,"ui":7001}' }, 'port 7001 is given to both the Temporal server and the Web UI'],
        [{ DATABASE_URL: 'postgres://a:b@127.0.0.1:1/x' }, 'no PostgreSQL server can be used at 127.0.0.1:1 (connect'],
        [{ TEMPORAL_ADDRESS: '127.0.0.1:1' }, 'no Temporal server answers at 127.0.0.1:1'],
      ];
      await Promise.all(
        cases.map(async ([env, message]) => {
          const program = launch([], env);
          await program.ended;
          assert.ok(program.stderr.includes(message), `${message} is not in:\n${program.stderr}`);
        }),
      );
    } finally {
      taken.close();
    }
  });

  it('start from nothing, and say so, when one half of what was kept is lost', async () => {
    const first = await start(['fresh']);
    await query(first.ready.url, 'create table kept (n int)');
    assert.equal(first.ready.taskQueue, 'backstitch');
    first.program.kill('SIGTERM');
    await first.program.ended;
    const { state } = first.ready;
    rmSync(join(state, 'postgres'), { recursive: true });
    const second = await start();
    assert.match(second.program.stdout, /a part of what earlier runs left in .*main.* is lost: starting from nothing/);
    second.program.kill('SIGTERM');
    await second.program.ended;
    const third = await start();
    assert.doesNotMatch(third.program.stdout, /is lost/);

    // Beside another's Temporal server: a task queue of the state's own, the same every time.
    const beside = async () => {
      const { program, ready } = await start([], { TEMPORAL_ADDRESS: third.ready.address });
      program.kill('SIGTERM');
      await program.ended;
      return ready.taskQueue;
    };
    const taskQueue = await beside();
    assert.match(taskQueue, /^backstitch-[0-9a-f]{8}$/);
    assert.equal(await beside(), taskQueue);
    third.program.kill('SIGTERM');
    await third.program.ended;
  });

  it('forget an ended transaction no sooner than the databases do', async () => {
    const { program, ready } = await start();
    const connection = await connectTo(ready.address);
    const { config } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    await connection.close();
    assert.equal(Number(config?.workflowExecutionRetentionTtl?.seconds), 3_650 * 86_400);
    program.kill('SIGTERM');
    await program.ended;
  });

  it('that are still starting are stopped by Ctrl-C, at once', async () => {
    // A Temporal server that never answers: Ctrl-C comes when it has been started.
    const folder = mkdtempSync(join(root, 'programs-'));
    const temporal =
      '#!/bin/sh\nif [ "$1" = --version ]; then echo temporal version 1.5.1; else kill -INT $PPID; exec sleep 600; fi\n';
    writeFileSync(join(folder, 'temporal'), temporal, { mode: 0o755 });
    const dev = new Program('src/dev/main.ts', ['--state', root], { PATH: `${folder}:${process.env.PATH ?? ''}` });
    programs.push(dev);
    assert.equal(await dev.ended, 130);
    assert.match(dev.stderr, /SIGINT: stopping\n$/);
    for (const name of ['lock.json', 'children.json']) assert.ok(!existsSync(join(root, 'main', name)), name);
  });

  it('that die are reported, with the last lines that they printed', async () => {
    const { program, ready } = await start(['fresh']);
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
