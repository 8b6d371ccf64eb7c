import assert from 'node:assert/strict';
import { connectEngine, type Engine } from '../../../bench/engine.js';
import { openShop } from '../../../bench/shop.js';
import { Peak, readMemory } from '../../../bench/soak/readings.js';
import { faultsOf, MOST_ANNOUNCEMENTS, soakTable, type SoakReport, type Tenth } from '../../../bench/soak/report.js';
import { soak } from '../../../bench/soak/run.js';
import { directSystem, PATIENT } from '../../../bench/systems/direct.js';
import { orderSaga } from '../../../bench/systems/order.js';
import { migrateShop, serviceNames, type ServiceName } from '../../../src/activities/index.js';
import { temporalAddress } from '../../support/servers.js';
import { benchDatabases, type BenchTestDatabases } from '../support/databases.js';

const MB = 1024 * 1024;

function tenth(sagas: number, { heap = 50, rss = 150, announcements = 0.1 } = {}): Tenth {
  return {
    ...{ sagas, perSecond: 600, p50Ms: 70 },
    memory: { heap: heap * MB, rss: rss * MB },
    tables: { announcements: announcements * MB, dead: 12, guard: 3 * MB },
    mostAnnouncements: 2 * announcements * MB,
  };
}

const well: SoakReport = {
  tenths: [tenth(10, { heap: 20, rss: 80 }), tenth(20), tenth(30, { heap: 58, rss: 179 })],
  guardPerSaga: 2_345,
  announced: 0,
  books: [],
};

describe('a soak', () => {
  it('is well when memory is flat from the second tenth on, the announcements are gone, and the books balance', () => {
    assert.deepEqual(faultsOf(well), []);
  });

  const last = (more: Parameters<typeof tenth>[1]) => ({ ...well, tenths: [...well.tenths, tenth(40, more)] });
  for (const [what, report, fault] of [
    ['the heap grew', last({ heap: 61 }), /^the heap grew from 50 to 61 MB/],
    ['the resident memory grew', last({ rss: 181 }), /^the resident memory grew from 150 to 181 MB/],
    [
      'the announcements are large at the end',
      last({ announcements: 33 }),
      /^the announcements take 33 MB, more than 32/,
    ],
    ['announcements are left', { ...well, announced: 3 }, /^3 transactions are still announced/],
    [
      'the books do not balance',
      { ...well, books: ['stock of a is 1, not 2'] },
      /^the books .* stock of a is 1, not 2/,
    ],
  ] as const) {
    it(`is not well when ${what}`, () => {
      const faults = faultsOf(report);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0] ?? '', fault);
    });
  }

  it('may have had many dead announcements on the way', () => {
    assert.equal(MOST_ANNOUNCEMENTS, 32 * MB);
    const [first, ...others] = well.tenths;
    assert.ok(first);
    assert.deepEqual(faultsOf({ ...well, tenths: [{ ...first, mostAnnouncements: 64 * MB }, ...others] }), []);
  });

  it('is told as a table, a row a tenth', () => {
    const lines = soakTable(well);
    assert.match(lines[2] ?? '', /^\| 10 .* 20 \|.* 80 \|.* 102 \|.* 205 \|/);
    assert.match(lines.at(-1) ?? '', /2,345 bytes of a saga.* 0 transactions .* the books balance/);
  });

  it('sees memory that somebody holds, and not what is only waiting to be collected', () => {
    const before = readMemory().heap;
    const held = Array.from({ length: 200_000 }, (_, index) => ({ index }));
    const holding = readMemory().heap;
    assert.equal(held.length, 200_000);
    held.length = 0;
    assert.ok(holding - before > 4 * MB, `${holding - before}`);
    assert.ok(readMemory().heap - before < (holding - before) / 2);
  });

  it('knows the greatest of what it reads, and fails with a reading', async () => {
    let read = 0;
    const peak = new Peak(() => Promise.resolve(++read));
    await new Promise(setImmediate);
    assert.ok(peak.take() >= 1);
    await peak.stop();
    const failing = new Peak(() => Promise.reject(new Error('gone')));
    await assert.rejects(failing.stop(), /gone/);
  });
});

describe('a soak of direct sagas', function () {
  this.timeout(120_000);
  let made: BenchTestDatabases<ServiceName>;
  let engine: Engine;

  before(async () => {
    const address = await temporalAddress();
    engine = await connectEngine({
      ...{ address, namespace: 'default', connection: { address }, taskQueue: 'unused', ui: undefined },
    });
  });
  after(() => engine.close());
  beforeEach(async () => {
    made = await benchDatabases(serviceNames);
    await migrateShop(made.databases);
    await openShop(made.databases);
  });
  afterEach(() => made.drop());

  it('reads memory and tables after each tenth; no announcement is left, and the books balance', async () => {
    const { databases } = made;
    const running = await directSystem(engine, orderSaga(databases), PATIENT).start();
    const told: number[] = [];
    const report = await soak({ running, databases, sagas: 105, clients: 4, onTenth: ({ sagas }) => told.push(sagas) });
    assert.equal(report.tenths.length, 10);
    assert.equal(told.at(-1), 105);
    assert.deepEqual(report.books, []);
    assert.equal(report.announced, 0);
    assert.ok(report.guardPerSaga > 100, `${report.guardPerSaga}`);
    for (const { memory, tables, mostAnnouncements, perSecond } of report.tenths) {
      assert.ok(memory.heap > 0 && memory.rss > memory.heap && perSecond > 0);
      assert.ok(tables.announcements > 0 && mostAnnouncements >= tables.announcements && tables.guard > 0);
    }
  });

  it('finds what is still announced, and an effect that is missing', async () => {
    const { databases } = made;
    const running = await directSystem(engine, orderSaga(databases), PATIENT).start();
    const report = await soak({
      ...{ databases, sagas: 10, clients: 2 },
      running: {
        async place(order) {
          if (order.orderId !== 'soak-2-0') return running.place(order);
          // As if it were done.
          await databases.orders.run(
            `insert into backstitch.announcements (gid, owner, take_over_at) values ('left', 'nobody', now())`,
          );
          return 'done';
        },
      },
    });
    assert.equal(report.announced, 1);
    assert.equal(report.books.length, 4, report.books.join('; '));
    assert.ok(report.books.includes('orders created is 9, not 10'), report.books.join('; '));
  });
});
