import { ApplicationFailure } from '@temporalio/common';
import { announcementsOf, type Announcements } from '../database/announcement/announcements.js';
import type { Database } from '../database/sql.js';
import {
  ADOPT_ACTIVITY,
  ANNOUNCE_ACTIVITY,
  CLOSE_ACTIVITY,
  WORKFLOW_OWNER,
  type Adopted,
  type AdoptOrder,
  type AnnounceOrder,
  type CloseOrder,
} from '../workflow/fate.js';
import { journalActivities } from './journal.js';

/** The databases of participants, by the participants' names: those whose steps may begin a transaction. */
export type ParticipantDatabases = Readonly<Record<string, Database>>;

/**
 * The activities for transactions that are driven outside Temporal: by which a workflow takes one over, and by which callers
 * see them, as they know no database.
 */
export function adoptActivities(databases: ParticipantDatabases) {
  const at = (home: string): Announcements => {
    const database = databases[home];
    if (database !== undefined) return announcementsOf(database);
    throw ApplicationFailure.create({
      type: 'NoDatabase',
      message: `this worker was not given the database of '${home}', where the transaction is announced: give it in adoptActivities and startRelay`,
    });
  };
  return {
    [ADOPT_ACTIVITY]: ({ home, gid, ...own }: AdoptOrder): Promise<Adopted> => at(home).adopt(gid, own),
    [CLOSE_ACTIVITY]: async ({ home, gid, fate }: CloseOrder): Promise<void> => {
      // Nothing to write is there when it was done before.
      if (fate === undefined) await at(home).giveUp(gid);
      else await at(home).end(gid, WORKFLOW_OWNER, undefined, fate);
    },
    [ANNOUNCE_ACTIVITY]: ({ home, gid, start }: AnnounceOrder): Promise<void> => at(home).announce(gid, start),
    ...journalActivities(databases),
  };
}
