import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { layersRule } from '../../lint/layers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the layers say of one line in a file. */
function verdict(file: string, line: string): string | undefined {
  const linter = new Linter({ cwd: root });
  const messages = linter.verify(
    line,
    [
      {
        files: ['**/*.ts'],
        languageOptions: { parser: tseslint.parser },
        plugins: { backstitch: { rules: { layers: layersRule } } },
        rules: { 'backstitch/layers': 'error' },
      },
    ],
    { filename: `${root}${file}` },
  );
  return messages[0]?.message;
}

describe('the import layers', () => {
  const refused: [promise: string, file: string, line: string][] = [
    ['kit/workflow takes no Node module', 'src/kit/workflow/a.ts', `import fs from 'node:fs';`],
    ['kit/workflow takes no zod', 'src/kit/workflow/saga/a.ts', `import { z } from 'zod';`],
    [
      'kit/workflow takes nothing of kit/database',
      'src/kit/workflow/a.ts',
      `import { x } from '../database/index.js';`,
    ],
    [
      'kit/workflow takes nothing of the shop',
      'src/kit/workflow/saga/a.ts',
      `import type { x } from '../../../contracts/shop.js';`,
    ],
    [
      'the kit never imports the shop: database',
      'src/kit/database/guard/a.ts',
      `import { x } from '../../../contracts/shop.js';`,
    ],
    ['the kit never imports the shop: worker', 'src/kit/worker/a.ts', `export * from '../../activities/index.js';`],
    ['the kit never imports the shop: client', 'src/kit/client/a.ts', `const x = await import('../../config.js');`],
    [
      'the kit never imports the shop: testing',
      'src/kit/testing/a.ts',
      `import { createShop } from '../../activities/index.js';`,
    ],
    [
      'what the matrix puts into workflows takes no Node module',
      'src/kit/testing/workflow/a.ts',
      `import fs from 'node:fs';`,
    ],
    ['kit/database takes no driver', 'src/kit/database/adapters/a.ts', `import pg from 'pg';`],
    [
      'kit/database takes only types of kit/workflow',
      'src/kit/database/a.ts',
      `import { saga } from '../workflow/index.js';`,
    ],
    [
      'workflows take only types of activities',
      'src/workflows/a.ts',
      `import { createPayments } from '../activities/payments/index.js';`,
    ],
    [
      'workflows take only types of contracts',
      'src/workflows/a.ts',
      `import { placeOrderSchema } from '../contracts/place-order.js';`,
    ],
    ['workflows take no zod', 'src/workflows/a.ts', `import { z } from 'zod';`],
    ['workflows take no Node module', 'src/workflows/a.ts', `import { randomUUID } from 'node:crypto';`],
    [
      'activities take nothing of workflows',
      'src/activities/a.ts',
      `import { placeOrder } from '../workflows/index.js';`,
    ],
    ['activities build no pool', 'src/activities/payments/a.ts', `import pg from 'pg';`],
    [
      'a service takes nothing of another',
      'src/activities/payments/a.ts',
      `import { CREATE } from '../orders/sql.js';`,
    ],
    [
      'the banks take nothing of another service',
      'src/activities/banks/a.ts',
      `import { CHARGE } from '../payments/sql.js';`,
    ],
    ['the client takes no activities', 'src/client/a.ts', `import { createShop } from '../activities/index.js';`],
    ['the client drives nothing', 'src/client/a.ts', `const { x } = await import('../direct.js');`],
    ['the client loads it when asked', 'src/client/direct.ts', `import { openShopDriver } from '../direct.js';`],
    ['the client loads what buys when asked', 'src/client/sale.ts', `import { openShopSale } from '../sale.js';`],
    ['the client takes no services there', 'src/client/direct.ts', `await import('../activities/index.js');`],
    ['the client takes no driver', 'src/client/commands/a.ts', `import pg from 'pg';`],
    [
      'the client takes nothing of kit/database',
      'src/client/a.ts',
      `import { createGuard } from '../kit/database/index.js';`,
    ],
  ];
  for (const [promise, file, line] of refused) {
    it(promise, () => {
      assert.match(verdict(file, line) ?? 'allowed', /must not import/);
    });
  }

  const allowed: [promise: string, file: string, line: string][] = [
    [
      'workflows may take types of activities',
      'src/workflows/a.ts',
      `import type { Payments } from '../activities/payments/index.js';`,
    ],
    ['the client may drive when asked', 'src/client/direct.ts', `const { x } = await import('../direct.js');`],
    ['the client may buy when asked', 'src/client/sale.ts', `const { x } = await import('../sale.js');`],
    ['workflows may format money', 'src/workflows/a.ts', `import { formatCents } from '../contracts/money.js';`],
    [
      'kit/database may take types of kit/workflow',
      'src/kit/database/guard/a.ts',
      `import type { Operation } from '../../workflow/branch.js';`,
    ],
    [
      'kit/database may read what it and the workflows agree on',
      'src/kit/database/guard/a.ts',
      `import { isEnd } from '../../workflow/fate.js';`,
    ],
    [
      'the worker may take everything',
      'src/worker.ts',
      `import pg from 'pg'; import { createShop } from './activities/index.js';`,
    ],
  ];
  for (const [promise, file, line] of allowed) {
    it(promise, () => {
      assert.equal(verdict(file, line), undefined);
    });
  }
});
