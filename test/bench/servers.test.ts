import assert from 'node:assert/strict';
import { Program } from '../support/program.js';

describe("the benchmark's servers", function () {
  this.timeout(60_000);

  for (const [name, value] of [
    ['TEMPORAL_ADDRESS', '127.0.0.1:1'],
    ['DATABASE_URL', 'postgres://postgres@127.0.0.1:1/postgres'],
  ] as const) {
    it(`are not the production server where ${name} names another one: the contradiction is told`, async () => {
      const bench = new Program('bench/main.ts', ['--server', 'production'], { [name]: value });
      assert.equal(await bench.ended, 1);
      const told = `--server production starts servers of its own, but ${name} names one: leave out the one or the other`;
      assert.ok(bench.stderr.includes(told), bench.stderr);
    });
  }
});
