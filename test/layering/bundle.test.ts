import assert from 'node:assert/strict';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { workflowsPath } from '../../src/worker.js';

/** Bytes, with the SDK's own workflow code (about 1 MB with its source map) and room to grow. */
const LARGEST = 3_800_000;

describe('the workflow bundle', function () {
  this.timeout(60_000);
  let code: string;
  let modules: string[];

  before(async () => {
    const bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
    code = bundle.code;
    // Webpack names each module that it puts in.
    modules = [...code.matchAll(/^\/\*\*\*\/ "([^"]+)"/gm)].map(([, name = '']) => name);
  });

  it('holds the workflows of the shop and the kit', () => {
    for (const name of ['src/workflows/place-order.ts', 'src/kit/workflow/saga/run.ts', 'src/contracts/money.ts']) {
      assert.ok(
        modules.some((module) => module.endsWith(name)),
        `${name} is missing`,
      );
    }
  });

  it('holds no Node module, no zod, no database driver, no activity, no contract with a schema', () => {
    const forbidden =
      /(^|\/)(node:|zod|pg|postgres)(\/|$)|src\/(activities|client|kit\/(database|client|worker)|contracts\/(?!money|order-lifecycle))/;
    assert.deepEqual(
      modules.filter((module) => forbidden.test(module)),
      [],
    );
    assert.doesNotMatch(code, /require\("(node:)?(fs|crypto|net|http|child_process|os|path)"\)/);
  });

  it('stays small, as every workflow runs in it', () => {
    assert.ok(code.length < LARGEST, `${code.length} bytes`);
  });
});
