import assert from 'node:assert/strict';
import { addCounts, groupsOf, jobsFrom } from './groups.js';

describe('the groups of tests', () => {
  it('hold each file once, by its folder; the longest come first', () => {
    const files = [
      'test/worker.test.ts',
      'test/dev/a.test.ts',
      'test/kit/database/log/b.test.ts',
      'test/matrix/c.test.ts',
    ];
    assert.deepEqual(groupsOf(files), [
      { name: 'matrix', files: ['test/matrix/c.test.ts'] },
      { name: 'kit/database', files: ['test/kit/database/log/b.test.ts'] },
      { name: 'dev', files: ['test/dev/a.test.ts'] },
      { name: 'top', files: ['test/worker.test.ts'] },
    ]);
  });

  it('are run so many at a time, two by default; a number that would run none is refused', () => {
    assert.deepEqual([jobsFrom(undefined), jobsFrom('1')], [2, 1]);
    for (const wrong of ['', '0', '-1', 'two', '1.5']) assert.throws(() => jobsFrom(wrong), /at a time, 1 to 99/);
  });

  it('are counted together, unless one did not come to its end: too few would be told', () => {
    const counts = { passed: 2, failed: 1, skipped: 0 };
    assert.equal(addCounts([counts, counts]), '4 passed, 2 failed, 0 skipped');
    assert.equal(addCounts([counts, undefined]), undefined);
  });
});
