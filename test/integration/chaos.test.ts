import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultKinds } from '../chaos/faults.js';
import { describeRun } from '../chaos/report.js';
import { chaosRun } from '../chaos/run.js';
import { removeState } from '../chaos/stage.js';

describe('chaos, in short', function () {
  this.timeout(240_000);
  let state: string;

  before(() => {
    state = mkdtempSync(join(tmpdir(), 'backstitch-chaos-'));
    chmodSync(state, 0o755); // PostgreSQL's own user gets through.
  });
  after(async () => {
    await removeState(state);
    rmSync(state, { recursive: true, force: true });
  });

  it('60 orders through every kind of fault: none is lost, none is done twice, everybody is told what is so', async () => {
    const report = await chaosRun({
      seed: 1,
      orders: 60,
      lane: 'mixed',
      concurrency: 20,
      minutes: 3,
      state,
      onProgress: () => undefined,
    });
    assert.deepEqual(report.problems, [], describeRun(report));
    assert.equal(report.passed, true);
    assert.equal(report.told.placed + report.told.undone, 60);
    assert.ok(report.told.placed > 0 && report.told.undone > 0, 'both kinds of end occur');
    const done = report.faults.map(({ fault }) => `${fault.kind} ${fault.target}`);
    for (const kind of faultKinds)
      assert.ok(
        kind.some((each) => done.includes(each)),
        kind.join(' or '),
      );
    for (const planned of report.plan) {
      const record = report.faults.find(({ fault }) => fault === planned);
      assert.ok(record?.overMs !== undefined, `${planned.kind} ${planned.target} was done, and is over`);
    }
  });
});
