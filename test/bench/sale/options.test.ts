import assert from 'node:assert/strict';
import { parseSaleOptions, saleWays } from '../../../bench/sale/options.js';
import { Program } from '../../support/program.js';

describe('the arguments of the benchmark of the flash sale', function () {
  this.timeout(60_000);

  it('have defaults: every way, from one process and from four', () => {
    const { ways, processes, rounds } = parseSaleOptions([]);
    assert.deepEqual({ ways, processes, rounds }, { ways: [...saleWays], processes: [1, 4], rounds: 3 });
    assert.deepEqual(parseSaleOptions(['--ways', 'together,row', '--processes', '1']).processes, [1]);
  });

  it('come after the word sale; a wrong one is refused before anything is started', async () => {
    const bench = new Program('bench/main.ts', ['sale', '--ways', 'hope']);
    assert.equal(await bench.ended, 2, bench.stderr);
    assert.match(bench.stderr, /There is no 'hope'; give one-by-one, row/);
  });
});
