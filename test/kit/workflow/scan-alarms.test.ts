import assert from 'node:assert/strict';
import { failingMessage, scanAlarms } from '../../../src/kit/workflow/scan-alarms.js';
import type { ScanReport } from '../../../src/kit/workflow/scan.js';

const DAY = 24 * 60 * 60_000;
const NOON = 20_000 * DAY + DAY / 2;

describe('the alarms of a scan', () => {
  const report = (found: Partial<ScanReport>): ScanReport => {
    return {
      completeTo: 0,
      found: 0,
      settled: [],
      compared: [],
      failed: [],
      old: [],
      orphaned: [],
      unread: [],
      ...found,
    };
  };
  const gids = (many: number) => Array.from({ length: many }, (_, n) => `order-${n}`);
  const failed = (many: number) => gids(many).map((gid) => ({ gid, message: 'no answer' }));
  const old = (many: number) => gids(many).map((gid) => ({ gid, since: NOON - 2 * DAY }));
  const prepared = (many: number) => ({
    ended: [],
    old: gids(many).map((gid) => ({ gid, branch: 'pay', since: NOON - DAY / 24, message: 'its coordinator runs' })),
  });
  const failing = (many: number) =>
    gids(many).map((gid) => ({ gid, runId: `run-of-${gid}`, scheme: 'saga', attempts: 4, since: 1, cause: 'unfit' }));
  const idsOf = (found: Partial<ScanReport>, runId: string, now: number) =>
    scanAlarms(report(found), runId, now).map(({ id }) => id);

  it('tell of up to ten transactions of a kind each, of more in one, with the first ten', () => {
    for (const found of [
      { settled: gids(10) },
      { failed: failed(10) },
      { old: old(10) },
      { inDoubt: prepared(10) },
      { failing: failing(10) },
    ]) {
      const alarms = scanAlarms(report(found), 'run', NOON);
      assert.deepEqual(
        alarms.map(({ gid }) => gid),
        gids(10),
      );
      assert.equal(new Set(alarms.map(({ id }) => id)).size, 10);
    }
    for (const found of [{ settled: gids(11) }, { failed: failed(11) }, { old: old(11) }]) {
      const [alarm, ...rest] = scanAlarms(report(found), 'run', NOON);
      assert.deepEqual(rest, []);
      assert.match(alarm?.message ?? '', /^11 transactions, the first: order-0, .*, order-9: it/);
    }
    const [inDoubt] = scanAlarms(report({ inDoubt: prepared(1) }), 'run', NOON);
    assert.deepEqual([inDoubt?.kind, inDoubt?.gid, inDoubt?.branch], ['in-doubt', 'order-0', 'pay']);
    assert.match(inDoubt?.message ?? '', /'pay' is prepared since .*, and holds its locks: its coordinator runs/);
    assert.deepEqual(scanAlarms(report({}), 'run', NOON), []);
  });

  it('tell once a day of each schedule that a person should look at', () => {
    const schedules = [
      { id: 'shop-scan', trouble: 'its last run has not done all (failed: no)' },
      { id: 'shop-forget', trouble: 'it is paused' },
    ];
    const [first, second] = scanAlarms(report({ schedules }), 'run', NOON);
    assert.deepEqual([first?.kind, first?.id, first?.gid], ['schedule', 'schedule/shop-scan/20000', undefined]);
    assert.equal(second?.message, 'shop-forget: it is paused');
    assert.deepEqual(idsOf({ schedules }, 'other', NOON + 1), idsOf({ schedules }, 'run', NOON));
  });

  it('tell once a day of what stays as it is, however many there are', () => {
    for (const many of [1, 10, 11, 500]) {
      for (const found of [{ failed: failed(many) }, { old: old(many) }, { inDoubt: prepared(many) }]) {
        const scans = Array.from({ length: 140 }, (_, n) => idsOf(found, `run-${n}`, NOON + n * 5 * 60_000));
        assert.equal(new Set(scans.flat()).size, Math.min(many, many > 10 ? 1 : 10), `${many}`);
        assert.notDeepEqual(idsOf(found, 'run', NOON + DAY), scans[0]);
      }
    }
    assert.deepEqual(idsOf({ old: old(11) }, 'run', NOON), ['desk-case-old/many/20000']);
  });

  it('tell once a day and for each release of runs whose task fails, when there are many', () => {
    const of = (since: number) => ({ failing: failing(11).map((run, n) => ({ ...run, since: since + n })) });
    const morning = NOON - DAY / 4;
    assert.deepEqual(idsOf(of(morning), 'run-1', NOON), idsOf(of(morning), 'run-2', NOON + 60_000));
    assert.notDeepEqual(idsOf(of(morning), 'run', NOON), idsOf(of(NOON), 'run', NOON + 60_000));
    assert.notDeepEqual(idsOf(of(morning), 'run', NOON), idsOf(of(morning), 'run', NOON + DAY));
    // One that has failed for days hides no release.
    const withOld = (since: number) => ({
      failing: [...of(since).failing, ...failing(1).map((run) => ({ ...run, since: NOON - 5 * DAY }))],
    });
    assert.notDeepEqual(idsOf(withOld(morning), 'run', NOON), idsOf(withOld(NOON), 'run', NOON + 60_000));
    const unknown = failing(11).map((run) => ({ ...run, since: undefined }));
    assert.equal(idsOf({ failing: unknown }, 'run', NOON).length, 1);
  });

  it('tell what is to be done about a run whose task fails, by what it is', () => {
    const [run] = failing(1).map((run) => ({ ...run, runId: 'r-1' }));
    assert.ok(run);
    assert.match(failingMessage(run), /or end the run, .* may undo it: .*--workflow-id 'order-0' --run-id 'r-1'/);
    assert.match(failingMessage({ ...run, scheme: 'machine' }), /begins it anew from its row/);
    const threePhase = failingMessage({ ...run, scheme: '3pc' });
    assert.match(threePhase, /do not end the run: .* may split it/);
    assert.doesNotMatch(threePhase, /terminate/);
    const many = failingMessage({ ...run, scheme: 'machine', ofMany: 30 });
    assert.match(many, /30 machines fail so, .* is to be rolled back$/);
    assert.doesNotMatch(many, /terminate/);
  });

  it('tell of what is held for nobody once a day, and once a transaction', () => {
    const held = (branch: string, n = 0) => {
      return { participant: 'bank_a', gid: `transfer-${n}`, branch, since: NOON - DAY, why: 'there is no transaction' };
    };
    const orphaned = [held('from-1'), held('to-1')];
    const [alarm, ...rest] = scanAlarms(report({ orphaned }), 'run', NOON);
    assert.deepEqual(rest, []);
    assert.deepEqual([alarm?.kind, alarm?.gid, alarm?.branch], ['expired-hold', 'transfer-0', 'from-1']);
    assert.match(
      alarm?.message ?? '',
      /^'bank_a' holds its branch 'from-1', which should have ended by .*Z: there is no/,
    );
    assert.deepEqual(idsOf({ orphaned }, 'run-1', NOON), idsOf({ orphaned }, 'run-2', NOON + 60_000));
    assert.notDeepEqual(idsOf({ orphaned }, 'run-1', NOON), idsOf({ orphaned }, 'run-2', NOON + DAY));
    const many = Array.from({ length: 11 }, (_, n) => held('from-1', n));
    assert.deepEqual(idsOf({ orphaned: many }, 'run', NOON), ['expired-hold/many/20000']);
  });

  it('tell of what was settled each time: by the same scan, tried again, once', () => {
    for (const many of [1, 11]) {
      for (const found of [{ settled: gids(many) }, { compared: gids(many) }]) {
        assert.notDeepEqual(idsOf(found, 'run-1', NOON), idsOf(found, 'run-2', NOON));
        assert.deepEqual(idsOf(found, 'run-1', NOON), idsOf(found, 'run-1', NOON + DAY));
      }
    }
  });

  it('tell of agents that are compared as of what they are', () => {
    const [alarm, ...rest] = scanAlarms(report({ compared: ['transfer-1'] }), 'run', NOON);
    assert.deepEqual([alarm?.kind, alarm?.gid, rest], ['orphan', 'transfer-1', []]);
    assert.match(alarm?.message ?? '', /^its coordinator is gone: what its agents decided is compared$/);
  });

  it('do not take one thing for another', () => {
    for (const many of [1, 11]) {
      const found = { settled: gids(many), compared: gids(many), failed: failed(many), old: old(many) };
      const ids = idsOf(found, 'run', NOON);
      assert.deepEqual([ids.length, new Set(ids).size], [4, 4]);
    }
  });
});
