/**
 * `backstitch/workflow`: what a transaction's code uses. Deterministic; loads in Temporal's workflow sandbox.
 */
export {
  defaultAlarmRules,
  type Alarm,
  type AlarmCounts,
  type AlarmKind,
  type AlarmRate,
  type AlarmRules,
  type AlarmSummary,
  type AlarmsView,
  type NotDelivered,
} from './alarms.js';
export { deliverAlarms, raiseAlarm } from './alarms-workflow.js';
export type { Branch, Knowledge, Op, Operation, Scheme, TransactionState } from './branch.js';
export {
  initialAttributes,
  searchAttributeTypes,
  TX_BRANCH,
  TX_SCHEME,
  TX_STATE,
  TX_STUCK_SINCE,
} from './attributes.js';
export { DECIDE_UPDATE, type DeskAction, type DeskCase, type DeskNote, type DeskOrder } from './desk.js';
export {
  StepFailed,
  transactionFailure,
  type CauseNote,
  type DecidedDetail,
  type FailureNote,
  type TransactionReport,
} from './failure.js';
export {
  forgetOld,
  type ForgetActivities,
  type ForgetOrder,
  type ForgetPart,
  type ForgetReport,
  type ForgottenPart,
} from './forget.js';
export {
  listJournal,
  promoteTransaction,
  readJournal,
  type Journal,
  type JournalActivities,
  type JournalAnnouncement,
  type JournalFate,
  type JournalLine,
  type JournalList,
  type JournalListOrder,
  type JournalPosition,
  type JournalRow,
  type Promoted,
  type PromoteOrder,
} from './journal.js';
export {
  collectLog,
  showLog,
  type GuardsCollected,
  type HistoriesCollected,
  type LogActivities,
  type LogEntry,
  type LogPage,
} from './log.js';
export {
  localTransaction,
  subscriber,
  type LocalOptions,
  type LocalPart,
  type MessageParts,
  type Subscriber,
  type SubscriberOptions,
} from './message/body.js';
export { halfMessage, type MessageOptions, type MessageWorkflow } from './message/half-message.js';
export { CONFIRM_UPDATE, LOCAL_BRANCH, WITHDRAW_UPDATE, type MessageDecision } from './message/protocol.js';
export { firstTime, type SeenMessages } from './messages.js';
export {
  decideLetters,
  decideMessages,
  deliverMessages,
  showMessages,
  type RelayOrder,
  type RelayTotals,
} from './outbox.js';
export { reconcileDesk } from './reconcile/desk-workflow.js';
export type { Finding, PairReport, ReconcileOrder, ReconcileReport } from './reconcile/reconcile.js';
export { reconcile } from './reconcile/workflow.js';
export {
  countRefusals,
  type AskedBy,
  type RefusalActivities,
  type RefusalsOrder,
  type StepCount,
  type StepCounts,
} from './refusals.js';
export { OPERATE_UPDATE, type OperatorAction, type OperatorNote, type OperatorOrder } from './operate.js';
export {
  participant,
  type Amendable,
  type Forward,
  type OperationRef,
  type Participant,
  type ThreePhase,
  type TryConfirmCancel,
  type TwoPhase,
  type Undoable,
  type Vote,
} from './participant.js';
export { COMPENSATION_WINDOW_MS, FORWARD_WINDOW_MS, retryProfiles, type RetryProfile } from './retry.js';
export type { Lane, SagaBody, SagaCall, SagaOptions, Settle, StepOptions, Tx, UndoOrder } from './saga/definition.js';
export {
  scanTransactions,
  type ExpiredHold,
  type InDoubtReport,
  type OrphanedHold,
  type ScanOrder,
  type ScanReport,
  type UndeliveredMessages,
} from './scan.js';
export { MachineError } from './state-machine/compile.js';
export {
  stateMachine,
  type DeadlineOf,
  type DeadlineSpec,
  type EntrySpec,
  type EventFrom,
  type EventOf,
  type FinalOf,
  type MachineTable,
  type MainState,
  type RunSpec,
  type StateMachine,
  type StateOf,
  type TransitionSpec,
} from './state-machine/definition.js';
export {
  DEADLINE_UPDATE,
  EVENT_SIGNAL,
  EVENT_UPDATE,
  MACHINE_QUERY,
  machineFailure,
  WAKE_SIGNAL,
  type By,
  type DeadlineNote,
  type DeadlineOrder,
  type EffectOrder,
  type EventAnswer,
  type EventOrder,
  type GuardOrder,
  type MachineMessage,
  type MachineResult,
  type MachineStart,
  type MachineView,
  type MoveOrder,
  type Moved,
  type ReadOrder,
  type ReadRow,
  type Refusal,
  type RowState,
  type RefusedMessage,
  type RunOrder,
} from './state-machine/protocol.js';
export {
  machineWorkflow,
  type MachineOptions,
  type MachineRows,
  type MachineWorkflow,
} from './state-machine/workflow.js';
export { stateTableDesk } from './state-table/desk-workflow.js';
export type { State, StateAnswer, StateFailure, StateRow } from './state-table/row.js';
export { saga, type SagaWorkflow } from './saga/workflow.js';
export { tcc, type TccBody, type TccOptions, type TccTx, type TccWorkflow, type TryOptions } from './tcc/tcc.js';
export { threePhaseAgent } from './three-phase/agent-workflow.js';
export { compareAgents, threePhaseCommit } from './three-phase/coordinator.js';
export {
  canCommit,
  type ThreePhaseAsked,
  type ThreePhaseCall,
  type ThreePhaseOptions,
  type ThreePhaseWorkflow,
} from './three-phase/definition.js';
export { agentId, comparisonId, type AgentStatus, type Message, type Telling } from './three-phase/protocol.js';
export {
  prepare,
  twoPhaseCommit,
  type PrepareOptions,
  type TwoPhaseBranch,
  type TwoPhaseOptions,
  type TwoPhaseWorkflow,
} from './two-phase/two-phase.js';
export { DECISION_UPDATE, TRANSACTION_QUERY, type BranchView, type Decision, type TransactionView } from './view.js';
