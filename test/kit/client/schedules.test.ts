import assert from 'node:assert/strict';
import { pausedNote, pausedOf } from '../../../src/kit/client/schedules/paused.js';
import type { RunOutcome } from '../../../src/kit/client/schedules/read.js';
import { troubleOf } from '../../../src/kit/client/schedules/trouble.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.parse('2026-01-31T12:00:00Z');

describe('what a person should look at of a schedule', () => {
  const troubled = (everyMs: number, agoMs: number, outcomes: readonly RunOutcome[], isPaused = false) =>
    troubleOf({
      runs: outcomes.map((outcome) => ({ workflowId: 'w', at: NOW - agoMs, outcome, failure: 'no' })),
      since: NOW - agoMs,
      everyMs,
      paused: isPaused ? { reason: '' } : undefined,
      now: NOW,
    });

  it('is one that daily fails once; of one that runs often, when its newest have', () => {
    assert.match(
      troubled(24 * HOUR, HOUR, ['failed', 'completed']) ?? '',
      /^its last run has not done all \(failed: no\)$/,
    );
    assert.equal(troubled(24 * HOUR, HOUR, ['completed', 'failed', 'failed']), undefined);
    assert.equal(troubled(24 * HOUR, HOUR, ['running']), undefined);
    assert.match(
      troubled(24 * HOUR, HOUR, ['running', 'timed-out']) ?? '',
      /^its last run has not done all \(timed-out/,
    );
    assert.equal(troubled(MINUTE, MINUTE, ['failed']), undefined);
    assert.equal(troubled(MINUTE, MINUTE, ['failed', 'failed', 'completed']), undefined);
    assert.match(
      troubled(MINUTE, MINUTE, ['failed', 'terminated', 'failed']) ?? '',
      /^its last 3 runs have not done all/,
    );
    assert.match(troubled(MINUTE, MINUTE, ['running', 'failed', 'failed']) ?? '', /^its last 2 runs have not done all/);
  });

  it('is one that has not run for three turns, and half an hour at least: paused and forgotten, hung, or for no reason', () => {
    for (const [everyMs, quietMs] of [
      [5 * MINUTE, 30 * MINUTE],
      [24 * HOUR, 72 * HOUR],
    ] as const) {
      for (const isPaused of [true, false])
        assert.equal(troubled(everyMs, quietMs, ['completed'], isPaused), undefined);
      const late = quietMs + 1;
      assert.match(troubled(everyMs, late, ['completed'], true) ?? '', /^it is paused, and has not run since 2026-/);
      assert.match(
        troubled(everyMs, late, ['running']) ?? '',
        /^its run has not ended since 2026-.*: nothing else of it runs$/,
      );
      assert.match(troubled(everyMs, late, []) ?? '', /^nothing of it has run since 2026-/);
    }
  });

  it('who has paused it is read from its note, and what others have written is the reason', () => {
    for (const reason of ['the disk is full', 'by bob at 2026-01-01T00:00:00Z: no', 'two\nlines', '']) {
      const paused = { actor: 'ann at home', reason, at: NOW };
      assert.deepEqual(pausedOf(pausedNote(paused)), paused);
    }
    assert.deepEqual(pausedOf('Paused via the UI'), { reason: 'Paused via the UI' });
    assert.deepEqual(pausedOf(), { reason: '' });
  });
});
