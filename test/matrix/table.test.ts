import assert from 'node:assert/strict';
import { matrixCases, matrixTable, type MatrixResult, type MatrixSteps } from '../../src/kit/testing/index.js';

describe('the table of a crash matrix', () => {
  const steps: MatrixSteps = { pay: 'step', ship: 'pivot' };
  const kinds = ['hangs', 'killed-after'] as const;
  const report = (
    verdicts: Readonly<Record<string, MatrixResult['verdict']>>,
    redoneOf: (results: readonly MatrixResult[]) => readonly MatrixResult[] = () => [],
  ) => {
    const results = matrixCases(steps, { kinds, pairs: 1 }).map((matrixCase, place): MatrixResult => {
      const verdict = verdicts[matrixCase.name] ?? 'ok';
      const reasons = verdict === 'wrong' ? ['pay: its net effect is 2'] : [];
      const rest = {
        state: 'committed',
        desk: [],
        missed: [],
        strayed: [],
        ms: 1,
        effects: { pay: 2, ship: 1 },
      } as const;
      return { case: matrixCase, gid: `gid-${place}`, verdict, reasons, ...rest };
    });
    const wrong = results.filter(({ verdict }) => verdict === 'wrong');
    return matrixTable({ steps, kinds, results, redone: redoneOf(results), wrong, seed: 1, killed: 0, ms: 1 });
  };

  it('names below it what was run again and why, what was split with who decided what', () => {
    const waited = { branch: 'pay', op: 'rollback', type: 'Split', message: 'pay committed by itself' };
    const table = report({}, ([first = assert.fail(), second = assert.fail()]) => [
      { ...first, verdict: 'split', desk: [waited, { ...waited, branch: 'ship' }] },
      { ...second, reasons: ['it never struck: pay action: killed-after'] },
    ]);
    const lines = table.split('\n').filter((line) => line.includes('again with longer times'));
    assert.deepEqual(lines, [
      'split, and run again with longer times: pay action: hangs (gid-0): pay committed by itself',
      'run again with longer times: pay action: killed-after (gid-1): it never struck: pay action: killed-after',
    ]);
  });

  it('has a row an operation, a column a fault, and says what is wrong below', () => {
    const table = report({ 'pay compensation: hangs': 'desk', 'pay compensation: killed-after': 'wrong' });
    const [first, second, , ...rows] = table.split('\n');
    assert.match(first ?? '', /^ +hangs +killed$/);
    assert.match(second ?? '', /^ +after$/);
    assert.deepEqual(
      rows.slice(0, 3).map((row) => row.split(/ {2,}/)),
      [
        ['pay action', 'ok', 'ok'],
        ['pay compensation', 'desk', 'WRONG'],
        ['ship pivot', 'ok', 'ok'],
      ],
    );
    assert.match(table, /^6 single faults: 4 ok, 1 by way of the desk, 1 WRONG$/m);
    assert.match(table, /^1 pairs of faults \(seed 1\): 1 ok, 0 by way of the desk, 0 WRONG$/m);
    assert.ok(
      table.endsWith(
        [
          'WRONG pay compensation: killed-after (undone as ship is refused)',
          '  pay: its net effect is 2',
          '  gid-3: committed; effects: pay 2, ship 1',
        ].join('\n'),
      ),
      table,
    );
  });
});
