import { upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';

/** Sets a search attribute, as a transaction does. */
export async function setsAttribute(name: string): Promise<void> {
  upsertSearchAttributes([{ key: defineSearchAttributeKey(name, 'KEYWORD'), value: 'set' }]);
  return Promise.resolve();
}
