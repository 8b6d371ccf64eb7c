import type { LogEntry } from '../../workflow/log.js';

/** An entry as JSON carries it from one database to the other: named like the columns of `backstitch.log`. */
export interface LogRow {
  readonly gid: string;
  readonly source: 'guard' | 'history';
  readonly origin: string;
  readonly item: string;
  readonly seq: number | null;
  readonly branch: string | null;
  readonly op: string;
  readonly outcome: string;
  readonly function: string | null;
  readonly input: unknown;
  readonly result: unknown;
  readonly failure: unknown;
  readonly driver: string | null;
  readonly who: string | null;
  readonly attempt: number | null;
  readonly began_at: string;
  readonly ended_at: string | null;
  readonly final: boolean;
  /** A number as text, as it may be beyond 2^53. */
  readonly version: string;
  readonly collected_at?: string;
}

/** The entry that people and programs read. */
export function entryOf(row: LogRow): LogEntry {
  const { gid, source, origin, op, outcome, seq, branch, input, result, failure, driver, who, attempt } = row;
  return {
    gid,
    source,
    service: source === 'guard' ? origin : undefined,
    seq: seq ?? undefined,
    branch: branch ?? undefined,
    op,
    outcome,
    function: row.function ?? undefined,
    input: input ?? undefined,
    result: result ?? undefined,
    failure: (failure as LogEntry['failure'] | null) ?? undefined,
    driver: driver ?? undefined,
    who: who ?? undefined,
    attempt: attempt ?? undefined,
    beganAt: isoOf(row.began_at),
    endedAt: row.ended_at === null ? undefined : isoOf(row.ended_at),
    collectedAt: row.collected_at === undefined ? undefined : isoOf(row.collected_at),
  };
}

/** In the order of time. A local step's history does not tell its branch's name: the guard's row does. */
export function entriesOf(rows: readonly LogRow[]): LogEntry[] {
  const branches = new Map<number, string>();
  for (const { seq, branch } of rows) if (seq !== null && branch !== null) branches.set(seq, branch);
  return rows
    .map((row) => ({ item: row.item, entry: entryOf(row) }))
    .sort(
      (a, b) =>
        compare(a.entry.beganAt, b.entry.beganAt) ||
        compare(a.entry.endedAt ?? '~', b.entry.endedAt ?? '~') ||
        inOrder(a.item, b.item),
    )
    .map(({ entry }) => ({ ...entry, branch: entry.branch ?? branches.get(entry.seq ?? 0) }));
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Events of one moment by their numbers, a branch's phases by theirs. */
const inOrder = new Intl.Collator('en', { numeric: true }).compare;

/** ISO 8601 in UTC, to the millisecond. */
function isoOf(time: string): string {
  return new Date(time).toISOString();
}
