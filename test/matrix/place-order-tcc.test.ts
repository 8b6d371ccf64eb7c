import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { crashMatrix, type FaultKind, type MatrixReport } from '../../src/kit/testing/index.js';
import { transpiled } from '../support/transpiled.js';
import { EVERY, isInShare, leastOf, ONLY, shareOfToday } from './share.js';
import { openMatrixShop, type MatrixShop } from './shop.js';
import { assertNoneWrong } from './wrong.js';
import { connectTo } from '../support/connection.js';

/** What a transfer by TCC does not show: steps that go forward after the confirm. Of the faults those that decide about it. */
const KINDS: readonly FaultKind[] = [
  ...(['dies-after', 'late', 'refused', 'fails', 'cancelled-before', 'deadline-after'] as const),
  ...(['killed-after', 'terminated-before', 'terminated-after'] as const),
];
const PAIRS = Number(process.env.MATRIX_PAIRS_TCC ?? 10);
const TODAY = shareOfToday();

describe('the crash matrix of placeOrderTcc', function () {
  this.timeout(600_000);
  let shop: MatrixShop;
  let connection: Connection;
  let report: MatrixReport;
  const share = EVERY ? undefined : isInShare(TODAY);

  before(async () => {
    shop = await openMatrixShop();
    connection = await connectTo(shop.env.TEMPORAL_ADDRESS ?? '');
    report = await crashMatrix({
      client: new Client({ connection }),
      worker: { file: transpiled('test/matrix/shop-worker-program.ts'), execArgv: [], env: shop.env },
      workflow: 'placeOrderTcc',
      steps: { 'create-order': 'try', pay: 'try', 'reserve-stock': 'try', ship: 'forward', notify: 'forward' },
      input: shop.input,
      effects: async (gid) => {
        // An order that is kept is placed: to be created is to be held.
        const { 'complete-order': placed = Number.NaN, 'create-order': kept, ...effects } = await shop.effects(gid);
        return { ...effects, 'create-order': kept === placed ? placed : Number.NaN };
      },
      kinds: KINDS,
      pairs: PAIRS,
      seed: Number(process.env.MATRIX_SEED ?? 1),
      histories: process.env.MATRIX_HISTORIES,
      only: (each) => each.name.includes(ONLY) && (share?.(each) ?? true),
    });
    console.log(report.table.replaceAll(/^/gm, '    '));
    console.log(`    ${report.ms} ms, ${report.killed} workers killed`);
    if (share) console.log(`    MATRIX_SHARE=${TODAY}: a third of the single faults; MATRIX_EVERY=1: all`);
  });
  after(async () => {
    await connection.close();
    await shop.close();
  });

  it('leaves a whole order or none, with faults at every operation, and with pairs of them', () => {
    const single = share ? leastOf(11 * KINDS.length) : 11 * KINDS.length;
    assert.ok(report.results.length >= single + PAIRS, `${report.results.length} cases`);
    assertNoneWrong(report);
  });

  it('leaves books that balance, and nothing frozen', async () => {
    const { differences, figures } = await shop.books();
    assert.deepEqual(differences, []);
    assert.deepEqual([figures.frozenCents, figures.frozenUnits], [0, 0]);
  });
});
