import assert from 'node:assert/strict';
import type { Database } from '../../../../src/kit/database/index.js';
import { until } from '../../../support/until.js';
import { Recorder } from '../../database/outbox/stage.js';
import { assertOrdered, keyed, RelayStage } from './support.js';

const LARGE = 100_000;
/** 100 kB, by a number. */
const large = (n: number) => `${n} `.padEnd(LARGE - 2, 'x');
const numberOf = (payload: unknown) => Number(String(payload).split(' ')[0]);

describe('a relay, of large payloads,', () => {
  const stage = new RelayStage();
  let isOpen = false;
  let open: () => void = () => undefined;
  let opened: Promise<void>;
  beforeEach(() => {
    isOpen = false;
    opened = new Promise((resolve) => {
      open = () => {
        isOpen = true;
        resolve();
      };
    });
  });

  /** The stage's database, and how much of payloads each statement has read. */
  const counting = () => {
    const read: number[] = [];
    const { run } = stage.db;
    const database: Database = {
      ...stage.db,
      run: async <Row extends object>(...args: Parameters<typeof run>) => {
        const rows = await run<Row & { payload?: string | null }>(...args);
        read.push(rows.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0));
        return rows;
      },
    };
    return { database, read, sum: () => read.reduce((sum, each) => sum + each, 0) };
  };

  it('reads what waits for its key once, when it is its turn, however often it looks meanwhile', async () => {
    const { database, read, sum } = counting();
    const sink = new Recorder();
    let isAsked = false;
    sink.onMessage = ({ key }) => {
      if (key !== 'slow') return Promise.resolve();
      isAsked = true;
      return opened;
    };
    const slow = Array.from({ length: 30 }, (_, n) => large(n + 1));
    await stage.send(...keyed('slow', '0 '));
    stage.start(sink, { bytes: 50 * LARGE, deliverMs: 3_600_000 }, { database });
    await until(() => isAsked);
    await stage.db.transaction((sql) => stage.outbox.addAll(sql, keyed('slow', ...slow)));
    for (let n = 0; n < 20; n++) {
      await stage.send(...keyed('quick', n));
      await sink.taken(n + 1);
    }
    assert.ok(sum() < LARGE, `${sum()} bytes were read though nothing large could go`);
    open();
    await sink.taken(51);
    await stage.empty('outbox');
    assertOrdered(sink.got);
    assert.deepEqual(
      sink.got.filter(({ key }) => key === 'slow').map(({ payload }) => numberOf(payload)),
      Array.from({ length: 31 }, (_, n) => n),
    );
    assert.ok(sum() < 40 * LARGE, `${sum()} bytes were read to deliver ${30 * LARGE}`);
    assert.ok(Math.max(...read) <= 3 * LARGE);
  });

  it('reads no more of many keys at a time than it may have, and goes on with the rest', async () => {
    const { database, read, sum } = counting();
    const sink = new Recorder();
    const many = Array.from({ length: 60 }, (_, n) => ({ topic: 'a', key: `k${n % 30}`, payload: large(n) }));
    await stage.db.transaction((sql) => stage.outbox.addAll(sql, many));
    // Ten places share what four messages have.
    stage.start(sink, { bytes: 4 * LARGE, single: 10 }, { database });
    await sink.taken(60);
    assertOrdered(sink.got);
    assert.ok(Math.max(...read) <= 5 * LARGE, `${Math.max(...read)} at a time`);
    assert.ok(sum() <= 90 * LARGE, `${sum()} bytes were read to deliver ${60 * LARGE}`);
  });

  it('reads of a key that fails again and again what is tried, not what waits behind it', async () => {
    const { database, sum } = counting();
    const sink = new Recorder();
    let tries = 0;
    sink.onMessage = () => {
      tries++;
      return isOpen ? Promise.resolve() : Promise.reject(new Error('not now'));
    };
    const { length } = await stage.db.transaction((sql) =>
      stage.outbox.addAll(sql, keyed('k', ...Array.from({ length: 20 }, (_, n) => large(n)))),
    );
    stage.start(sink, { bytes: 50 * LARGE }, { database });
    await until(() => tries >= 10);
    assert.ok(sum() <= 14 * LARGE, `${sum()} bytes were read for ten attempts at ${LARGE}`);
    open();
    await sink.taken(length);
    assertOrdered(sink.got);
  });
});
