import { activityInfo, Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { collectGuards } from '../../database/log/guards.js';
import type { Masks } from '../../database/log/mask.js';
import { compensationLog } from '../../database/log/store.js';
import { messageOf } from '../../database/message.js';
import type { Database } from '../../database/sql.js';
import type { GuardsCollected, LogActivities } from '../../workflow/log.js';
import { collectHistories } from './histories.js';
import { showLog } from './show.js';

/** Options of {@link logActivities}. */
export interface LogOptions {
  /** A client of the worker's own namespace, with its data converter if it has one. */
  readonly client: Client;
  /** The participants' databases, by service; each has a guard. */
  readonly databases: Readonly<Record<string, Database>>;
  /** Where the log is kept; absent: nowhere, and it is still shown from guards and histories. It need not be reachable. */
  readonly operations?: Database;
  /** What histories' inputs are masked by: the same that the guards are given. */
  readonly masks?: Masks;
  /** Rows of a guard that are read and kept at a time; default: 1,000. */
  readonly batch?: number;
  /** Hears of what could not be read, in one line. Default: the console. */
  readonly onWarning?: (line: string) => void;
}

/** The part of an attempt's time after which no further batch is begun. */
const ENOUGH = 0.8;

/** The activities of `collectLog` and `showLog`, for a worker. */
export function logActivities(options: LogOptions): LogActivities {
  const { client, databases, operations, masks = {}, batch, onWarning = console.error } = options;
  const log = operations && compensationLog(operations);
  return {
    'backstitch.collectGuards': async () => {
      if (log === undefined) return { kept: false, rows: 0, finished: true };
      return collectAll(databases, (service, database) =>
        collectGuards(service, database, log, { batch, ...bounds() }),
      );
    },
    'backstitch.collectHistories': async () => {
      if (log === undefined) return { kept: false, runs: 0, failed: 0, finished: true };
      return collectHistories({ client, log, masks, onWarning, ...bounds() });
    },
    'backstitch.showLog': (gid, from) => showLog({ client, databases, log, masks }, gid, from),
  };
}

function bounds() {
  const { startToCloseTimeoutMs, currentAttemptScheduledTimestampMs } = activityInfo();
  const context = Context.current();
  return {
    until: currentAttemptScheduledTimestampMs + startToCloseTimeoutMs * ENOUGH,
    heartbeat: () => {
      context.heartbeat();
      context.cancellationSignal.throwIfAborted();
    },
  };
}

/**
 * Collects from every service, one after the other.
 *
 * @throws the first failure, when all have been tried: one database that cannot be used does not keep the others waiting
 */
async function collectAll(
  databases: LogOptions['databases'],
  collect: (service: string, database: Database) => Promise<{ rows: number; finished: boolean }>,
): Promise<GuardsCollected> {
  const total = { kept: true, rows: 0, finished: true };
  const failures: unknown[] = [];
  for (const [service, database] of Object.entries(databases)) {
    try {
      const { rows, finished } = await collect(service, database);
      total.rows += rows;
      total.finished &&= finished;
    } catch (error) {
      failures.push(
        new Error(`the guard's rows of the service '${service}' are not collected now: ${messageOf(error)}`, {
          cause: error,
        }),
      );
    }
  }
  if (failures.length > 0) throw failures[0];
  return total;
}
