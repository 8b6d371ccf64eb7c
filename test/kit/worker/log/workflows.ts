import { ApplicationFailure } from '@temporalio/common';
import { condition, defineUpdate, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { TX_BRANCH, TX_SCHEME, TX_STATE, TX_STUCK_SINCE } from '../../../../src/kit/workflow/index.js';

export { collectLog, showLog } from '../../../../src/kit/workflow/index.js';

/** What a person decides in this test. */
export interface Decided {
  readonly actor?: string;
  readonly branch: string;
  readonly action: 'retry' | 'resolve' | 'fail';
  readonly reason: string;
  readonly input?: unknown;
}

/** A transaction that waits for a person until one resolves it; then it commits, and nothing shows that it had waited. */
export async function waitsForPerson(): Promise<string> {
  upsertSearchAttributes([
    { key: TX_SCHEME, value: 'saga' },
    { key: TX_STATE, value: 'stuck' },
    { key: TX_STUCK_SINCE, value: new Date() },
    { key: TX_BRANCH, value: ['pay'] },
  ]);
  let resolved = false;
  const decide = ({ action }: Decided): string => {
    if (action === 'fail') throw ApplicationFailure.nonRetryable('the bank is closed', 'BankClosed');
    resolved ||= action === 'resolve';
    return 'noted';
  };
  const validator = ({ actor }: Decided) => {
    if (actor === undefined) throw ApplicationFailure.nonRetryable('say who you are', 'NoActor');
  };
  setHandler(defineUpdate<string, [Decided]>('decide'), decide, { validator });
  setHandler(defineUpdate<string, [Decided]>('operate'), decide);
  await condition(() => resolved);
  upsertSearchAttributes([
    { key: TX_STATE, value: 'committed' },
    { key: TX_STUCK_SINCE, value: null },
    { key: TX_BRANCH, value: null },
  ]);
  return 'resolved';
}
