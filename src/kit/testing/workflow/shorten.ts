import { msToNumber } from '@temporalio/common/lib/time.js';
import { workflowInfo, type WorkflowInterceptors } from '@temporalio/workflow';

/**
 * Shortens the times of a matrix's transactions, so that an attempt that hangs takes a second or two and not ten. It
 * runs in the workflows of the matrix's workers only, and there only for transactions that carry its memo; a history
 * that was recorded so is replayed without it, as no command depends on it.
 */

/** The key of the memo that a matrix gives its transactions. */
export const MATRIX_MEMO = 'backstitchMatrix';

/** What the memo holds. */
export interface MatrixMemo {
  /** How long one attempt may take at most, in milliseconds. */
  readonly attemptMs: number;
  /** How long a worker may be silent, in milliseconds. */
  readonly silentMs: number;
  /** How long a workflow task may take, in milliseconds. */
  readonly taskMs: number;
}

/** Waits between attempts are divided by this. */
const FASTER = 20;
/** How the kit's own activities are named; the only local one is a group's turn. */
const OWN = 'backstitch.';
/** The longest wait between attempts, in milliseconds. */
const LONGEST_WAIT = 500;

type Given = Parameters<typeof msToNumber>[0] | undefined;

interface Times {
  startToCloseTimeout?: Given;
  scheduleToCloseTimeout?: Given;
  heartbeatTimeout?: Given;
  retry?: { initialInterval?: Given; maximumInterval?: Given };
}

function memoOf(): MatrixMemo | undefined {
  return workflowInfo().memo?.[MATRIX_MEMO] as MatrixMemo | undefined;
}

function shortened<Options extends Times>(options: Options): Options {
  const memo = memoOf();
  if (memo === undefined) return options;
  const { attemptMs, silentMs } = memo;
  const { startToCloseTimeout, scheduleToCloseTimeout, heartbeatTimeout, retry } = options;
  const least = (given: Given, ms: number) => (given === undefined ? ms : Math.min(msToNumber(given), ms));
  const wait = (given: Given, otherwise: number) =>
    Math.max(1, Math.min(LONGEST_WAIT, Math.round((given === undefined ? otherwise : msToNumber(given)) / FASTER)));
  return {
    ...options,
    startToCloseTimeout: least(startToCloseTimeout ?? scheduleToCloseTimeout, attemptMs),
    ...(heartbeatTimeout !== undefined && { heartbeatTimeout: least(heartbeatTimeout, silentMs) }),
    retry: {
      ...retry,
      initialInterval: wait(retry?.initialInterval, 1_000),
      maximumInterval: wait(retry?.maximumInterval, 10_000),
    },
  };
}

/** What the SDK looks for in a module of interceptors. */
export const interceptors = (): WorkflowInterceptors => ({
  outbound: [
    {
      scheduleActivity: (input, next) => next({ ...input, options: shortened(input.options) }),
      // A group's turn has limits of its own, below those of its calls together.
      scheduleLocalActivity: (input, next) =>
        next(input.activityType.startsWith(OWN) ? input : { ...input, options: shortened(input.options) }),
      // What leaves a group is as short as what never was in one.
      startChildWorkflowExecution: (input, next) => {
        const memo = memoOf();
        if (memo === undefined) return next(input);
        const { options } = input;
        return next({
          ...input,
          options: { ...options, memo: { ...options.memo, [MATRIX_MEMO]: memo }, workflowTaskTimeout: memo.taskMs },
        });
      },
    },
  ],
});
