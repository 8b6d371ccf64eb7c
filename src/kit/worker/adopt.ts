import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { readApplied } from '../database/announcement/applied.js';
import { announcementsOf, type Announcements } from '../database/announcement/announcements.js';
import type { Database } from '../database/sql.js';
import {
  ADOPT_ACTIVITY,
  APPLIED_ACTIVITY,
  ANNOUNCE_ACTIVITY,
  CLOSE_ACTIVITY,
  WORKFLOW_OWNER,
  type Adopted,
  type AdoptOrder,
  type AppliedOrder,
  type AppliedStep,
  type AnnounceOrder,
  type CloseOrder,
} from '../workflow/fate.js';
import { journalActivities } from './journal.js';
import { distinctOf, readAll } from './read-all.js';
import type { StateTables } from './state-table/desk.js';

/** The databases of participants, by the participants' names: those whose steps may begin a transaction. */
export type ParticipantDatabases = Readonly<Record<string, Database>>;

/**
 * The activities for transactions that are driven outside Temporal: by which a workflow takes one over, and by which callers
 * see them, as they know no database.
 *
 * @param tables state tables, whose rows callers see too
 */
export function adoptActivities(databases: ParticipantDatabases, tables: StateTables = {}) {
  const at = (home: string): Announcements => {
    const database = databases[home];
    if (database !== undefined) return announcementsOf(database);
    throw ApplicationFailure.create({
      type: 'NoDatabase',
      message: `this worker was not given the database of '${home}', where the transaction is announced: give it in adoptActivities and startRelay`,
    });
  };
  return {
    [ADOPT_ACTIVITY]: ({ home, gid, ...own }: AdoptOrder): Promise<Adopted> => {
      return at(home).adopt(gid, own, activityInfo().workflowExecution?.runId);
    },
    [CLOSE_ACTIVITY]: async ({ home, gid, fate }: CloseOrder): Promise<void> => {
      // Nothing to write is there when it was done before.
      if (fate === undefined) await at(home).giveUp(gid);
      else await at(home).end(gid, WORKFLOW_OWNER, undefined, fate);
    },
    [APPLIED_ACTIVITY]: (order: AppliedOrder): Promise<AppliedStep[]> => appliedBefore(databases, order),
    [ANNOUNCE_ACTIVITY]: ({ home, gid, start }: AnnounceOrder): Promise<void> => at(home).announce(gid, start),
    ...journalActivities(databases, tables),
  };
}

/**
 * What the process, or the member of a group, that had the transaction before its workflow has done and nobody has undone, in all
 * databases that are known here.
 *
 * @throws if one of them cannot be read: that is asked again
 */
async function appliedBefore(databases: ParticipantDatabases, { gid, homes }: AppliedOrder): Promise<AppliedStep[]> {
  const distinct = distinctOf(databases);
  const { read, unread } = await readAll(distinct, (database) => readApplied(database, gid));
  if (unread.length > 0) throw new Error(unread.join('; '));
  // Which process or member has begun it there: another transaction may have the same gid elsewhere.
  const begunBy = new Set<string>();
  for (const { home, found } of read) {
    if (!homes.some((each) => databases[each] === distinct.get(home))) continue;
    for (const { driver, taken } of found) if (taken || driver.startsWith('direct:')) begunBy.add(driver);
  }
  return read
    .flatMap(({ found }) => found)
    .filter(({ driver, undone }) => !undone && begunBy.has(driver))
    .map(({ branch, function: name, input, result }) => ({ branch, function: name, input, result }));
}
