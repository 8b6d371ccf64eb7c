import {
  collectLogSchedule,
  forgetSchedule,
  reconcileSchedule,
  scanSchedule,
  type ScheduledWorkflow,
} from '../kit/client/index.js';
import { reclaimSchedule } from './sale.js';

/** Everything of the shop that runs again and again by itself; `schedules apply` makes them, a task queue has each once. */
export const shopSchedules: readonly ScheduledWorkflow[] = [
  scanSchedule,
  reclaimSchedule,
  reconcileSchedule,
  collectLogSchedule,
  forgetSchedule,
];
