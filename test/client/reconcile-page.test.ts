import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reconciliationPage } from '../../src/client/reconcile/page.js';
import { describeReconciliation } from '../../src/client/reconcile/words.js';
import type { PairReport, ReconcileReport } from '../../src/kit/client/index.js';
import { findBrowser } from '../support/browser.js';

const pair = (name: string, more: Partial<PairReport> = {}): PairReport => ({
  ...{ pair: name, what: `what ${name} says`, rows: [1_000_000, 999_998], candidates: 4, agreed: 1, inFlight: 1 },
  ...{ drift: {}, repaired: 0, left: 0, tookMs: 4_321, ...more },
});

const report: ReconcileReport = {
  ...{
    startedAt: Date.UTC(2026, 10, 22, 3),
    endedAt: Date.UTC(2026, 10, 22, 3, 0, 42),
    repaired: true,
    opened: 1,
    isClean: false,
  },
  pairs: [
    pair('orders-payments', { drift: { 'paid-but-cancelled': 12, 'placed-but-unpaid': 1 }, repaired: 12 }),
    pair('orders-recalls', { rows: [3, 3], candidates: 0, agreed: 0, inFlight: 0 }),
    pair('transfers', { rows: [0, 0], failure: 'the database of bank_b cannot be read' }),
  ],
  findings: [
    {
      ...{
        pair: 'orders-payments',
        class: 'placed-but-unpaid',
        key: '<script>document.title = "x"</script>',
        state: 'at-desk',
      },
      detail: '200 cents captured from customer c1 are due, there is no payment',
    },
    {
      ...{ pair: 'orders-payments', class: 'paid-but-cancelled', key: 'o-2', state: 'repaired' },
      detail: '200 cents captured & not refunded',
    },
  ],
};

describe('the report of a reconciliation', () => {
  it('is a table and lines, with what became of each finding', () => {
    const text = describeReconciliation(report);
    assert.match(text, /│ orders-payments +│ 1000000 \/ 999998 +│ 4 +│ 1 +│ 1 +│ 13 +│ 12 +│ 4321 ms │/);
    assert.match(text, /\ntransfers could NOT be compared: the database of bank_b cannot be read\n/);
    assert.match(text, /\npaid-but-cancelled {2}o-2 {2}200 cents captured & not refunded \(repaired\)\n/);
    assert.match(text, /\n13 do not agree, 12 repaired; 2 are in flight, and will be looked at by the next run$/);
  });

  it('is a page that a browser draws by itself, and in which nothing runs', async function () {
    this.timeout(600_000);
    const page = reconciliationPage(report, 'backstitch');
    assert.doesNotMatch(page, /<script|https?:|url\(/);
    const browser = await findBrowser((line) => {
      console.error(`    (${line})`);
    });
    if (browser === undefined) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'page-'));
    try {
      const file = join(folder, 'report.html');
      await writeFile(file, page);
      const dom = await browser.draw(`file://${file}`);
      assert.match(dom, /<title>Reconciliation of backstitch, 2026-11-22<\/title>/);
      assert.match(dom, /1 pair could not be compared; of the others 13 do not agree/);
      assert.equal(dom.match(/<rect /g)?.length, 5, 'a bar for each class of drift, and for each pair');
      assert.match(dom, /&lt;script&gt;document\.title/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
