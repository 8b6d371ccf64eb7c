import { drawChart, type Panel } from '../chart/chart.js';
import { figure, markdownTable } from '../markdown.js';
import type { ServerKind } from '../options.js';
import { significant, spread } from '../statistics.js';
import type { CellFigures } from './cell.js';
import { laneNames, type LaneName } from './lanes.js';
import { axes, keyOf, pointsOf, usual, type AxisName, type Point } from './plan.js';

/** From what each cell measured to what is printed and drawn: medians over the rounds, an axis at a time. */

/** What was measured of a lane at a point, in one round. */
export interface Cell {
  readonly lane: LaneName;
  readonly point: Point;
  readonly figures: CellFigures;
}

/** The object that `--json` prints. */
export interface GrowthReport {
  readonly server: ServerKind;
  readonly axes: Readonly<Partial<Record<AxisName, readonly MeasuredPoint[]>>>;
}

/** All lanes at one point of an axis. */
export interface MeasuredPoint extends Point {
  readonly lanes: Readonly<Partial<Record<LaneName, CellFigures>>>;
}

/** How an axis is told to people. */
const words = {
  steps: {
    title: 'More steps',
    scale: 'log',
    unit: 'steps',
    rest: `${usual.clients} clients, ${usual.undone} % undone`,
  },
  clients: {
    title: 'More clients',
    scale: 'log',
    unit: 'clients',
    rest: `${usual.steps} steps, ${usual.undone} % undone`,
  },
  undone: {
    title: 'More undone',
    scale: 'linear',
    unit: '% undone',
    rest: `${usual.steps} steps, ${usual.clients} clients`,
  },
} as const satisfies Record<AxisName, object>;

const figures = {
  perSecond: { title: 'throughput', unit: 'sagas/s' },
  p50Ms: { title: 'latency, median', unit: 'ms' },
  cpuSecondsPer1000: { title: 'CPU seconds per 1,000 sagas', unit: 's' },
} as const satisfies Record<keyof CellFigures, object>;
const figureNames = Object.keys(figures) as (keyof CellFigures)[];

/** The report of a run. */
export function growthReport(cells: readonly Cell[], wanted: readonly AxisName[], server: ServerKind): GrowthReport {
  const at = (point: Point): MeasuredPoint => {
    const here = cells.filter((each) => keyOf(each.point) === keyOf(point));
    const lanes = laneNames
      .map((lane) => [lane, here.filter((each) => each.lane === lane).map(({ figures }) => figures)] as const)
      .filter(([, rounds]) => rounds.length > 0)
      .map(([lane, rounds]): [LaneName, CellFigures] => [lane, medians(rounds)]);
    return { ...point, lanes: Object.fromEntries(lanes) };
  };
  return { server, axes: Object.fromEntries(wanted.map((axis) => [axis, pointsOf(axis).map(at)])) };
}

function medians(rounds: readonly CellFigures[]): CellFigures {
  const of = (name: 'perSecond' | 'p50Ms') => significant(spread(rounds.map((round) => round[name])).median);
  const cpu = rounds.map(({ cpuSecondsPer1000 }) => cpuSecondsPer1000).filter((value) => value !== null);
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    cpuSecondsPer1000: cpu.length < rounds.length ? null : significant(spread(cpu).median),
  };
}

/** The report as Markdown: a table an axis, a row a lane. */
export function growthTables({ server, axes: measured }: GrowthReport): string[] {
  const lines = [`On Temporal's ${server} server; sagas/s · p50 ms · CPU s per 1,000 sagas.`];
  for (const [axis, points] of Object.entries(measured) as [AxisName, readonly MeasuredPoint[]][]) {
    const { title, unit, rest } = words[axis];
    const header = [`${unit} (${rest})`, ...axes[axis].map((value) => String(value))];
    const rows = lanesOf(points).map((lane) => [`\`${lane}\``, ...points.map(({ lanes }) => cell(lanes[lane]))]);
    lines.push('', `### ${title}`, '', ...markdownTable(header, rows));
  }
  return lines;
}

function cell(measured: CellFigures | undefined): string {
  return measured === undefined ? '–' : figureNames.map((name) => figure(measured[name])).join(' · ');
}

/** The report's charts by the names of their files: one an axis, of three figures. */
export function growthCharts({ server, axes: measured }: GrowthReport): Map<string, string> {
  const charts = new Map<string, string>();
  for (const [axis, points] of Object.entries(measured) as [AxisName, readonly MeasuredPoint[]][]) {
    const { title, scale, unit, rest } = words[axis];
    const lanes = lanesOf(points);
    const panels = figureNames.map((name): Panel => {
      const lines = lanes.map((lane) => ({
        name: lane,
        points: points.flatMap((point) => placed(point, axis, lane, name)),
      }));
      return {
        title: `${figures[name].title}${name === 'cpuSecondsPer1000' ? '' : `, ${figures[name].unit}`}`,
        x: { label: unit, scale, ticks: axes[axis] },
        y: { label: figures[name].unit, scale: 'log' },
        lines: lines.filter((line) => line.points.length > 0),
      };
    });
    const description = `What a saga costs in each lane, by ${unit}: throughput, latency and CPU; ${rest}; on Temporal's ${server} server.`;
    charts.set(`performance-${axis}.svg`, drawChart({ title: `${title} (${rest})`, description, panels }));
  }
  return charts;
}

/** A figure as a point of its line; nothing where there is none, or none that a logarithmic axis could show. */
function placed(point: MeasuredPoint, axis: AxisName, lane: LaneName, name: keyof CellFigures) {
  const value = point.lanes[lane]?.[name] ?? 0;
  return value > 0 ? [{ x: point[axis], y: value }] : [];
}

function lanesOf(points: readonly MeasuredPoint[]): LaneName[] {
  return [...new Set(points.flatMap(({ lanes }) => Object.keys(lanes) as LaneName[]))];
}
