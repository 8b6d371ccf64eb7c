import type { Client } from '@temporalio/client';
import { quoted } from '../../client/server.js';
import { messageOf } from '../../database/message.js';
import { preparedHere, unendedHere, waitingHere, type GrowingTables } from '../../database/needed.js';
import type { Database } from '../../database/sql.js';
import { eachInTime } from '../limited.js';

/** What is needed still though it is old. It is asked of all that may know: one that does not answer may be the one that does. */

/** A database, and what it has of the kit's. */
export interface Known {
  readonly name: string;
  readonly database: Database;
  readonly tables: GrowingTables;
}

/** Which of these transactions somebody needs still, for reasons of their own: by their gids. */
export type Needs = (gids: readonly string[]) => Promise<readonly string[]>;

const DAY_MS = 86_400_000;
/** Ids that the server is asked of at a time. */
const ASKED = 200;

/**
 * Which transactions have not been at rest for so many days: in the server (one that runs, or has ended since), in any of the databases,
 * or by what somebody says.
 *
 * @throws Error that names the one that could not be asked
 */
export async function neededTransactions(
  client: Client,
  known: readonly Known[],
  needs: Readonly<Record<string, Needs>>,
  days: number,
): Promise<(gids: readonly string[]) => Promise<string[]>> {
  const prepared = new Set(
    (await Promise.all(known.map(({ name, database }) => asking(name, preparedHere(database))))).flat(),
  );
  return async (gids) => {
    const asked = [
      asking('the Temporal server', unendedThere(client, gids, days)),
      ...known.map(({ name, database, tables }) => asking(name, unendedHere(database, tables, gids, days))),
      ...Object.entries(needs).map(([name, need]) => asking(name, need(gids))),
    ];
    const found = new Set([...prepared, ...(await Promise.all(asked)).flat()]);
    return gids.filter((gid) => found.has(gid));
  };
}

async function unendedThere(client: Client, gids: readonly string[], days: number): Promise<string[]> {
  const since = new Date(Date.now() - days * DAY_MS).toISOString();
  const all = [...new Set(gids)];
  const found: string[] = [];
  for (let from = 0; from < all.length; from += ASKED) {
    const ids = all
      .slice(from, from + ASKED)
      .map(quoted)
      .join(', ');
    const query = `WorkflowId IN (${ids}) AND (ExecutionStatus = 'Running' OR CloseTime >= '${since}')`;
    for await (const { workflowId } of eachInTime(client.workflow.list({ query, pageSize: ASKED })))
      found.push(workflowId);
  }
  return found;
}

/** Which messages some outbox still has to deliver, or has as dead letters. @throws Error that names the database that could not be asked */
export async function neededMessages(
  known: readonly Known[],
  days: number,
): Promise<(ids: readonly string[]) => Promise<string[]>> {
  const outboxes = known.filter(({ tables }) => tables.outbox);
  const waiting = await Promise.all(
    outboxes.map(async ({ name, database }) => ({ name, ask: await asking(name, waitingHere(database, days)) })),
  );
  return async (ids) => (await Promise.all(waiting.map(({ name, ask }) => asking(name, ask(ids))))).flat();
}

/** @throws Error that names who could not be asked */
export async function asking<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${name} could not be asked what is needed still: ${messageOf(error)}`, { cause: error });
  }
}
