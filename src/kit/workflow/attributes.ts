import { defineSearchAttributeKey } from '@temporalio/common';
import type { Scheme, TransactionState } from './branch.js';

/** The search attributes by which transactions are found; register them in the namespace. */
export const TX_SCHEME = defineSearchAttributeKey('TxScheme', 'KEYWORD');
export const TX_STATE = defineSearchAttributeKey('TxState', 'KEYWORD');
/** Since when a transaction waits for a person. */
export const TX_STUCK_SINCE = defineSearchAttributeKey('TxStuckSince', 'DATETIME');
/** The branches that wait for a person. */
export const TX_BRANCH = defineSearchAttributeKey('TxBranch', 'KEYWORD_LIST');

/** All of them, with their types as Temporal's command line names them. */
export const searchAttributeTypes = {
  TxScheme: 'Keyword',
  TxState: 'Keyword',
  TxStuckSince: 'Datetime',
  TxBranch: 'KeywordList',
} as const;

/** What a client sets when it starts a transaction, so that the first state costs no event of its own. */
export function initialAttributes(scheme: Scheme) {
  const running: TransactionState = 'running';
  return [
    { key: TX_SCHEME, value: scheme },
    { key: TX_STATE, value: running },
  ];
}
