import assert from 'node:assert/strict';
import { formatCents } from '../../src/contracts/money.js';

describe('money, for people', () => {
  it('has two places, whatever its size', () => {
    const shown = [0, 5, -5, 2_933, -100, '90071992547409930'].map(formatCents);
    assert.deepEqual(shown, ['0.00', '0.05', '-0.05', '29.33', '-1.00', '900719925474099.30']);
  });

  it('is shown as it is where it is no whole number of cents, and throws nowhere: workflows show it', () => {
    for (const cents of [0.1, 29.5, NaN, Infinity, 2 ** 53, 'twelve', '1.5', '']) {
      assert.equal(formatCents(cents), String(cents));
    }
  });
});
