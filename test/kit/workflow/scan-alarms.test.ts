import assert from 'node:assert/strict';
import { scanAlarms } from '../../../src/kit/workflow/scan-alarms.js';
import type { ScanReport } from '../../../src/kit/workflow/scan.js';

const DAY = 24 * 60 * 60_000;
const NOON = 20_000 * DAY + DAY / 2;

describe('the alarms of a scan', () => {
  const report = (found: Partial<ScanReport>): ScanReport => {
    return { completeTo: 0, found: 0, settled: [], failed: [], old: [], ...found };
  };
  const gids = (many: number) => Array.from({ length: many }, (_, n) => `order-${n}`);
  const failed = (many: number) => gids(many).map((gid) => ({ gid, message: 'no answer' }));
  const old = (many: number) => gids(many).map((gid) => ({ gid, since: NOON - 2 * DAY }));
  const idsOf = (found: Partial<ScanReport>, runId: string, now: number) =>
    scanAlarms(report(found), runId, now).map(({ id }) => id);

  it('tell of up to ten transactions of a kind each, of more in one, with the first ten', () => {
    for (const found of [{ settled: gids(10) }, { failed: failed(10) }, { old: old(10) }]) {
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
    assert.deepEqual(scanAlarms(report({}), 'run', NOON), []);
  });

  it('tell once a day of what stays as it is, however many there are', () => {
    for (const many of [1, 10, 11, 500]) {
      for (const found of [{ failed: failed(many) }, { old: old(many) }]) {
        const scans = Array.from({ length: 140 }, (_, n) => idsOf(found, `run-${n}`, NOON + n * 5 * 60_000));
        assert.equal(new Set(scans.flat()).size, Math.min(many, many > 10 ? 1 : 10), `${many}`);
        assert.notDeepEqual(idsOf(found, 'run', NOON + DAY), scans[0]);
      }
    }
    assert.deepEqual(idsOf({ old: old(11) }, 'run', NOON), ['desk-case-old/many/20000']);
  });

  it('tell of what was settled each time: by the same scan, tried again, once', () => {
    for (const many of [1, 11]) {
      const settled = gids(many);
      assert.notDeepEqual(idsOf({ settled }, 'run-1', NOON), idsOf({ settled }, 'run-2', NOON));
      assert.deepEqual(idsOf({ settled }, 'run-1', NOON), idsOf({ settled }, 'run-1', NOON + DAY));
    }
  });

  it('do not take one thing for another', () => {
    for (const many of [1, 11]) {
      const ids = idsOf({ settled: gids(many), failed: failed(many), old: old(many) }, 'run', NOON);
      assert.deepEqual([ids.length, new Set(ids).size], [3, 3]);
    }
  });
});
