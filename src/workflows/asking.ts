import { proxyActivities } from '@temporalio/workflow';
import type { ShopActivities } from '../activities/index.js';

/** How what belongs to no transaction is asked: each is idempotent, and can be run again at any time. */

export const asked = proxyActivities<ShopActivities>({
  startToCloseTimeout: '10 seconds',
  // What breaks the contract, or what a service refuses, is refused for good.
  retry: { maximumAttempts: 10, nonRetryableErrorTypes: ['Rejection'] },
});

/** For somebody who waits: what cannot be asked is asked once more, and then told. */
export const looking = proxyActivities<ShopActivities>({
  startToCloseTimeout: '5 seconds',
  retry: { initialInterval: '500 milliseconds', maximumAttempts: 2, nonRetryableErrorTypes: ['Rejection'] },
});
