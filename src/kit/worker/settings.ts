import type { WorkerOptions } from '@temporalio/worker';

/**
 * Settings of a worker that runs transactions: pollers, caches and slots. They were chosen by measuring; the figures
 * are in docs/performance.md.
 */
export const transactionWorkerOptions = {
  // More workflows than are ever in flight: one that is evicted is replayed from its history at its next task.
  maxCachedWorkflows: 2_000,
  maxConcurrentWorkflowTaskExecutions: 100,
  maxConcurrentActivityTaskExecutions: 100,
  maxConcurrentLocalActivityExecutions: 100,
  workflowTaskPollerBehavior: { type: 'autoscaling' },
  activityTaskPollerBehavior: { type: 'autoscaling' },
  // Steps are short: what runs when a worker is asked to stop gets this long to end.
  shutdownGraceTime: '10 seconds',
} as const satisfies Partial<WorkerOptions>;
