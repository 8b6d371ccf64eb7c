import type { Lane } from '../workflow/index.js';
import { callerFaultKinds, faultKinds, type FaultKind } from './faults.js';

/** A lane of a matrix: how its transactions are driven. */
export interface MatrixLane {
  /**
   * Whether worker processes of the matrix are asked for the transactions, as the callers' processes that they also are; else
   * the matrix starts them as workflows.
   */
  readonly inCaller: boolean;
  /** What may befall them. */
  readonly kinds: readonly FaultKind[];
  /** Whether who made an attempt, as the guard's rows name it, is the lane's own driver: it is there that a fault has to strike. */
  readonly isOwn: (driver: string) => boolean;
}

/** The names of lanes. */
export type MatrixLaneName = Lane | 'direct';

const asWorkflow: MatrixLane = { inCaller: false, kinds: faultKinds, isOwn: () => true };

/** Every lane. */
export const matrixLanes: Readonly<Record<MatrixLaneName, MatrixLane>> = {
  durable: asWorkflow,
  lean: asWorkflow,
  direct: {
    inCaller: true,
    kinds: [...faultKinds, ...callerFaultKinds],
    isOwn: (driver) => driver.startsWith('direct:'),
  },
};
