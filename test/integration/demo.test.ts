import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  });
  after(async () => {
    for (const program of programs) program.kill('SIGTERM');
    await Promise.all(programs.map(({ ended }) => ended));
    rmSync(state, { recursive: true, force: true });
  });

  it('demo: places real orders, refuses some payments, runs short of stock, proves the books, names the pages', async () => {
    const demo = start('src/dev/demo.ts', '--limit', '60', '--exit');
    assert.equal(await demo.ended, 0, demo.stdout + demo.stderr);
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
    assert.match(dev.stdout, /export TEMPORAL_ADDRESS=127\.0\.0\.1:\d+ TEMPORAL_UI_ADDRESS=http/);
    assert.match(dev.stdout, /export DATABASE_URL=postgres:/);
    dev.kill('SIGINT');
    assert.equal(await dev.ended, 0, dev.stderr);
  });

  it('demo: a wrong file starts nothing, with exit code 2 and the reason', async () => {
    const demo = start('src/dev/demo.ts', '--file', 'package.json');
    assert.equal(await demo.ended, 2);
    assert.match(demo.stderr, /package\.json:1: header: .* must be order_id,customer_id/);
    assert.doesNotMatch(demo.stderr, /serving/);
  });
});
