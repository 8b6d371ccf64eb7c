/**
 * `backstitch/client`: what callers of transactions use: start them, wait, list, look. Knows Temporal only.
 */
export { testAlarm } from './alarms.js';
export {
  GidConflict,
  ServerNotPrepared,
  ServerUnavailable,
  TransactionCompensated,
  TransactionFailed,
  TransactionNotFound,
  TransactionPending,
  TransactionTerminated,
} from './errors.js';
export { describeIssue, InvalidInput, parserOf, type InputIssue, type StandardSchema } from './input.js';
export {
  foundStates,
  listTransactions,
  schemes,
  type FoundState,
  type ListedTransaction,
  type ListOptions,
} from './list.js';
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
export { showTransaction } from './show/show.js';
export type { ShownBranch, ShownCall, ShownTransaction } from './show/shown.js';
