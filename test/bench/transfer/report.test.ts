import assert from 'node:assert/strict';
import type { CellFigures } from '../../../bench/transfer/cell.js';
import { transferReport, transferTables, type Cell, type Stop } from '../../../bench/transfer/report.js';

const figures = (committedPerSecond: number, cpuSecondsPer1000: number | null = 80): CellFigures => ({
  ...{ committedPerSecond, p50Ms: 1_000, p99Ms: 2_000, aloneP50Ms: 50, cpuSecondsPer1000 },
  ...{ events: 24, roundTrips: 3, lockedMs: 6.5, underWayMs: 70, undone: 2.5 },
});
const cells: Cell[] = [
  { scheme: 'saga', contention: 0, figures: figures(40) },
  { scheme: '2pc', contention: 0, figures: figures(10, null) },
  { scheme: '2pc', contention: 0, figures: figures(20) },
  { scheme: 'saga', contention: 0, figures: figures(50) },
];
const stops: Stop[] = [
  {
    scheme: '2pc',
    contention: 0,
    figures: {
      ...{ caught: 20, lockedAccounts: 31, lockedSeconds: 29, centsUnderWay: 8_000, done: 14, undone: 5, left: 1 },
      endedSeconds: 1.2,
      others: { begun: 300, waited: 21, undone: 13, p50Ms: 110, longestSeconds: 10.3 },
    },
  },
];
const report = transferReport(cells, stops, { server: 'development', clients: 20, stop: 30 });

describe('the report of the comparison of schemes', () => {
  it('gives medians over the passes of each scheme; what one pass does not tell is not known', () => {
    assert.deepEqual(report.contentions, [
      {
        contention: 0,
        schemes: { saga: figures(45), '2pc': figures(15, null) },
        stopped: { '2pc': stops[0]?.figures },
      },
    ]);
    assert.deepEqual([report.server, report.clients, report.stopSeconds], ['development', 20, 30]);
  });

  it('shows people a table for the load and one for the stop, with aligned columns', () => {
    const lines = transferTables(report);
    assert.match(lines[0] ?? '', /development server, 20 clients/);
    const cellsOf = (line: string) => line.split('|').map((cell) => cell.trim());
    const rows = lines.filter((line) => line.startsWith('| `')).map(cellsOf);
    assert.deepEqual(
      rows.map((row) => row.slice(1, 6).join(' ')),
      ['`saga` 45 2.5 1,000 2,000', '`2pc` 15 2.5 1,000 2,000', '`2pc` 20 31 29 80'],
    );
    assert.equal(rows[1]?.[7], '–', 'a dash for what is not known');
    const tables = lines.filter((line) => line.startsWith('|'));
    for (const table of [tables.slice(0, 4), tables.slice(4)]) {
      assert.equal(new Set(table.map((line) => line.length)).size, 1, table.join('\n'));
    }
  });

  it('leaves the second table away where nothing was stopped', () => {
    const lines = transferTables(transferReport(cells, [], { server: 'development', clients: 20, stop: 0 }));
    assert.ok(!lines.some((line) => line.includes('stopped')), lines.join('\n'));
  });
});
