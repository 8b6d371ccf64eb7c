import { figure, markdownTable } from '../markdown.js';
import type { Memory, Tables } from './readings.js';

/** What a soak has found, and what is wrong with it. */

/** A tenth of the sagas, and what there was after it. */
export interface Tenth {
  /** So many have run by now. */
  readonly sagas: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly memory: Memory;
  readonly tables: Tables;
  /** The greatest size of the announcements during it, in bytes. */
  readonly mostAnnouncements: number;
}

/** The object that `--json` prints. */
export interface SoakReport {
  readonly tenths: readonly Tenth[];
  /** What the guard keeps of a saga, in bytes, in all databases together. */
  readonly guardPerSaga: number;
  /** Transactions that are still announced at the end. */
  readonly announced: number;
  /** What is wrong with the books: a line each. */
  readonly books: readonly string[];
}

/** The announcements may take so much at the end, in bytes: they hold a few rows at a time. */
export const MOST_ANNOUNCEMENTS = 32 * 1024 * 1024;
/** Memory may grow by so much from the second tenth, when everything has been used once, to the last. */
export const MOST_GROWTH = 0.2;

/** What is wrong: one line each. */
export function faultsOf({ tenths, announced, books }: SoakReport): string[] {
  const faults: string[] = [];
  if (books.length > 0)
    faults.push(`the books do not balance: ${books.length} accounts: ${books.slice(0, 5).join('; ')}`);
  if (announced > 0) faults.push(`${announced} transactions are still announced`);
  const [second, last] = [tenths[1], tenths.at(-1)];
  if (second === undefined || last === undefined) return faults;
  const { announcements } = last.tables;
  if (announcements > MOST_ANNOUNCEMENTS) {
    faults.push(`the announcements take ${megabytes(announcements)} MB, more than ${megabytes(MOST_ANNOUNCEMENTS)}`);
  }
  for (const [kind, name] of [
    ['heap', 'heap'],
    ['rss', 'resident memory'],
  ] as const) {
    const [from, to] = [second.memory[kind], last.memory[kind]];
    if (to <= from * (1 + MOST_GROWTH)) continue;
    faults.push(`the ${name} grew from ${megabytes(from)} to ${megabytes(to)} MB after the second tenth`);
  }
  return faults;
}

/** The report as Markdown. */
export function soakTable({ tenths, guardPerSaga, announced, books }: SoakReport): string[] {
  const header = [
    ...['sagas', 'sagas/s', 'p50 ms', 'heap MB', 'RSS MB'],
    ...['announcements KB', 'at most KB', 'dead rows', 'guard MB'],
  ];
  const rows = tenths.map(({ sagas, perSecond, p50Ms, memory, tables, mostAnnouncements }) => [
    sagas.toLocaleString('en-US'),
    figure(perSecond),
    figure(p50Ms),
    megabytes(memory.heap),
    megabytes(memory.rss),
    kilobytes(tables.announcements),
    kilobytes(mostAnnouncements),
    tables.dead.toLocaleString('en-US'),
    megabytes(tables.guard),
  ]);
  return [
    ...markdownTable(header, rows),
    '',
    `The guard keeps ${Math.round(guardPerSaga).toLocaleString('en-US')} bytes of a saga, in three databases; ${announced} ` +
      `transactions are still announced; the books ${books.length === 0 ? 'balance' : 'do not balance'}.`,
  ];
}

function megabytes(bytes: number): string {
  return figure(bytes / 1024 / 1024);
}

function kilobytes(bytes: number): string {
  return Math.round(bytes / 1024).toLocaleString('en-US');
}
