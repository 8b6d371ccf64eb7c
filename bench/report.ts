import type { ServerKind } from './options.js';
import { pairedRatio, significant, spread, type Spread } from './statistics.js';

/**
 * From what each slot measured to what is printed: medians over the rounds, ratios taken round by round, and the bars
 * that the kit has to reach.
 */

/** The systems, in the order in which they are printed. */
export const systemNames = [
  'floor',
  'floor+dedup',
  'floor+guard',
  'direct',
  'hand-written',
  'durable',
  'lean',
  'grouped',
] as const;
export type SystemName = (typeof systemNames)[number];

/** What is measured of a system: of one slot, or as the median over the rounds. */
export interface Figures {
  /** Sagas a second, with all clients. */
  readonly perSecond: number;
  /** Latency with all clients, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Latency with one client, in milliseconds. */
  readonly serialP50Ms: number;
  /** CPU seconds of engine, worker and PostgreSQL together; null where the platform does not tell. */
  readonly cpuSecondsPer1000: number | null;
  /**
   * Events and bytes of Temporal's history, the mean of done and undone as they were run; 0 without an engine, null where sagas
   * share a history.
   */
  readonly eventsPerSaga: number | null;
  readonly bytesPerSaga: number | null;
}

const figureNames = [
  'perSecond',
  'p50Ms',
  'p99Ms',
  'serialP50Ms',
  'cpuSecondsPer1000',
  'eventsPerSaga',
  'bytesPerSaga',
] as const satisfies (keyof Figures)[];

/** The figures of each system, a list with one entry a round. */
export type Rounds = ReadonlyMap<SystemName, readonly Figures[]>;

/** One system against another. */
export interface Ratio {
  readonly perSecond: number;
  readonly serialP50Ms: number;
  readonly cpuSecondsPer1000: number | null;
}

const ratioFigures = ['perSecond', 'serialP50Ms', 'cpuSecondsPer1000'] as const satisfies (keyof Ratio)[];

/** The object that `--json` prints. */
export interface BenchReport {
  /** The Temporal server that carried the systems with an engine; the bars depend on it. */
  readonly server: ServerKind;
  readonly systems: Readonly<Record<string, Figures>>;
  /** Medians of the ratios round by round, by `durable/hand-written` and so on. */
  readonly ratios: Readonly<Record<string, Ratio>>;
}

/** Every ratio that is printed. */
const ratioPairs = [
  ['durable', 'hand-written'],
  ['lean', 'hand-written'],
  ['grouped', 'hand-written'],
  ['direct', 'floor+dedup'],
  ['floor+guard', 'floor+dedup'],
  ['floor+dedup', 'floor'],
] as const satisfies (readonly [SystemName, SystemName])[];

/** What the kit has to reach. */
export interface Bar {
  readonly ratio: string;
  readonly figure: keyof Ratio;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Without an engine there is no server to depend on. */
const barsOfDirect: readonly Bar[] = [
  { ratio: 'direct/floor+dedup', figure: 'perSecond', atLeast: 0.85 },
  { ratio: 'direct/floor+dedup', figure: 'cpuSecondsPer1000', atMost: 1.25 },
  { ratio: 'direct/floor+dedup', figure: 'serialP50Ms', atMost: 1.5 },
];

/**
 * The bars on each server. The production server writes more for each event than the development server does, so what
 * saves events saves more there.
 */
export const bars: Readonly<Record<ServerKind, readonly Bar[]>> = {
  development: [
    { ratio: 'durable/hand-written', figure: 'perSecond', atLeast: 0.95 },
    { ratio: 'durable/hand-written', figure: 'cpuSecondsPer1000', atMost: 1.05 },
    { ratio: 'lean/hand-written', figure: 'perSecond', atLeast: 1.8 },
    ...barsOfDirect,
  ],
  production: [
    { ratio: 'durable/hand-written', figure: 'perSecond', atLeast: 0.97 },
    { ratio: 'lean/hand-written', figure: 'perSecond', atLeast: 2.3 },
    { ratio: 'grouped/hand-written', figure: 'perSecond', atLeast: 8 },
    ...barsOfDirect,
  ],
};

/** A bar with what was measured; `met` is undefined where nothing was. */
export interface BarResult extends Bar {
  readonly value: number | null;
  readonly met: boolean | undefined;
}

/** Reads a figure of every round; null if one round has none. */
function series(rounds: Rounds, system: SystemName, figure: keyof Figures): number[] | null {
  const values = (rounds.get(system) ?? []).map((figures) => figures[figure]);
  return values.length === 0 || values.includes(null) ? null : (values as number[]);
}

function ratioOf(rounds: Rounds, [system, base]: readonly [SystemName, SystemName], figure: keyof Ratio) {
  const [own, others] = [series(rounds, system, figure), series(rounds, base, figure)];
  return own && others && pairedRatio(own, others);
}

/** The report of a run: of the systems that were run, and of the ratios whose both sides were. */
export function reportOf(rounds: Rounds, server: ServerKind): BenchReport {
  const median = (values: number[] | null) => (values === null ? null : significant(spread(values).median));
  const systems = systemNames
    .filter((name) => rounds.has(name))
    .map((name) => [
      name,
      Object.fromEntries(figureNames.map((figure) => [figure, median(series(rounds, name, figure))])),
    ]);
  const ratios = ratioPairs
    .filter((pair) => pair.every((name) => rounds.has(name)))
    .map((pair) => [
      pair.join('/'),
      Object.fromEntries(
        ratioFigures.map((figure) => {
          const ratio = ratioOf(rounds, pair, figure);
          return [figure, ratio && significant(ratio.median)];
        }),
      ),
    ]);
  return {
    server,
    systems: Object.fromEntries(systems) as BenchReport['systems'],
    ratios: Object.fromEntries(ratios) as BenchReport['ratios'],
  };
}

/** Holds a report against the {@link bars} of its server. */
export function judgeBars({ server, ratios }: BenchReport): BarResult[] {
  return bars[server].map((bar) => {
    const value = ratios[bar.ratio]?.[bar.figure] ?? null;
    const met = value === null ? undefined : value >= (bar.atLeast ?? 0) && value <= (bar.atMost ?? Infinity);
    return { ...bar, value, met };
  });
}

/** The report as lines for people: a row a system, medians with the least and the greatest of the rounds. */
export function tableOf(rounds: Rounds, server: ServerKind): string[] {
  const header = ['', ...figureNames];
  const rows = systemNames
    .filter((name) => rounds.has(name))
    .map((name) => [name, ...figureNames.map((figure) => cell(series(rounds, name, figure)))]);
  const widths = header.map((title, column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? title).length)),
  );
  const line = (row: readonly string[]) => row.map((text, column) => text.padStart(widths[column] ?? 0)).join('  ');
  const ratios = ratioPairs
    .filter((pair) => pair.every((name) => rounds.has(name)))
    .map((pair) => {
      const [throughput, serial, cpu] = ratioFigures.map((figure) => range(ratioOf(rounds, pair, figure)));
      return `${pair.join(' / ')}: throughput ${throughput}, one alone ${serial}, CPU ${cpu}`;
    });
  return [`on Temporal's ${server} server`, '', line(header), ...rows.map(line), '', ...ratios];
}

/** A bar as a line. */
export function barLine({ ratio, figure, atLeast, atMost, value, met }: BarResult): string {
  const rule = atLeast === undefined ? `at most ${atMost ?? ''}` : `at least ${atLeast}`;
  const verdict = met === undefined ? 'not measured' : met ? 'met' : 'MISSED';
  return `bar: ${ratio} ${figure} ${rule}: ${value ?? 'n/a'}: ${verdict}`;
}

function cell(values: number[] | null): string {
  return values === null ? 'n/a' : range(spread(values));
}

function range(value: Spread | null): string {
  if (value === null) return 'n/a';
  const [median, min, max] = [value.median, value.min, value.max].map((each) => String(significant(each, 3)));
  return min === max ? `${median}` : `${median} (${min}–${max})`;
}
