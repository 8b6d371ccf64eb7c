import type { Lane } from '../workflow/index.js';
import { isGroupDriver } from '../workflow/fate.js';
import { agentFaultKinds, callerFaultKinds, faultKinds, groupFaultKinds, type FaultKind } from './faults.js';

/** A lane of a matrix: how its transactions are driven. */
export interface MatrixLane {
  /**
   * Whether worker processes of the matrix are asked for the transactions, as the callers' processes that they also are; else
   * the matrix starts them as workflows.
   */
  readonly inCaller: boolean;
  /** Whether a worker drives what callers have asked for, each transaction in a group with others that nothing befalls. */
  readonly inGroups: boolean;
  /** Whether a deadline is given at the start, as none can be set later. */
  readonly deadlineGiven: boolean;
  /** What may befall them. */
  readonly kinds: readonly FaultKind[];
  /** Whether who made an attempt, as the guard's rows name it, is the lane's own driver: it is there that a fault has to strike. */
  readonly isOwn: (driver: string) => boolean;
}

/** The names of lanes. */
export type MatrixLaneName = Lane | 'direct' | 'grouped';

const asWorkflow: MatrixLane = {
  ...{ inCaller: false, inGroups: false, deadlineGiven: false },
  kinds: faultKinds,
  isOwn: () => true,
};

/** That of three-phase commits: workflows too, with agents beside them. */
export const threePhaseLane: MatrixLane = {
  ...asWorkflow,
  deadlineGiven: true,
  kinds: [...faultKinds, ...agentFaultKinds],
};

/** Every lane. */
export const matrixLanes: Readonly<Record<MatrixLaneName, MatrixLane>> = {
  durable: asWorkflow,
  lean: asWorkflow,
  direct: {
    inCaller: true,
    inGroups: false,
    deadlineGiven: true,
    kinds: [...faultKinds, ...callerFaultKinds],
    isOwn: (driver) => driver.startsWith('direct:'),
  },
  grouped: {
    inCaller: true,
    inGroups: true,
    deadlineGiven: true,
    // Nothing is announced that a relay could take over: it is rivals who do.
    kinds: [...faultKinds, 'rival-before', 'rival-after', ...groupFaultKinds],
    isOwn: isGroupDriver,
  },
};
