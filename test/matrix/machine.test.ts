import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { faults, machineCases } from './machine-cases.js';
import { MachineMatrix, type MachineResult } from './machine-run.js';
import { ONLY } from './share.js';
import { openMatrixShop, type MatrixShop } from './shop.js';
import { connectTo } from '../support/connection.js';

/** Every transition with every fault: `MATRIX_LIFECYCLE=all`; otherwise some of each fault. */
const WHOLE = process.env.MATRIX_LIFECYCLE === 'all';
/** By this every fault and every way is among them, and no two faults strike the same transition. */
const EACH = WHOLE ? 1 : 28;
const AT_A_TIME = 40;

describe("the crash matrix of an order's machine", function () {
  this.timeout(1_800_000);
  let shop: MatrixShop;
  let connection: Connection;
  let matrix: MachineMatrix;
  before(async () => {
    shop = await openMatrixShop();
    connection = await connectTo(shop.env.TEMPORAL_ADDRESS ?? '');
    matrix = new MachineMatrix(new Client({ connection }), shop);
    await matrix.open();
  });
  after(async () => {
    await matrix.close();
    await connection.close();
    await shop.close();
  });

  it('makes each transition once, whatever befalls its worker, its run, or the answer of the database', async () => {
    const began = Date.now();
    const cases = machineCases().filter(({ name }, at) => (ONLY === '' ? at % EACH === 0 : name.includes(ONLY)));
    const waiting = cases.values();
    const results: MachineResult[] = [];
    const lane = async () => {
      for (const each of waiting) {
        const result = await matrix.run(each);
        results.push(result);
        const { case: done, orderId, ms, reasons } = result;
        if (WHOLE || reasons.length > 0)
          console.log(`    ${done.name} (${orderId}, ${ms} ms): ${reasons.join('; ') || 'ok'}`);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
    console.log(`    ${results.length} cases, ${Date.now() - began} ms, ${matrix.killed} workers killed`);
    const wrong = results.filter(({ reasons }) => reasons.length > 0);
    assert.deepEqual(
      wrong.map(({ case: { name }, reasons }) => `${name}: ${reasons.join('; ')}`),
      [],
    );
    if (ONLY === '') assert.deepEqual(new Set(cases.map(({ fault }) => fault)), new Set(Object.keys(faults)));
    const { differences } = await shop.books();
    assert.deepEqual(
      differences.map(({ check, subject, expected, found }) => `${check} | ${subject} | ${expected} | ${found}`),
      [],
    );
  });
});
