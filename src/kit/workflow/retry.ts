import type { RetryPolicy } from '@temporalio/common';

/** A retry profile: how long one attempt of a call may take, and how often it is made again. */
export interface RetryProfile {
  /** One attempt, in milliseconds. */
  readonly startToCloseMs: number;
  /** A worker that is silent for so long is given up, in milliseconds. */
  readonly heartbeatMs?: number;
  readonly retry: RetryPolicy;
}

/** The retry profile of a local activity. */
interface LocalProfile {
  /** All attempts together, with what lies between them, in milliseconds. Local activities cannot heartbeat. */
  readonly withinMs: number;
  readonly retry: RetryPolicy & { readonly maximumAttempts: number };
}

const patient = { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 30_000 };
const insistent = { withinMs: 3_000, retry: { initialInterval: 100, maximumAttempts: 3 } };
const ordinary = { startToCloseMs: 10_000, heartbeatMs: 5_000 };

/**
 * The retry profiles and their figures, in one table. `maximumAttempts` counts the first attempt; without it a call is
 * retried for as long as it takes.
 *
 * | profile        | one attempt | worker silent | retries      | backoff        |
 * | -------------- | ----------- | ------------- | ------------ | -------------- |
 * | `action`       | 10 s        | 5 s           | 3 (option)   | 0.2, 1, 5 s    |
 * | `moved`        | 10 s        | 5 s           | those left   | 5 s            |
 * | `pivot`        | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `forward`      | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `compensation` | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `settle`       | 10 s        | 5 s           | for a window | 0.2 s … 30 s   |
 * | `checkBack`    | 10 s        | 5 s           | 14 (option)  | 1 s … 1 min    |
 *
 * Three retries last through the restart of a database.
 */
export const retryProfiles = {
  action: {
    ...ordinary,
    retry: { initialInterval: 200, backoffCoefficient: 5, maximumInterval: 5_000, maximumAttempts: 4 },
  },
  /** What has failed as a local activity: the quick retries are made. */
  moved: { ...ordinary, retry: { initialInterval: 5_000, backoffCoefficient: 1, maximumAttempts: 2 } },
  pivot: { ...ordinary, retry: patient },
  forward: { ...ordinary, retry: patient },
  compensation: { ...ordinary, retry: patient },
  settle: { ...ordinary, retry: patient },
  /** A producer's database that cannot be reached: fifteen tries take nine minutes, and the time of each. */
  checkBack: {
    ...ordinary,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000, maximumAttempts: 15 },
  },
} as const satisfies Record<string, RetryProfile>;

/**
 * What is tried as a local activity first, in the lean lane. A local activity keeps its workflow task open and hears of
 * nothing while it runs, so it is short; what it has not brought to an end goes on as an ordinary activity.
 *
 * | profile            | all attempts together | retries | backoff    | then                               |
 * | ------------------ | --------------------- | ------- | ---------- | ---------------------------------- |
 * | `action`           | 3 s                   | 1       | 0.1 s      | as `moved`; cut short: as `action` |
 * | `pivot`, `forward` | 3 s                   | 2       | 0.1, 0.2 s | as `pivot` or `forward`            |
 */
export const localProfiles = {
  action: { withinMs: 3_000, retry: { initialInterval: 100, maximumAttempts: 2 } },
  pivot: insistent,
  forward: insistent,
} as const satisfies Record<string, LocalProfile>;

/** How long a compensation is tried before it waits for a person, counted from its own start: 30 minutes in milliseconds. */
export const COMPENSATION_WINDOW_MS = 30 * 60_000;
/** How long the pivot and each step after it are tried before they wait for a person: 30 minutes in milliseconds. */
export const FORWARD_WINDOW_MS = 30 * 60_000;
