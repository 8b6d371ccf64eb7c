import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, type ProcessIdentity } from '../../src/dev/processes.js';
import { Program } from '../support/program.js';

describe('the programs of the README', function () {
  this.timeout(180_000);
  let state: string;
  const programs: Program[] = [];
  const start = (file: string, ...args: string[]): Program => {
    const program = new Program(file, [...args, '--state', state]);
    programs.push(program);
    return program;
  };

  before(() => {
    state = mkdtempSync(join(tmpdir(), 'backstitch-demo-'));
    chmodSync(state, 0o755); // PostgreSQL's own user gets through, and leaves nothing outside.
  });
  after(async () => {
    for (const program of programs) program.kill('SIGTERM');
    await Promise.all(programs.map(({ ended }) => ended));
    rmSync(state, { recursive: true, force: true });
  });

  it('demo: places real orders, refuses some payments, runs short of stock, proves the books, names the pages', async () => {
    const demo = start('src/dev/demo.ts', '--limit', '60', '--exit');
    assert.equal(await demo.ended, 0, demo.stdout + demo.stderr);
    assert.doesNotMatch(demo.stderr, /Warning/, 'nothing that a user has to wonder about');
    assert.match(demo.stdout, /60 of 60 orders in .*: \d+ placed, \d+ undone/);
    assert.match(demo.stdout, /\d+ × InsufficientFunds/);
    assert.match(demo.stdout, /\d+ × OutOfStock/);
    assert.match(demo.stdout, /latency p50/);
    assert.match(demo.stdout, /One undone order, step by step:\norder-cdnow-\d+ {2}compensated/);
    assert.match(demo.stdout, /payments\.charge\.compensation +│ succeeded/);
    assert.match(demo.stdout, /The books balance\./);
    for (const outcome of ['placed', 'undone']) {
      assert.match(
        demo.stdout,
        new RegExp(`${outcome}: http://127\\.0\\.0\\.1:\\d+/namespaces/default/workflows/order-cdnow-`),
      );
    }
  });

  it('demo, again: goes on where it was, places nothing twice, and the books still balance', async () => {
    const demo = start('src/dev/demo.ts', '--limit', '80', '--exit', '--lane', 'lean');
    assert.equal(await demo.ended, 0, demo.stdout + demo.stderr);
    assert.match(demo.stdout, /80 of 80 orders/);
    assert.match(demo.stdout, /orders +80\n/);
    assert.match(demo.stdout, /The books balance\./);
  });

  it('demo: stays up until Ctrl-C, during which the command line works on its orders', async () => {
    const demo = start('src/dev/demo.ts', '--limit', '5');
    const [, address = ''] = await demo.printed(/--address (\S+) tx list/);
    const list = new Program('src/client.ts', ['--address', address, '--json', 'tx', 'list', '--limit', '200']);
    assert.equal(await list.ended, 0, list.stderr);
    assert.equal((JSON.parse(list.stdout) as { transactions: unknown[] }).transactions.length, 80);
    demo.kill('SIGINT');
    assert.equal(await demo.ended, 0, demo.stderr);
  });

  it('dev: serves until Ctrl-C and says what to set', async () => {
    const dev = start('src/dev/main.ts');
    await dev.printed(/Serving; Ctrl-C stops/);
    assert.match(dev.stdout, /export TEMPORAL_ADDRESS='127\.0\.0\.1:\d+'\n {2}export TEMPORAL_UI_ADDRESS='http/);
    assert.match(dev.stdout, /export DATABASE_URL='postgres:/);
    assert.doesNotMatch(dev.stdout, /TASK_QUEUE|NAMESPACE/, 'what is the default is not to be set');
    dev.kill('SIGINT');
    assert.equal(await dev.ended, 0, dev.stderr);
  });

  it('dev through npm: both a Ctrl-C, which arrives twice, and a SIGTERM to npm stop the servers in order', async () => {
    // A terminal sends its Ctrl-C to the whole group; npm, in it, passes it on.
    for (const [signal, toGroup] of [
      ['SIGINT', true],
      ['SIGTERM', false],
    ] as const) {
      const npm = spawn('npm', ['run', 'dev', '--', '--state', state], { detached: true });
      assert.ok(npm.pid);
      let printed = '';
      const serving = new Promise<void>((resolve, reject) => {
        const note = (text: Buffer) => {
          printed += text.toString();
          if (printed.includes('Serving; Ctrl-C stops')) resolve();
        };
        npm.stdout.on('data', note);
        npm.stderr.on('data', note);
        npm.once('close', () => {
          reject(new Error(printed));
        });
      });
      await serving;
      const folder = join(state, 'main');
      const servers = JSON.parse(readFileSync(join(folder, 'children.json'), 'utf8')) as ProcessIdentity[];
      process.kill(toGroup ? -npm.pid : npm.pid, signal);
      await once(npm, 'close');
      assert.match(printed, new RegExp(`${signal}: stopping`));
      assert.deepEqual(servers.filter(isAlive), []);
      assert.ok(!existsSync(join(folder, 'lock.json')), 'the state was given up in order');
    }
  });

  it('demo: Ctrl-C in the middle of the orders stops it, with no report of what goes on', async () => {
    const demo = start('src/dev/demo.ts', '--fresh', '--all');
    await demo.printed(/serving after/);
    demo.kill('SIGINT');
    assert.equal(await demo.ended, 130, demo.stderr);
    assert.match(demo.stderr, /SIGINT: stopping\n[\s\S]*stopped; what was started goes on at the next start\n$/);
    assert.doesNotMatch(demo.stdout, /orders in|books/);
  });

  it('demo: options that contradict each other are refused', async () => {
    const both = new Program('src/dev/demo.ts', ['--all', '--limit', '5']);
    assert.equal(await both.ended, 2);
    assert.match(both.stderr, /option '--all' cannot be used with option '--limit <n>'/);
    const half = new Program('src/dev/demo.ts', ['--fresh'], { DATABASE_URL: 'postgres://there' });
    assert.equal(await half.ended, 1);
    assert.match(half.stderr, /^--fresh: only for servers that are started here, but DATABASE_URL names another one/);
  });

  it('demo: a wrong file starts nothing, with exit code 2 and the reason', async () => {
    const demo = start('src/dev/demo.ts', '--file', 'package.json');
    assert.equal(await demo.ended, 2);
    assert.match(demo.stderr, /package\.json:1: header: .* must be order_id,customer_id/);
    assert.doesNotMatch(demo.stderr, /serving/);
  });
});
