/** `backstitch/worker`: makes participants into activities, and settings for the worker that runs them. */
export {
  participantActivities,
  type ParticipantActivitiesOptions,
  type ParticipantImplementation,
} from './activities.js';
export { scanActivities } from './scan.js';
export { transactionLogger } from './logger.js';
export { preloadModules, transactionWorkerOptions } from './settings.js';
