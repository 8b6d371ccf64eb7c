import type { ClientInterceptors } from '@temporalio/client';
import type { ThreePhaseOptions } from '../../src/kit/workflow/index.js';
import type { TransactionName } from './business/business.js';

const THREE_PHASE: TransactionName = 'transfer3pc';

/**
 * How long a participant of a three-phase commit waits for its coordinator before it decides by itself. Faults may follow upon each
 * other, and on a slow machine everything stands still for longer than they last: with the usual half a minute participants could
 * decide differently, as that scheme permits, and a run would fail in which nothing is wrong. No run stands still for so long.
 */
const TIMEOUT = '10 minutes' satisfies ThreePhaseOptions['timeout'];

/** Has a client start three-phase commits with that patience. */
export const patience: ClientInterceptors = {
  workflow: [
    {
      startWithDetails: (input, next) => {
        if (input.workflowType !== THREE_PHASE) return next(input);
        const [asked, given] = input.options.args as [unknown, ThreePhaseOptions?];
        return next({ ...input, options: { ...input.options, args: [asked, { ...given, timeout: TIMEOUT }] } });
      },
    },
  ],
};
