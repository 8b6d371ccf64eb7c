import assert from 'node:assert/strict';
import { ActivityFailure, ApplicationFailure, RetryState, TimeoutFailure, TimeoutType } from '@temporalio/common';
import { judge } from '../../../src/kit/workflow/calls.js';

describe('what is known of a call that failed', () => {
  const failed = (cause: Error) =>
    new ActivityFailure('failed', 'shop.pay.action', '1', RetryState.NON_RETRYABLE_FAILURE, 'worker', cause);
  const decided = (type: string, detail?: unknown) =>
    judge(
      failed(ApplicationFailure.create({ type, message: 'why', nonRetryable: true, details: detail ? [detail] : [] })),
    );

  it('what the guard decided is rejected', () => {
    const no = { knowledge: 'rejected', type: 'No', message: 'why' };
    assert.deepEqual(decided('No', { backstitch: 'rejected' }), no);
    assert.deepEqual(decided('No', { backstitch: 'mismatch' }), { ...no, mismatch: true });
    assert.deepEqual(decided('No', { backstitch: 'suspended' }), { ...no, suspended: true });
  });

  it('what was settled is rejected, and says whether it never happened, or with what result it was undone', () => {
    const rejected = { knowledge: 'rejected', message: 'why' };
    assert.deepEqual(decided('Barred', { backstitch: 'barred' }), {
      ...rejected,
      type: 'Barred',
      settled: { kind: 'barred' },
    });
    assert.deepEqual(decided('Undone', { backstitch: 'undone', result: { id: 1 } }), {
      ...rejected,
      type: 'Undone',
      settled: { kind: 'undone', result: { id: 1 } },
    });
    // A result that was undefined does not travel.
    assert.deepEqual(decided('Undone', { backstitch: 'undone' }).settled, { kind: 'undone', result: undefined });
  });

  it('everything else is unknown, whatever its details are', () => {
    for (const detail of [undefined, 'text', 1, { why: 1 }]) {
      assert.deepEqual(decided('Undecidable', detail), { knowledge: 'unknown', type: 'Undecidable', message: 'why' });
    }
    const late = failed(new TimeoutFailure('late', undefined, TimeoutType.START_TO_CLOSE));
    assert.equal(judge(late).knowledge, 'unknown');
  });
});
