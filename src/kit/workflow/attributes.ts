import { defineSearchAttributeKey } from '@temporalio/common';
import type { Scheme } from './branch.js';

/** The search attributes by which transactions are found; register them in the namespace. */
export const TX_SCHEME = defineSearchAttributeKey('TxScheme', 'KEYWORD');
/**
 * The state where a run's own status does not say it. Absent: the transaction is `running` while its run is, and `committed`
 * when that has completed. So the many that simply commit cost no event for it.
 */
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

/** What `TxState` says of a run that has met another transaction under its id, and has left nothing. */
export const OTHER_STATE = 'elsewhere';

/** What a client sets when it starts a transaction, so that it costs no event of its own. */
export function initialAttributes(scheme: Scheme) {
  return [{ key: TX_SCHEME, value: scheme }];
}
