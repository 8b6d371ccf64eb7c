import assert from 'node:assert/strict';
import { Client, Connection } from '@temporalio/client';
import { crashMatrix, type MatrixReport, type MatrixSteps } from '../../src/kit/testing/index.js';
import { openMatrixShop, type MatrixShop } from './shop.js';
import { effectsOf, openAccounts, transferOf } from './transfers.js';

const PAIRS = Number(process.env.MATRIX_PAIRS_TRANSFER ?? 30);
const SEED = Number(process.env.MATRIX_SEED ?? 1);

const schemes: Record<string, { steps: MatrixSteps; single: number }> = {
  transferSaga: { steps: { 'from-1': 'step', 'from-2': 'step', 'to-1': 'step' }, single: 100 },
  transfer2pc: { steps: { bank_a: 'prepare', bank_b: 'prepare', bank_c: 'prepare' }, single: 150 },
  transferTcc: { steps: { 'from-1': 'try', 'from-2': 'try', 'to-1': 'try' }, single: 150 },
};

for (const [workflow, { steps, single }] of Object.entries(schemes)) {
  describe(`the crash matrix of ${workflow}`, function () {
    this.timeout(600_000);
    let shop: MatrixShop;
    let connection: Connection;
    let report: MatrixReport;

    before(async () => {
      shop = await openMatrixShop();
      await openAccounts(shop);
      connection = await Connection.connect({ address: shop.env.TEMPORAL_ADDRESS ?? '' });
      report = await crashMatrix({
        client: new Client({ connection }),
        worker: { file: new URL('shop-worker-program.ts', import.meta.url), env: shop.env },
        workflow,
        steps,
        input: transferOf,
        effects: (gid) => effectsOf(shop, gid, workflow === 'transfer2pc' ? 'bank' : 'leg'),
        pairs: PAIRS,
        seed: SEED,
        concurrency: Number(process.env.MATRIX_CONCURRENCY ?? 20),
        histories: process.env.MATRIX_HISTORIES,
        only: ({ name }) => name.includes(process.env.MATRIX_ONLY ?? ''),
      });
      console.log(report.table.replaceAll(/^/gm, '    '));
      console.log(`    ${report.ms} ms, ${report.killed} workers killed`);
    });
    after(async () => {
      await connection.close();
      await shop.close();
    });

    const wrong = (faults: number) =>
      report.results
        .filter((result) => result.case.faults.length === faults && result.verdict === 'wrong')
        .map(({ case: { name } }) => name);

    it('moves all of the money once or none of it, and holds nothing, with every fault at every operation', () => {
      const count = report.results.filter(({ case: { faults } }) => faults.length === 1).length;
      assert.ok(count >= single, `${count} cases`);
      assert.deepEqual(wrong(1), []);
    });

    it(`does so with ${PAIRS} sampled pairs of faults`, () => {
      assert.equal(report.results.filter(({ case: { faults } }) => faults.length === 2).length, PAIRS);
      assert.deepEqual(wrong(2), []);
    });

    it('leaves books that balance, with nothing on its way', async () => {
      const { differences, figures } = await shop.books();
      assert.deepEqual(differences, []);
      assert.deepEqual([figures.bankClearingCents, figures.bankHolds, figures.bankHeldCents], [0, 0, 0]);
    });
  });
}
