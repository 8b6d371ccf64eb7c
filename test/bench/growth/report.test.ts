import assert from 'node:assert/strict';
import { growthCharts, growthReport, growthTables, type Cell } from '../../../bench/growth/report.js';
import { pointsOf, usual } from '../../../bench/growth/plan.js';
import { parseXml, withClass } from '../chart/xml.js';

const figures = (perSecond: number, cpuSecondsPer1000: number | null = 2.5) => ({
  perSecond,
  p50Ms: 1_000 / perSecond,
  cpuSecondsPer1000,
});
const cells: Cell[] = pointsOf('steps').flatMap((point) => [
  { lane: 'direct', point, figures: figures(1_200 / point.steps) },
  { lane: 'durable', point, figures: figures(90 / point.steps, null) },
]);

describe("the report of the benchmark's growth", () => {
  it('gives each lane at each point of the axes that were run, and the server', () => {
    const report = growthReport(cells, ['steps'], 'production');
    assert.equal(report.server, 'production');
    assert.deepEqual(Object.keys(report.axes), ['steps']);
    const [first] = report.axes.steps ?? [];
    assert.deepEqual(first, {
      ...{ steps: 1, clients: 50, undone: 10 },
      lanes: {
        direct: { ...figures(1_200), p50Ms: 0.8333 },
        durable: { perSecond: 90, p50Ms: 11.11, cpuSecondsPer1000: null },
      },
    });
  });

  it('takes medians over the rounds', () => {
    const rounds = [10, 90, 20].map((perSecond): Cell => ({ lane: 'lean', point: usual, figures: figures(perSecond) }));
    const { axes } = growthReport(rounds, ['clients'], 'development');
    assert.equal(axes.clients?.[1]?.lanes.lean?.perSecond, 20);
    assert.deepEqual(axes.clients[0]?.lanes, {});
  });

  it('shows people a table an axis, with a dash for what is not known', () => {
    const lines = growthTables(growthReport(cells, ['steps'], 'development'));
    assert.match(lines[0] ?? '', /development server/);
    const rows = lines.filter((line) => line.startsWith('| `'));
    assert.deepEqual(
      rows.map((row) =>
        row
          .split('|')
          .map((cell) => cell.trim())
          .slice(1, 3),
      ),
      [
        ['`direct`', '1,200 · 0.833 · 2.5'],
        ['`durable`', '90 · 11.1 · –'],
      ],
    );
    const table = lines.filter((line) => line.startsWith('|'));
    assert.equal(new Set(table.map((line) => line.length)).size, 1, 'columns are aligned');
  });

  it('draws a chart an axis, with a line a lane in each of its three panels, where there are figures', () => {
    const charts = growthCharts(growthReport(cells, ['steps', 'undone'], 'development'));
    assert.deepEqual([...charts.keys()], ['performance-steps.svg', 'performance-undone.svg']);
    const panels = withClass(parseXml(charts.get('performance-steps.svg') ?? ''), 'panel');
    assert.deepEqual(
      panels.map((panel) => withClass(panel, 'marker').length),
      [8, 8, 4],
    );
    const values = withClass(panels[0] ?? assert.fail(), 'marker').map(({ children }) => children[0]?.text);
    assert.ok(values.includes('direct, 10 steps: 120 sagas/s'), values.join('\n'));
  });
});
