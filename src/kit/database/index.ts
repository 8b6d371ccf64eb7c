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
export { OutOfOrder } from './inbox/claim.js';
export { createInbox, type Handled, type Inbox, type InboxOptions } from './inbox/inbox.js';
export { forgetInbox, INBOX_RETENTION_DAYS } from './inbox/retention.js';
export { inboxMigrations } from './inbox/schema.js';
export { inboxSink, type InboxSinkOptions, type MessageHandler } from './inbox/sink.js';
export { masksOf, type Masks } from './log/mask.js';
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
export type { Database, Sql, TransactionSql } from './sql.js';
export { rejectionOf } from './sqlstate.js';
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
export { outboxMigrations } from './outbox/schema.js';
export type { Subscribers } from './outbox/subscribers.js';
export { agree, readBoth, type Both } from './reconcile/afresh.js';
export type { Drift, DriftClass, Executions, Look, Pair, PairSide, Repair } from './reconcile/pair.js';
export type { Side, SidePart } from './reconcile/side.js';
