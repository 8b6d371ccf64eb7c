import { Context } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { foundState } from '../client/list.js';
import { announcementsOf } from '../database/announcement/announcements.js';
import { readJournal, type JournalPart } from '../database/announcement/journal.js';
import type { Database } from '../database/sql.js';
import type { Promotion } from '../workflow/fate.js';
import type { Journal, JournalActivities, JournalRow, Promoted } from '../workflow/journal.js';
import type { ParticipantDatabases } from './adopt.js';
import { listJournal } from './journal-list.js';
import { distinctOf, readAll } from './read-all.js';
import { goOn } from './relay.js';
import type { StateTables } from './state-table/desk.js';

/** The activities that read, for callers, what the participants' databases hold of transactions. */
export function journalActivities(databases: ParticipantDatabases, tables: StateTables): JournalActivities {
  const distinct = distinctOf(databases);
  return {
    'backstitch.readJournal': (gid) => journalOf(distinct, tables, gid),
    'backstitch.listJournal': (order) => listJournal(distinct, order, undefined, databasesOf(tables)),
    'backstitch.promote': (gid, promotion) => promote(Context.current().client, distinct, gid, promotion),
  };
}

async function journalOf(databases: ReadonlyMap<string, Database>, tables: StateTables, gid: string): Promise<Journal> {
  const [{ read, unread }, states] = await Promise.all([
    readAll(databases, (database) => readJournal(database, gid)),
    readAll(databasesOf(tables), (_, name) => tables[name]?.look(gid) ?? Promise.resolve(undefined)),
  ]);
  // Two callers may have the same gid: what waits for a person comes first.
  const state =
    states.read.find(({ found }) => found?.state === 'error') ?? states.read.find(({ found }) => found !== undefined);
  // Participants may share a database without knowing it.
  const rows = new Map<string, JournalRow>();
  for (const { found } of read) for (const row of found.rows) rows.set(`${row.phase}:${row.branch}`, row);
  const fated = read.find(({ found }) => found.fate !== undefined);
  const announcing = read.find(({ found }) => found.announced !== undefined);
  const home = fated ?? announcing;
  const { fate, fateAt }: Partial<JournalPart> = fated?.found ?? {};
  return {
    gid,
    rows: [...rows.values()].sort((a, b) => a.seq - b.seq || a.phase - b.phase),
    home: state?.home ?? home?.home,
    announced: announcing?.found.announced,
    ...{ fate, fateAt, unread: [...unread, ...states.unread] },
    stateRow: state?.found && { ...state.found, calls: state.found.calls.map((call) => ({ ...call, input: null })) },
  };
}

function databasesOf(tables: StateTables): ReadonlyMap<string, Database> {
  return new Map(Object.entries(tables).map(([name, { database }]) => [name, database]));
}

/** @throws when a database that may have the transaction cannot be read, or its workflow not be started: again is safe */
async function promote(
  client: Client,
  databases: ReadonlyMap<string, Database>,
  gid: string,
  promotion: Promotion,
): Promise<Promoted> {
  const { read, unread } = await readAll(databases, async (database) => {
    const announcements = announcementsOf(database);
    return { announcements, ...(await announcements.look(gid)) };
  });
  for (const { home, found } of read) {
    const { announced, announcements } = found;
    if (announced === undefined) continue;
    const promoted = await announcements.promote(gid, promotion);
    // It has ended since it was looked at.
    if (promoted === undefined) return promote(client, databases, gid, promotion);
    const { owner, taken } = promoted;
    if (taken === undefined) return { how: 'driven', by: owner };
    await goOn(client, home, announcements, taken);
    return { how: 'promoted', ownerBefore: owner, promotion };
  }
  const standings = read.map(({ found }) => found);
  const fate = standings.find((each) => each.fate !== undefined)?.fate;
  // What a group drives has no end there yet.
  const state = fate?.state as string | undefined;
  if (state === 'running' || state === 'undoing') return { how: 'driven', by: 'group' };
  if (state !== undefined) return { how: 'ended', state };
  try {
    const run = await client.workflow.getHandle(gid).describe();
    return run.status.name === 'RUNNING' ? { how: 'driven', by: 'workflow' } : { how: 'ended', state: foundState(run) };
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
  if (unread.length > 0) throw new Error(unread.join('; '));
  const driver = standings.find((each) => each.driver !== undefined)?.driver;
  // Refused at its first step: nothing was ever announced.
  return driver?.startsWith('direct:') === true ? { how: 'ended', state: 'compensated' } : { how: 'unknown' };
}
