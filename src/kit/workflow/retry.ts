import type { RetryPolicy } from '@temporalio/common';

/** A retry profile: how long one attempt of a call may take, and how often it is made again. */
export interface RetryProfile {
  /** One attempt, in milliseconds. */
  readonly startToCloseMs: number;
  /** A worker that is silent for so long is given up, in milliseconds. Local activities cannot heartbeat. */
  readonly heartbeatMs?: number;
  readonly retry: RetryPolicy;
}

const patient = { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 30_000 };

/**
 * The retry profiles and their figures, in one table. `maximumAttempts` counts the first attempt; without it a call is
 * retried for as long as it takes.
 *
 * | profile        | one attempt | worker silent | retries      | backoff        |
 * | -------------- | ----------- | ------------- | ------------ | -------------- |
 * | `action`       | 10 s        | 5 s           | 3 (option)   | 0.2, 1, 5 s    |
 * | `pivot`        | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `forward`      | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `compensation` | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `settle`       | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `local`        | 5 s         | –             | 3 (option)   | 0.1, 0.5, 2.5 s |
 * | `localForward` | 5 s         | –             | 2, then as `pivot` or `forward` | 0.1, 0.2 s |
 *
 * Three retries last through the restart of a database.
 */
export const retryProfiles = {
  action: {
    startToCloseMs: 10_000,
    heartbeatMs: 5_000,
    retry: { initialInterval: 200, backoffCoefficient: 5, maximumInterval: 5_000, maximumAttempts: 4 },
  },
  pivot: { startToCloseMs: 10_000, heartbeatMs: 5_000, retry: patient },
  forward: { startToCloseMs: 10_000, heartbeatMs: 5_000, retry: patient },
  compensation: { startToCloseMs: 10_000, heartbeatMs: 5_000, retry: patient },
  settle: { startToCloseMs: 10_000, heartbeatMs: 5_000, retry: patient },
  local: {
    startToCloseMs: 5_000,
    retry: { initialInterval: 100, backoffCoefficient: 5, maximumInterval: 2_500, maximumAttempts: 4 },
  },
  localForward: { startToCloseMs: 5_000, retry: { initialInterval: 100, maximumAttempts: 3 } },
} as const satisfies Record<string, RetryProfile>;

/** How long a compensation is tried before it waits for a person, counted from its own start: 30 minutes in milliseconds. */
export const COMPENSATION_WINDOW_MS = 30 * 60_000;
/** How long the pivot and each step after it are tried before they wait for a person: 30 minutes in milliseconds. */
export const FORWARD_WINDOW_MS = 30 * 60_000;
