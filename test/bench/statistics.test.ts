import assert from 'node:assert/strict';
import { pairedRatio, percentile, significant, spread } from '../../bench/statistics.js';

describe('the statistics of the benchmark', () => {
  it('take percentiles by the nearest rank: always a value that was measured', () => {
    const values = [5, 1, 4, 2, 3];
    assert.equal(percentile(values, 0.5), 3);
    assert.equal(percentile(values, 0.99), 5);
    assert.equal(percentile(values, 0.2), 1);
    assert.equal(percentile([7], 0.5), 7);
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    assert.equal(percentile(hundred, 0.99), 99);
  });

  it('leave the values in their order', () => {
    const values = [3, 1, 2];
    percentile(values, 0.5);
    spread(values);
    assert.deepEqual(values, [3, 1, 2]);
  });

  it('refuse to say anything of nothing, or of a share that is none', () => {
    assert.throws(() => percentile([], 0.5), /nothing was measured/);
    assert.throws(() => spread([]), /nothing was measured/);
    assert.throws(() => percentile([1], 0), /a percentile is in/);
    assert.throws(() => percentile([1], 1.5), /a percentile is in/);
  });

  it('give the median of an odd and of an even number of rounds, with the least and the greatest', () => {
    assert.deepEqual(spread([9, 1, 5]), { median: 5, min: 1, max: 9 });
    assert.deepEqual(spread([1, 2, 4, 9]), { median: 3, min: 1, max: 9 });
  });

  it('take ratios round by round, so that a slow round does not count against either side', () => {
    assert.deepEqual(pairedRatio([10, 1, 20], [20, 2, 40]), { median: 0.5, min: 0.5, max: 0.5 });
    assert.throws(() => pairedRatio([1], [1, 2]), /round by round/);
  });

  it('round to significant digits', () => {
    assert.equal(significant(123.456), 123.5);
    assert.equal(significant(0.00123456), 0.001235);
    assert.equal(significant(0), 0);
  });
});
