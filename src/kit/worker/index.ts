/** `backstitch/worker`: makes participants into activities, collects the compensation log, and settings for the worker. */
export { participantActivities, type ParticipantActivitiesOptions } from './activities.js';
export type { ParticipantImplementation } from '../direct/participants.js';
export { adoptActivities, type ParticipantDatabases } from './adopt.js';
export { groupActivities, type GroupActivitiesOptions } from './group.js';
export { startRelay, type Relay, type RelayOptions } from './relay.js';
export { scanActivities, type ScanOptions } from './scan.js';
export type { ExpiredHolds } from './expired-holds.js';
export type { ExpiredHold } from '../workflow/scan.js';
export { forgetActivities, type ForgetOptions } from './retention/activities.js';
export type { Forgetter, Forgetting } from './retention/forgetters.js';
export type { Needs } from './retention/needed.js';
export { logActivities, type LogOptions } from './log/activities.js';
export { refusalActivities, type RefusalsOptions } from './log/refusals.js';
export { alarmActivities, type AlarmActivities, type AlarmActivitiesOptions } from './alarms.js';
export { AlarmNotDelivered, logSink, webhookSink, type AlarmSink, type WebhookSinkOptions } from './alarm-sinks.js';
export {
  relayActivities,
  type RelayActivities,
  type RelayActivitiesOptions,
  type RelayedOutbox,
} from './outbox/activities.js';
export type { RelayRules } from './outbox/rules.js';
export { temporalSink, type TemporalSinkOptions, type TemporalTarget } from './outbox/temporal-sink.js';
export { reconcileActivities, type ReconcileOptions } from './reconcile/activities.js';
export { startStateScan, type StateScanning, type StateScanOptions } from './state-table/scan.js';
export { stateDeskActivities, type StateTables } from './state-table/desk.js';
export { machineActivities, type MachineActivities } from './machine.js';
export { deploymentOptions, type Deployment } from './deployment.js';
export { threePhaseActivities, type AgentAddress, type ThreePhaseActivitiesOptions } from './three-phase.js';
export { transactionLogger } from './logger.js';
export { preloadModules, transactionWorkerOptions } from './settings.js';
