import type { JournalAnnouncement, JournalFate, JournalRow } from '../../workflow/journal.js';
import type { Database } from '../sql.js';
import { journalOf } from './statements.js';

/** What one database holds of a transaction. */
export interface JournalPart {
  readonly rows: readonly JournalRow[];
  readonly announced?: JournalAnnouncement;
  readonly fate?: JournalFate;
  readonly fateAt?: string;
}

/** How long a reading may take, in milliseconds. */
const READ_MS = 10_000;
/** Bytes of a result that are read; a longer one is left out, as one answer of a worker carries 2 MB. */
const RESULT_BYTES = 200_000;

type ReadRow = Omit<JournalRow, 'failure' | 'endedAt'> & {
  readonly failure: JournalRow['failure'] | null;
  readonly endedAt: string | null;
  readonly fate: JournalFate | null;
  readonly fateAt: string | null;
};

type ReadAnnouncement = Pick<JournalAnnouncement, 'owner' | 'state' | 'beganAt' | 'takeOverAt'> & {
  readonly start: Pick<JournalAnnouncement, 'transaction' | 'taskQueue' | 'summary' | 'promoted'> | null;
};

/** Reads what this database holds of a transaction, at one moment. */
export async function readJournal(db: Database, gid: string): Promise<JournalPart> {
  const [found] = await db.transaction(
    (sql) => sql<{ rows: string; announced: string | null }>(journalOf, [gid, String(READ_MS)]),
    READ_MS + 1_000,
  );
  const rows = JSON.parse(found?.rows ?? '[]') as ReadRow[];
  const announced = JSON.parse(found?.announced ?? 'null') as ReadAnnouncement | null;
  const fated = rows.find(({ fate }) => fate !== null);
  return {
    rows: rows.map(rowOf),
    ...(announced !== null && { announced: announcementOf(announced) }),
    ...(fated?.fate && { fate: withShortResult(fated.fate) }),
    ...(fated?.fateAt && { fateAt: isoOf(fated.fateAt) }),
  };
}

function rowOf(row: ReadRow): JournalRow {
  const { branch, phase, seq, op, outcome, function: name, failure, driver, who, attempt, beganAt, endedAt } = row;
  return {
    ...{ branch, phase, seq, op, outcome, function: name, driver, who, attempt },
    ...(failure !== null && { failure }),
    beganAt: isoOf(beganAt),
    ...(endedAt !== null && { endedAt: isoOf(endedAt) }),
  };
}

function announcementOf({ start, owner, state, beganAt, takeOverAt }: ReadAnnouncement): JournalAnnouncement {
  const { transaction, taskQueue, summary, promoted } = start ?? {};
  return {
    owner,
    state,
    ...{ transaction, taskQueue, summary, promoted },
    beganAt: isoOf(beganAt),
    takeOverAt: isoOf(takeOverAt),
  };
}

function withShortResult(fate: JournalFate): JournalFate {
  if (fate.state !== 'committed' || fate.result === undefined) return fate;
  const bytes = Buffer.byteLength(JSON.stringify(fate.result));
  return bytes <= RESULT_BYTES ? fate : { ...fate, result: `(${bytes} bytes, left out here)` };
}

/** ISO 8601 in UTC, to the millisecond. */
function isoOf(time: string): string {
  return new Date(time).toISOString();
}
