/**
 * `backstitch/client`: what callers of transactions use: start them, wait, list, look. Knows Temporal only.
 */
export { decideMany, previewDesk, type BulkOrder, type BulkReport } from './bulk.js';
export { countDesk, listDesk, type DeskFilter, type StuckTransaction } from './desk.js';
export { testAlarm } from './alarms.js';
export {
  GidConflict,
  JournalUnreadable,
  NotStarted,
  NoWorker,
  OrderRefused,
  ResultNotKept,
  ServerNotPrepared,
  ServerUnavailable,
  TransactionCompensated,
  TransactionFailed,
  TransactionNotFound,
  TransactionPending,
  TransactionTerminated,
  WorkerSilent,
} from './errors.js';
export {
  machineClient,
  type MachineClient,
  type MachineContract,
  type SendOptions,
  type StartedMachine,
} from './machine.js';
export { EventRefused, IllegalTransition, MachineNotBegun, TransitionUndone } from './machine-errors.js';
export type {
  DeadlineNote,
  DeadlineOrder,
  EventAnswer,
  MachineResult,
  MachineView,
} from '../workflow/state-machine/protocol.js';
export { decide, operate } from './operate.js';
export { deskActions, type DeskAction, type DeskCase, type DeskNote, type DeskOrder } from '../workflow/desk.js';
export { type OperatorAction, type OperatorNote, type OperatorOrder } from '../workflow/operate.js';
export { decideMessages, readLog, runJob, scanNow, showMessages } from './jobs.js';
export { countRefusals, refusalRate, suggestOrder, type StepNeeds, type SuggestedOrder } from './refusals.js';
export type { RefusalsOrder, StepCount, StepCounts } from '../workflow/refusals.js';
export { reconcileNow, type ReconcileWait } from './reconcile.js';
export type {
  Finding,
  PairReport,
  ReconcileOrder,
  ReconcileProgress,
  ReconcileReport,
} from '../workflow/reconcile/reconcile.js';
export { startRelays, type StartedOutbox } from './outbox.js';
export type {
  LettersDecided,
  LettersFilter,
  LettersOrder,
  ShownLetter,
  ShownMessages,
  ShownStream,
} from '../workflow/outbox.js';
export type { GroupOptions } from './group.js';
export { promote, type JournalPlace, type PromotedTransaction } from './journal.js';
export type { PromoteOrder } from '../workflow/journal.js';
export { describeIssue, InvalidInput, parserOf, type InputIssue, type StandardSchema } from './input.js';
export {
  foundStates,
  listTransactions,
  schemes,
  type FoundState,
  type ListedTransaction,
  type ListOptions,
} from './list.js';
export type { DirectLane } from './direct-lane.js';
export {
  messageSender,
  type MessageContract,
  type MessageLocal,
  type MessageSender,
  type PreparedMessage,
  type PrepareMessageOptions,
} from './message.js';
export { hasWorker } from './server.js';
export {
  transactionClient,
  type CallOptions,
  type StartedTransaction,
  type StartOptions,
  type Transaction,
  type TransactionClientOptions,
  type TransactionContract,
  type WaitOptions,
} from './transactions.js';
export { retries } from './retries.js';
export { applySchedules, type AppliedSchedule, type ApplyOptions } from './schedules/apply.js';
export {
  collectLogSchedule,
  forgetSchedule,
  reconcileSchedule,
  scanSchedule,
  type ScheduledWorkflow,
  type TimeOfDay,
} from './schedules/definition.js';
export {
  pauseSchedule,
  resumeSchedule,
  runSchedule,
  ScheduleNotFound,
  type AskedRun,
  type ScheduleOrder,
  type WhichSchedule,
} from './schedules/operate.js';
export type { Paused } from './schedules/paused.js';
export { listSchedules, type RunOutcome, type ScheduleRun, type ShownSchedule } from './schedules/read.js';
export type { TestedAlarm } from '../workflow/alarms.js';
export type { LogEntry, LogPage } from '../workflow/log.js';
export type { ExpiredHold, FailingRun, OrphanedHold, ScanOrder, ScanReport } from '../workflow/scan.js';
export { failingMessage } from '../workflow/scan-alarms.js';
export type { FailingTask } from './failing-task.js';
export { showTransaction } from './show/show.js';
export type { ShownBranch, ShownCall, ShownDriver, ShownTransaction } from './show/shown.js';
export { barringOf } from '../workflow/view.js';
