/**
 * `backstitch/testing`: the crash matrix, which runs a saga through every fault at every operation; see docs/testing.md.
 */
export { matrixCases, type CaseOptions, type MatrixCase, type MatrixSteps, type StepKind } from './cases.js';
export {
  callerFaultKinds,
  faultKinds,
  groupFaultKinds,
  type FaultKind,
  type MatrixFault,
  type MatrixOperation,
} from './faults.js';
export type { MatrixCallers } from './callers.js';
export type { MatrixLaneName } from './lanes.js';
export { crashMatrix } from './matrix.js';
export type { MatrixOptions } from './options.js';
export { matrixFaults, type MatrixFaults } from './matrix-faults.js';
export type { DriveTimes } from './protocol.js';
export { type MatrixDeskCase, type MatrixReport, type MatrixResult } from './result.js';
export { matrixTable } from './table.js';
export { type WorkerProgram } from './workers.js';
