import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from '@temporalio/worker';

/**
 * Modules that all workflows of a worker share, and are not evaluated again for each: the kit's, and the SDK's with
 * them. They keep no state of a workflow. For a bundle that is made beforehand: `bundleWorkflowCode({ preloadModules })`.
 */
export const preloadModules: string[] = [
  '@temporalio/workflow',
  fileURLToPath(new URL(`../workflow/index${extname(import.meta.url)}`, import.meta.url)),
];

/**
 * Settings of a worker that runs transactions: pollers, caches and slots. They were chosen by measuring; the figures
 * are in docs/performance.md. Those of the sandbox (threads, contexts, debug mode) were measured too, and are the SDK's.
 */
export const transactionWorkerOptions = {
  // More workflows than are ever in flight: one that is evicted is replayed from its history at its next task.
  maxCachedWorkflows: 2_000,
  maxConcurrentWorkflowTaskExecutions: 100,
  maxConcurrentActivityTaskExecutions: 100,
  maxConcurrentLocalActivityExecutions: 100,
  workflowTaskPollerBehavior: { type: 'autoscaling' },
  activityTaskPollerBehavior: { type: 'autoscaling' },
  bundlerOptions: { preloadModules },
  // Steps are short: what runs when a worker is asked to stop gets this long to end.
  shutdownGraceTime: '10 seconds',
} as const satisfies Partial<WorkerOptions>;
