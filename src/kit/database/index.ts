/**
 * `backstitch/database`: makes operations happen at most once, in the participant's own database, with any client.
 */
export { pgDatabase, type PgOptions } from './adapters/pg.js';
export type { PgClient, PgPool } from './adapters/pg-pool.js';
export { NotCommitted } from './adapters/not-committed.js';
export { postgresJsDatabase, type PostgresJs, type PostgresJsOptions } from './adapters/postgres-js.js';
export { announcementsOf, type Announcements, type TakenOver } from './announcement/announcements.js';
export { checkBackOnly } from './guard/check-back.js';
export {
  createGuard,
  guardPhase1,
  recordRejection,
  type Guard,
  type Guarded,
  type GuardOptions,
  type PhaseOptions,
  type Probe,
} from './guard/guard.js';
export { guardConfirm, guardUndo } from './guard/phase2.js';
export type { AtOnce, Statement } from './guard/at-once.js';
export { guardSettle, settledResult, type Settled } from './guard/settle.js';
export { UnstorableResult } from './guard/json.js';
export { createOutbound, type Outbound } from './guard/outbound.js';
export { recordFound } from './guard/outbound-found.js';
export { KEY_LIFETIME_MS, type OutboundOptions, type OutboundRequest, type Sending } from './guard/outbound-request.js';
export { forgetGuards, GUARD_RETENTION_DAYS } from './guard/retention.js';
export { guardMigrations } from './guard/schema.js';
export {
  createExecutions,
  ExecutionTakenOver,
  type Executed,
  type Execution,
  type ExecutionKey,
  type ExecutionOptions,
  type Executions,
} from './idempotency/execution.js';
export { insertOrRead, OtherFact, type Fact, type Stated } from './idempotency/insert-or-read.js';
export {
  createMarkers,
  MARKER_TTL_MS,
  markersIn,
  type MarkerOptions,
  type Markers,
  type MarkerStore,
  type Once,
} from './idempotency/marker.js';
export { EXECUTION_RETENTION_DAYS, forgetExecutions, forgetMarkers } from './idempotency/retention.js';
export { idempotencyMigrations } from './idempotency/schema.js';
export { moveState, type Moved, type StatefulRow, type StateMove } from './idempotency/state-guarded.js';
export { updateVersioned, VersionConflict, type VersionedRow } from './idempotency/versioned.js';
export type { Values } from './identifiers.js';
export { OutOfOrder } from './inbox/claim.js';
export { createInbox, type Handled, type Inbox, type InboxOptions } from './inbox/inbox.js';
export { forgetInbox, INBOX_RETENTION_DAYS } from './inbox/retention.js';
export { inboxMigrations } from './inbox/schema.js';
export { inboxSink, type InboxSinkOptions, type MessageHandler } from './inbox/sink.js';
export type { KeepingRemoval, Removal } from './batches.js';
export { fence, Fenced, forgetFences } from './lock/fence.js';
export { leaseLockIn } from './lock/hold.js';
export {
  LeaseLost,
  LockUnavailable,
  type Held,
  type HoldOptions,
  type Lease,
  type LeaseLock,
  type LeaseOptions,
  type LeaseStore,
  type Taken,
} from './lock/lease.js';
export { createLeaseLock, forgetLeases, LOCK_RETENTION_DAYS } from './lock/postgres.js';
export { lockMigrations } from './lock/schema.js';
export {
  createSemanticLock,
  ObjectLocked,
  semanticLockSteps,
  type Locked,
  type LockedObject,
  type LockSteps,
  type SemanticLock,
} from './lock/semantic.js';
export { masksOf, type Masks } from './log/mask.js';
export { forgetLog, LOG_RETENTION_DAYS } from './log/retention.js';
export { logMigrations } from './log/schema.js';
export { listInDoubt, proofOf, type InDoubt, type InDoubtOptions } from './prepared/in-doubt.js';
export type { NamedBranch } from './prepared/name.js';
export { wrongForPrepared } from './prepared/preflight.js';
export { createPrepared, type Prepared, type PreparedOptions } from './prepared/prepared.js';
export { migrate, MigrationError, type Migration } from './migrate.js';
export {
  Barred,
  Decided,
  DrivenElsewhere,
  InputMismatch,
  Rejection,
  RowGone,
  Suspended,
  Undecidable,
  Undone,
} from './rejection.js';
export {
  createOccupancy,
  HOLD_MS,
  PoolConflict,
  readPools,
  type DuePlace,
  type NewPool,
  type Occupancy,
  type OccupiedRow,
  type OccupiedState,
  type Occupy,
  type OccupyAnswer,
  type PoolState,
} from './occupancy/occupancy.js';
export { forgetOccupancy, forgottenOf, haveForgotten, OCCUPANCY_RETENTION_DAYS } from './occupancy/retention.js';
export { reclaimDue, type BarAnswer, type ReclaimedBatch, type ReclaimOptions } from './occupancy/reclaim.js';
export { occupancyMigrations } from './occupancy/schema.js';
export type { Database, Sql, TransactionSql } from './sql.js';
export { rejectionOf } from './sqlstate.js';
export { machineRows, type MachineRowsOptions, type MachineRowsParticipant } from './state-machine/machine-rows.js';
export { machineMovesTable } from './state-machine/schema.js';
export type { StateOperation } from './state-table/call.js';
export type { StateCall, StateOperations } from './state-table/calls.js';
export type { StateLimits } from './state-table/limits.js';
export { forgetStates } from './state-table/retention.js';
export { stateTableMigrations } from './state-table/schema.js';
export {
  createStateTable,
  StateTableConflict,
  StateTableUnavailable,
  type StateTable,
  type StateTableOptions,
} from './state-table/state-table.js';
export { Together, TooMany, type TogetherOptions } from './together.js';
export { CallRefused, UndoFailed, type Begun, type BeginOptions, type MethodCall } from './transactional/begun.js';
export {
  transactional,
  type Plan,
  type Transactional,
  type TransactionalMethods,
  type TransactionalParticipant,
} from './transactional/transactional.js';
export type { Branch, Op, Operation } from '../workflow/branch.js';
export type { State, StateAnswer, StateFailure, StateRow } from '../workflow/state-table/row.js';
export type { Content, Message } from '../messages/message.js';
export { HeldUp, NotYet, Poison, SinkUnavailable, type Delivered, type Sink } from '../messages/sink.js';
export { findLetters, listLetters, type Letter, type LetterFilter } from './outbox/letters.js';
export { createOutbox, type NewMessage, type Outbox, type OutboxOptions, type Stream } from './outbox/outbox.js';
export { DECISIONS_RETENTION_DAYS, forgetDecisions } from './outbox/retention.js';
export { outboxMigrations } from './outbox/schema.js';
export type { Subscribers } from './outbox/subscribers.js';
export { agree, readBoth, type Both } from './reconcile/afresh.js';
export type { Drift, DriftClass, Look, Pair, PairSide, Repair, RunsOf } from './reconcile/pair.js';
export type { Side, SidePart } from './reconcile/side.js';
