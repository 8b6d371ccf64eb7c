import { figure, markdownTable } from '../markdown.js';
import type { ServerKind } from '../options.js';
import { significant, spread } from '../statistics.js';
import type { CellFigures } from './cell.js';
import type { Contention } from './plan.js';
import type { SchemeName } from './schemes.js';
import type { StopFigures } from './stop.js';

/** From what each pass measured to what is printed: medians over the passes, a table a contention. */

/** What was measured of a scheme in one pass. */
export interface Cell {
  readonly scheme: SchemeName;
  readonly contention: Contention;
  readonly figures: CellFigures;
}

/** What was measured of a scheme whose coordinator was stopped. */
export interface Stop {
  readonly scheme: SchemeName;
  readonly contention: Contention;
  readonly figures: StopFigures;
}

/** The object that `--json` prints. */
export interface TransferReport {
  readonly server: ServerKind;
  readonly clients: number;
  /** For how long coordinators were stopped, in seconds. */
  readonly stopSeconds: number;
  readonly contentions: readonly {
    /** In per cent. */
    readonly contention: Contention;
    /** Medians over the passes. */
    readonly schemes: Readonly<Partial<Record<SchemeName, CellFigures>>>;
    readonly stopped: Readonly<Partial<Record<SchemeName, StopFigures>>>;
  }[];
}

const columns = {
  committedPerSecond: 'committed/s',
  undone: 'undone, %',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  aloneP50Ms: 'one alone, p50 ms',
  cpuSecondsPer1000: 'CPU s per 1,000',
  events: 'history events',
  roundTrips: 'SQL round trips',
  lockedMs: 'accounts locked, ms',
  underWayMs: 'money under way, p50 ms',
} as const satisfies Record<keyof CellFigures, string>;
const figureNames = Object.keys(columns) as (keyof CellFigures)[];

/** The report of a run. */
export function transferReport(
  cells: readonly Cell[],
  stops: readonly Stop[],
  { server, clients, stop }: { readonly server: ServerKind; readonly clients: number; readonly stop: number },
): TransferReport {
  const contentions = [...new Set([...cells, ...stops].map(({ contention }) => contention))].toSorted((a, b) => a - b);
  return {
    ...{ server, clients, stopSeconds: stop },
    contentions: contentions.map((contention) => {
      const here = cells.filter((cell) => cell.contention === contention);
      const run = new Set(here.map(({ scheme }) => scheme));
      const passes = (scheme: SchemeName) =>
        here.filter((cell) => cell.scheme === scheme).map(({ figures }) => figures);
      const stopped = stops.filter((each) => each.contention === contention);
      return {
        contention,
        schemes: Object.fromEntries([...run].map((scheme) => [scheme, medians(passes(scheme))])),
        stopped: Object.fromEntries(stopped.map(({ scheme, figures }) => [scheme, figures])),
      };
    }),
  };
}

function medians(passes: readonly CellFigures[]): CellFigures {
  const of = (name: keyof CellFigures) => {
    const values = passes.map((figures) => figures[name]).filter((value) => value !== null);
    return values.length < passes.length ? null : significant(spread(values).median);
  };
  return Object.fromEntries(figureNames.map((name) => [name, of(name)])) as unknown as CellFigures;
}

/** The report as Markdown. */
export function transferTables({ server, clients, stopSeconds, contentions }: TransferReport): string[] {
  const lines = [`On Temporal's ${server} server, ${clients} clients.`];
  for (const { contention, schemes, stopped } of contentions) {
    const of = contention === 0 ? 'No contention' : `${contention} % take from one account`;
    lines.push('', `### ${of}`);
    if (Object.keys(schemes).length > 0) lines.push('', ...loadTable(schemes));
    if (Object.keys(stopped).length === 0) continue;
    lines.push('', `The coordinator is stopped for ${stopSeconds} s:`, '', ...stopTable(stopped));
  }
  return lines;
}

function loadTable(schemes: Partial<Record<SchemeName, CellFigures>>): string[] {
  const rows = Object.entries(schemes).map(([scheme, figures]) => [
    `\`${scheme}\``,
    ...figureNames.map((name) => figure(figures[name])),
  ]);
  return markdownTable(['scheme', ...Object.values(columns)], rows);
}

function stopTable(stopped: Partial<Record<SchemeName, StopFigures>>): string[] {
  const header = [
    ...['scheme', 'caught', 'accounts locked ≥ 2 s', 'longest, s', 'money under way, at its end'],
    ...['others begun', 'waited > 2 s', 'undone', 'p50 ms', 'longest, s'],
    ...['then done', 'undone', 'after, s', 'left to a person'],
  ];
  const rows = Object.entries(stopped).map(([scheme, { others, centsUnderWay, ...own }]) => [
    `\`${scheme}\``,
    ...[own.caught, own.lockedAccounts, own.lockedSeconds, centsUnderWay / 100].map(figure),
    ...[others.begun, others.waited, others.undone, others.p50Ms, others.longestSeconds].map(figure),
    ...[own.done, own.undone, own.endedSeconds, own.left].map(figure),
  ]);
  return markdownTable(header, rows);
}
