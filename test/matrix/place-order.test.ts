import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { crashMatrix, type MatrixReport } from '../../src/kit/testing/index.js';
import { transpiled } from '../support/transpiled.js';
import { EVERY, isInShare, leastOf, ONLY, shareOfToday } from './share.js';
import { openMatrixShop, type MatrixShop } from './shop.js';
import { assertNoneWrong, ofFaults } from './wrong.js';
import { connectTo } from '../support/connection.js';

/** Pairs of faults. In the lean lane most of what a fault may meet is one moment: fewer tell as much. */
const PAIRS = {
  durable: Number(process.env.MATRIX_PAIRS ?? 20),
  lean: Number(process.env.MATRIX_PAIRS_LEAN ?? 15),
  direct: Number(process.env.MATRIX_PAIRS_DIRECT ?? 10),
  grouped: Number(process.env.MATRIX_PAIRS_GROUPED ?? 10),
};
/** Single faults that there are at least. */
const SINGLE = { durable: 150, lean: 150, direct: 200, grouped: 240 };
const TODAY = shareOfToday();
/**
 * The share of the single faults that a lane is run with. They differ, so that each fault at each operation is met in a lane each day, and
 * in all of them in three days.
 */
const SHARE = { durable: TODAY, lean: TODAY + 1, direct: TODAY + 2, grouped: TODAY } as const;
const SEED = Number(process.env.MATRIX_SEED ?? 1);

for (const lane of ['durable', 'lean', 'direct', 'grouped'] as const) {
  describe(`the crash matrix of placeOrder in the ${lane} lane`, function () {
    this.timeout(900_000);
    let shop: MatrixShop;
    let connection: Connection;
    let report: MatrixReport;
    const share = EVERY ? undefined : SHARE[lane];

    before(async () => {
      shop = await openMatrixShop();
      connection = await connectTo(shop.env.TEMPORAL_ADDRESS ?? '');
      const isRun = share === undefined ? () => true : isInShare(share);
      report = await crashMatrix({
        client: new Client({ connection }),
        worker: { file: transpiled('test/matrix/shop-worker-program.ts'), execArgv: [], env: shop.env },
        workflow: 'placeOrder',
        steps: {
          'create-order': 'step',
          pay: 'step',
          'reserve-stock': 'step',
          ship: 'pivot',
          'complete-order': 'forward',
          notify: 'forward',
        },
        input: shop.input,
        effects: shop.effects,
        call: { lane },
        pairs: PAIRS[lane],
        seed: SEED,
        // A group's member that is too slow leaves it: then its fault strikes elsewhere, and the case is run again.
        concurrency: Number(process.env.MATRIX_CONCURRENCY ?? (lane === 'grouped' ? 10 : 20)),
        histories: process.env.MATRIX_HISTORIES,
        only: (each) => each.name.includes(ONLY) && isRun(each),
        onResult: process.env.MATRIX_VERBOSE
          ? ({ case: { name }, gid, verdict, reasons, ms, missed }, done, of) => {
              console.error(
                `    ${done}/${of} ${verdict} ${ms} ms ${gid} ${name} ${reasons.join('; ')} [${missed.join(', ')}]`,
              );
            }
          : undefined,
      });
      console.log(report.table.replaceAll(/^/gm, '    '));
      console.log(`    ${report.ms} ms, ${report.killed} workers killed`);
      if (share !== undefined)
        console.log(`    MATRIX_SHARE=${TODAY}: a third of the single faults; MATRIX_EVERY=1: all`);
    });

    after(async () => {
      await connection.close();
      await shop.close();
    });

    it(`leaves every effect exactly once or none, with ${share === undefined ? 'every' : 'each third'} fault at every operation`, () => {
      const single = report.results.filter((result) => ofFaults(1)(result.case));
      assert.ok(
        single.length >= (share === undefined ? SINGLE[lane] : leastOf(SINGLE[lane])),
        `${single.length} cases`,
      );
      assertNoneWrong(report, ofFaults(1));
    });

    it(`does so with ${PAIRS[lane]} sampled pairs of faults`, () => {
      assert.equal(report.results.filter((result) => ofFaults(2)(result.case)).length, PAIRS[lane]);
      assertNoneWrong(report, ofFaults(2));
    });

    it('leaves books that balance, and no announcement', async () => {
      assert.deepEqual((await shop.books()).differences, []);
      assert.deepEqual(await shop.announced(), []);
    });
  });
}
