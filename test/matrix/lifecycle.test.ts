import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { crashMatrix, type MatrixReport } from '../../src/kit/testing/index.js';
import { transpiled } from '../support/transpiled.js';
import { lifecycleWorkflows, lifted } from './lifecycle.js';
import { ONLY } from './share.js';
import { openMatrixShop, type MatrixShop } from './shop.js';
import { assertNoneWrong } from './wrong.js';
import { connectTo } from '../support/connection.js';

/** All transitions with every fault: `MATRIX_LIFECYCLE=all`, which takes minutes; otherwise the payment, with each tenth fault. */
const WHOLE = process.env.MATRIX_LIFECYCLE === 'all';
const PAIRS = Number(process.env.MATRIX_PAIRS_LIFECYCLE ?? (WHOLE ? 20 : 3));
const EACH = WHOLE ? 1 : 10;

for (const workflow of WHOLE ? lifecycleWorkflows : (['payForOrder'] as const)) {
  describe(`the crash matrix of ${workflow}`, function () {
    this.timeout(900_000);
    let shop: MatrixShop;
    let connection: Connection;
    let report: MatrixReport;

    before(async () => {
      shop = await openMatrixShop();
      connection = await connectTo(shop.env.TEMPORAL_ADDRESS ?? '');
      let at = 0;
      report = await crashMatrix({
        ...lifted(shop, workflow),
        client: new Client({ connection }),
        worker: { file: transpiled('test/matrix/shop-worker-program.ts'), execArgv: [], env: shop.env },
        pairs: PAIRS,
        seed: Number(process.env.MATRIX_SEED ?? 1),
        only: ({ name }) => name.includes(ONLY) && (ONLY !== '' || at++ % EACH === 0),
      });
      console.log(report.table.replaceAll(/^/gm, '    '));
      console.log(`    ${report.results.length} cases, ${report.ms} ms, ${report.killed} workers killed`);
    });
    after(async () => {
      await connection.close();
      await shop.close();
    });

    it('leaves every effect exactly once or none, with every fault at every operation, and with pairs of them', () => {
      assert.ok(report.results.length >= (ONLY !== '' ? 1 : WHOLE ? 30 : 8), `${report.results.length} cases`);
      assertNoneWrong(report);
    });
  });
}
