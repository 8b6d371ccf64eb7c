import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultKinds } from '../chaos/faults.js';
import type { BusinessName } from '../chaos/business/index.js';
import { describeRun, type RunReport } from '../chaos/report.js';
import { chaosRun } from '../chaos/run.js';
import { chaosMessages, describeMessages, faultsFor, messagesStates } from '../chaos/messages/run.js';
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

  const run = (business: BusinessName, transactions: number, seed: number, minutes = 3) =>
    chaosRun({
      ...{ seed, business, transactions, state, minutes },
      lane: 'mixed',
      concurrency: 20,
      onProgress: () => undefined,
    });

  /** Nothing is wrong, both kinds of end occur, and every fault of the plan was done and is over. */
  function assertPassed(report: RunReport): void {
    assert.deepEqual(report.problems, [], describeRun(report));
    assert.equal(report.passed, true);
    assert.ok(report.told.done > 0 && report.told.undone > 0, 'both kinds of end occur');
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
  }

  it('60 orders through every kind of fault: none is lost, none is done twice, everybody is told what is so', async () => {
    const report = await run('orders', 60, 1);
    assertPassed(report);
    assert.equal(report.told.done + report.told.undone, 60);
  });

  // Of each scheme 4, plain orders 16 in four lanes, lives and sales 12 each.
  const everything = Number(process.env.CHAOS_EVERYTHING ?? 92);
  it(`${everything} of everything, mixed, through every kind of fault: and the reconciliation finds nothing`, async () => {
    const report = await run('everything', everything, Number(process.env.CHAOS_SEED ?? 1), 5);
    assertPassed(report);
    assert.equal(report.told.done + report.told.undone, everything);
  }).timeout(400_000);

  it('500 messages of 20 keys through every kind of fault: each is handled once, in the order of its key', async () => {
    const of = { seed: 1, messages: 500, keys: 20, faults: faultsFor(500), minutes: 3 };
    const report = await chaosMessages({ ...of, state, onProgress: () => undefined });
    for (const part of messagesStates(state)) await removeState(part);
    assert.deepEqual(report.problems, [], describeMessages(report));
    assert.equal(new Set(report.faults).size, faultsFor(0), 'every fault was done');
  });

  it('60 transfers by every scheme through every kind of fault: no money comes or goes, at any moment that is looked at', async () => {
    const report = await run('transfers', 60, 1);
    assertPassed(report);
    assert.equal(report.told.done + report.told.undone, 60);
  });
});
