import type { ThreePhaseOptions } from '../workflow/index.js';
import type { MatrixOrder } from './driver.js';
import {
  isUndo,
  kills,
  killsCaller,
  lasts,
  standsStill,
  waitsForDeadline,
  whichOf,
  type MatrixFault,
} from './faults.js';
import { threePhaseLane, type MatrixLane } from './lanes.js';
import type { MatrixOptions } from './options.js';

/** A worker that is silent for so long counts as dead, in milliseconds. */
const SILENT_MS = 1_500;
/** A workflow task that a killed worker had begun is another's soon: after so long, in milliseconds. */
const TASK_MS = 3_000;
/** The same of a group: a task of it makes calls, each of which may take two seconds, and is done again when it is late. */
const GROUP_TASK_MS = { killed: 5_000, steady: 10_000 } as const;
/** The deadline of a case in which it is to pass after the pivot or in the undo, or where no workflow has it. */
const DEADLINE_MS = 5_000;
/** The same in a group, where no call may wait for longer than two seconds. */
const GROUP_DEADLINE_MS = 1_000;
/** The same before all are prepared in a three-phase commit, where an attempt stands still until then. */
const VOTE_DEADLINE_MS = 1_500;
/** How long an agent has to answer: so many attempts. */
const ANSWER_ATTEMPTS = 2.5;
/** How long an agent waits before it decides by itself: so many times as long as it has to answer. */
const TIMEOUT_ANSWERS = 2.5;
/** How long a call in a caller's process may take that stands still for another driver or the deadline. */
const STILL_MS = 10_000;
/** A call waits so long, besides, where a process is killed. */
const KILL_MS = 1_500;
/** Until what is driven in a caller's process is taken over so many calls may take their whole time. */
const CALLS = 3;

/** The task queues of a matrix: of the worker that nobody kills, and of the one that is killed. */
export interface Queues {
  readonly steady: string;
  readonly killed: string;
}

/** What a transaction is ordered by. */
export interface OrderOf {
  readonly gid: string;
  readonly neighbours: readonly string[];
  readonly options: MatrixOptions;
  readonly lane: MatrixLane;
  readonly queues: Queues;
  readonly faults: readonly MatrixFault[];
  /** The times of this run of its case are so often the usual ones. */
  readonly longer: number;
}

/** How a transaction is asked for, with the times that its faults need. */
export function orderOf({ gid, neighbours, options, lane, queues, faults, longer }: OrderOf) {
  const { input, call, attemptMs = 2_000, windowMs = 6_000 } = options;
  const killed = faults.some(kills);
  // What waits for others at its point must not time out meanwhile, nor what waits for another worker.
  const patience = longer * (killed ? 2 : 1);
  const lasting = faults.filter(lasts);
  const window = windowMs * patience;
  const callMs = faults.some(standsStill) ? STILL_MS : attemptMs + (killed ? KILL_MS : 0);
  const taskMs = lane.inGroups ? GROUP_TASK_MS[killed ? 'killed' : 'steady'] : TASK_MS;
  const places = placesOf(lane, queues, faults);
  const waiting = faults.find((fault) => waitsForDeadline(fault, lane.deadlineGiven));
  const deadline = waiting && deadlineMs(lane, waiting) * longer;
  const attempt = attemptMs * patience;
  return {
    gid,
    input: input(gid),
    neighbours: neighbours.map((each) => ({ gid: each, input: input(each) })),
    call:
      lane === threePhaseLane
        ? { ...threePhaseTimes(attempt, faults, window), deadline }
        : {
            ...{ ...call, retries: 2 },
            // What cannot be done for long goes to the desk soon.
            ...(lasting.some(({ operation }) => isUndo(operation)) && { compensationWindow: window }),
            ...(lasting.some(({ operation }) => !isUndo(operation)) && { forwardWindow: window }),
            deadline,
          },
    asked: places.asked,
    terms: {
      taskQueue: places.taskQueue,
      memo: { attemptMs: attempt, silentMs: SILENT_MS * longer, taskMs },
    },
    times: { callMs: callMs * longer, takeOverMs: callMs * longer * CALLS },
  } satisfies MatrixOrder;
}

function deadlineMs(lane: MatrixLane, { operation }: MatrixFault): number {
  const which = whichOf(operation);
  if (lane === threePhaseLane && (which === 'look' || which === 'first')) return VOTE_DEADLINE_MS;
  return lane.inGroups ? GROUP_DEADLINE_MS : DEADLINE_MS;
}

/** The times of a three-phase commit. */
function threePhaseTimes(attempt: number, faults: readonly MatrixFault[], window: number): ThreePhaseOptions {
  const answer = attempt * ANSWER_ATTEMPTS;
  const timeout = answer * TIMEOUT_ANSWERS;
  const waits = faults.some(
    (fault) => lasts(fault) && (whichOf(fault.operation) === 'confirm' || isUndo(fault.operation)),
  );
  // Who settles a coordinator waits for the agents' timers within its window, too.
  const settles = faults.some(({ kind }) => kind.startsWith('terminated-'));
  return { answer, timeout, ...(waits && { window: settles ? window + timeout : window }) };
}

/** Which process is asked, and where the transaction's workflow runs: what is to be killed is of the queue for that. */
function placesOf(
  lane: MatrixLane,
  { steady, killed }: Queues,
  faults: readonly MatrixFault[],
): { readonly asked: string; readonly taskQueue: string } {
  const queue = faults.some(kills) ? killed : steady;
  if (!lane.inCaller) return { asked: queue, taskQueue: queue };
  // What a caller's process has begun that is killed goes on elsewhere.
  if (!lane.inGroups) return { asked: queue, taskQueue: steady };
  return {
    asked: faults.some(killsCaller) ? killed : steady,
    taskQueue: faults.some((fault) => kills(fault) && !killsCaller(fault)) ? killed : steady,
  };
}
