import assert from 'node:assert/strict';
import { EXIT, exitOf } from '../../src/client/exit.js';
import { EventRefused } from '../../src/kit/client/index.js';

describe('the exit code of a refused event', () => {
  for (const [type, code] of Object.entries({
    Busy: EXIT.pending,
    MovedNothing: EXIT.stuck,
    RequestIdReused: EXIT.bad,
  })) {
    it(`is ${code} for ${type}`, () => {
      assert.equal(exitOf(new EventRefused('order-1', type, 'why')), code);
    });
  }
});
