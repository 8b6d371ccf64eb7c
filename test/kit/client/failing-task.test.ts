import assert from 'node:assert/strict';
import type { Client } from '@temporalio/client';
import { failingTask } from '../../../src/kit/client/failing-task.js';

const run = { workflowId: 'order-1', runId: 'r-1', raw: { pendingWorkflowTask: { attempt: 9 } } };

/** A server that has this history, the newest event first, in pages. */
function serverWith(pages: readonly (readonly object[])[]): { client: Client; read: () => number } {
  let read = 0;
  const workflowService = {
    getWorkflowExecutionHistoryReverse: ({ nextPageToken: [page = 0] = [] }: { nextPageToken?: number[] }) => {
      read++;
      const nextPageToken = page + 1 < pages.length ? [page + 1] : [];
      return Promise.resolve({ history: { events: pages[page] }, nextPageToken });
    },
  };
  return { client: { options: { namespace: 'n' }, workflowService } as unknown as Client, read: () => read };
}

const signal = { workflowExecutionSignaledEventAttributes: {} };
const timedOut = { workflowTaskTimedOutEventAttributes: {} };
const done = { workflowTaskCompletedEventAttributes: {} };
const failed = {
  eventTime: { seconds: 7 },
  workflowTaskFailedEventAttributes: { cause: 24, failure: { message: '[TMPRL1100] does not fit\nat a place' } },
};

describe('a task that keeps failing', () => {
  it('has the cause of its first try, behind all messages that came since, and nothing from before the last that was done', async () => {
    const { client } = serverWith([
      Array.from({ length: 200 }, () => signal),
      [signal, failed, signal, done, timedOut],
    ]);
    const task = await failingTask(client, run);
    assert.deepEqual(task, {
      attempts: 9,
      since: 7_000,
      cause: '[TMPRL1100] does not fit',
      isOutOfTime: false,
      isNonDeterminism: true,
    });
  });

  it('runs out of time, as far as is known, where no try of it has failed otherwise', async () => {
    const { client } = serverWith([[signal], [timedOut, signal, done, failed]]);
    const task = await failingTask(client, run);
    assert.deepEqual([task?.isOutOfTime, task?.isNonDeterminism, task?.cause], [true, false, undefined]);
  });

  it('is not looked for without end', async () => {
    const { client, read } = serverWith(Array.from({ length: 1_000 }, () => [timedOut]));
    const task = await failingTask(client, run);
    assert.deepEqual([task?.isOutOfTime, read()], [false, 20]);
  });
});
