import type { KeepingRemoval } from '../../database/batches.js';
import { forgetGuards, GUARD_RETENTION_DAYS } from '../../database/guard/retention.js';
import { EXECUTION_RETENTION_DAYS, forgetExecutions, forgetMarkers } from '../../database/idempotency/retention.js';
import { forgetInbox, INBOX_RETENTION_DAYS } from '../../database/inbox/retention.js';
import { forgetFences } from '../../database/lock/fence.js';
import { forgetLeases, LOCK_RETENTION_DAYS } from '../../database/lock/postgres.js';
import { forgetLog, LOG_RETENTION_DAYS } from '../../database/log/retention.js';
import type { GrowingTables } from '../../database/needed.js';
import { forgetOccupancy, OCCUPANCY_RETENTION_DAYS } from '../../database/occupancy/retention.js';
import { keepDelivered } from '../../database/outbox/archive.js';
import { DECISIONS_RETENTION_DAYS, forgetDecisions } from '../../database/outbox/retention.js';
import type { Database } from '../../database/sql.js';
import { forgetStates } from '../../database/state-table/retention.js';
import type { ForgetPart } from '../../workflow/forget.js';

/** How a table is to be emptied of what is old. */
export type Forgetting = Pick<KeepingRemoval<string>, 'olderThanDays' | 'onBatch' | 'keep'>;

/** A table of which something is forgotten. */
export interface Forgetter extends ForgetPart {
  /** For how many days it keeps what it has, where nothing else is said. */
  readonly days: number;
  /** What its rows belong to, for what is needed still: `keep` is given ids of that. Default: neither, and nothing is asked */
  readonly of?: 'transactions' | 'messages';
  /** Removes what is old, in batches, and resolves to how many rows that were. Default: what the kit's functions do */
  readonly forget: (how: Forgetting) => Promise<number>;
}

/** What of a database's own tables of the kit is forgotten. @param keepDays of its outboxes the longest; absent: it has none that is known */
export function kitForgetters(
  name: string,
  database: Database,
  { guard, inbox, states, outbox, log, once, locks, occupancy }: GrowingTables,
  keepDays: number | undefined,
): Forgetter[] {
  const of = (table: string, days: number, forget: Forgetter['forget'], of?: Forgetter['of']) => ({
    ...{ database: name, table, days, forget },
    ...(of !== undefined && { of }),
  });
  return [
    ...(states ? [of('state_table', GUARD_RETENTION_DAYS, (how) => forgetStates(database, how), 'transactions')] : []),
    ...(guard ? [of('guard', GUARD_RETENTION_DAYS, (how) => forgetGuards(database, how), 'transactions')] : []),
    ...(inbox ? [of('inbox', INBOX_RETENTION_DAYS, (how) => forgetInbox(database, how), 'messages')] : []),
    ...(log ? [of('log', LOG_RETENTION_DAYS, (how) => forgetLog(database, how), 'transactions')] : []),
    ...(once
      ? [
          of('executions', EXECUTION_RETENTION_DAYS, (how) => forgetExecutions(database, how)),
          of('markers', 1, (how) => forgetMarkers(database, how)),
        ]
      : []),
    ...(locks
      ? [
          of('leases', LOCK_RETENTION_DAYS, (how) => forgetLeases(database, how)),
          of('fences', LOCK_RETENTION_DAYS, (how) => forgetFences(database, how)),
        ]
      : []),
    ...(occupancy ? [of('occupancy', OCCUPANCY_RETENTION_DAYS, (how) => forgetOccupancy(database, how))] : []),
    ...(outbox ? [of('outbox_decisions', DECISIONS_RETENTION_DAYS, (how) => forgetDecisions(database, how))] : []),
    ...(outbox && keepDays !== undefined
      ? [of('outbox_delivered', keepDays, async () => (await keepDelivered(database, keepDays)).length)]
      : []),
  ];
}
