import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createShop, serviceNames, type ShopDatabases } from '../../src/activities/index.js';
import type { Database } from '../../src/kit/database/index.js';

const FILE = 'docs/reconciliation.md';
const [OPEN, CLOSE] = ['<!-- classes -->', '<!-- /classes -->'];

describe('the page of the reconciliation', () => {
  it('names every pair and class as the code does (BACKSTITCH_WRITE_DOCS=1 writes it)', () => {
    const nobody = { run: () => assert.fail('no database is asked') } as unknown as Database;
    const databases = Object.fromEntries(serviceNames.map((name) => [name, nobody])) as ShopDatabases;
    const { pairs } = createShop({ databases });
    const lines = pairs.flatMap(({ name, what, classes }) => [
      `\n**${name}**: ${what}.\n`,
      ...Object.entries(classes).map(
        ([drift, { what, repair }]) => `- \`${drift}\`: ${what}. Repair: ${repair?.what ?? 'none'}.`,
      ),
    ]);
    const page = readFileSync(FILE, 'utf8');
    const [before = '', after = ''] = [page.split(OPEN)[0], page.split(CLOSE)[1]];
    const wanted = `${before}${OPEN}\n${lines.join('\n')}\n\n${CLOSE}${after}`;
    if (process.env.BACKSTITCH_WRITE_DOCS === '1') writeFileSync(FILE, wanted);
    assert.equal(readFileSync(FILE, 'utf8'), wanted);
  });
});
