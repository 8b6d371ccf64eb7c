import assert from 'node:assert/strict';
import { connectEngine, type Engine } from '../../../bench/engine.js';
import { beginBooks, prepareDatabases, proveBooks } from '../../../bench/growth/books.js';
import { measureCell } from '../../../bench/growth/cell.js';
import { createLanes, laneNames } from '../../../bench/growth/lanes.js';
import { ordersOf, type Point } from '../../../bench/growth/plan.js';
import { services } from '../../../bench/growth/saga.js';
import { temporalAddress } from '../../support/servers.js';
import { benchDatabases, type BenchTestDatabases } from '../support/databases.js';

const point: Point = { steps: 4, clients: 4, undone: 50 };

describe('a cell of the benchmark of growth', function () {
  this.timeout(180_000);
  let made: BenchTestDatabases<(typeof services)[number] | 'operations'>;
  let engine: Engine;

  before(async () => {
    made = await benchDatabases([...services, 'operations']);
    await prepareDatabases(made.databases);
    const address = await temporalAddress();
    const settings = { address, namespace: 'default', connection: { address }, taskQueue: 'unused', ui: undefined };
    engine = await connectEngine(settings);
  });
  after(async () => {
    await engine.close();
    await made.drop();
  });

  const three = ({ orders, payments, inventory }: typeof made.databases) => ({ orders, payments, inventory });
  const lanesOf = (wanted: typeof laneNames) =>
    createLanes(
      {
        ...{ engine, databases: three(made.databases), plain: three(made.plain) },
        operations: made.databases.operations,
      },
      wanted,
    );

  for (const name of laneNames) {
    it(`has figures of the lane ${name}, and its books balance`, async () => {
      const [[, system] = assert.fail()] = lanesOf([name]);
      const bench = { databases: three(made.databases), pids: undefined };
      const figures = await measureCell(bench, system, point, { id: name, sagas: 10 });
      assert.ok(figures.perSecond > 0);
      assert.ok(figures.p50Ms > 0);
      assert.equal(figures.cpuSecondsPer1000, null, 'whose processes are not known');
      const rows = await made.databases.orders.run<{ account: string }>(
        'select distinct account from bench_entries where amount > 0',
      );
      assert.ok(rows.length > 0, 'some were undone');
    });
  }

  it('fails when an effect is lost, doubled, or left behind by an undo', async () => {
    const databases = three(made.databases);
    const orders = ordersOf('tampered', point, 4);
    const [[, system] = assert.fail()] = lanesOf(['floor+dedup']);
    const before = await beginBooks(databases);
    const running = await system.start();
    for (const order of orders) await running.place(order);
    assert.deepEqual(await proveBooks(databases, before, orders), []);

    const { run } = made.databases.payments;
    const entry = `(saga, step, account, amount) select saga, step, account, amount from`;
    await run(`insert into bench_entries ${entry} bench_entries where saga = 'tampered-0' and amount < 0`);
    assert.deepEqual(await proveBooks(databases, before, orders), [
      'payments: step-2 of tampered-0 took or gave back more than once, or gave back what it had not taken',
      'payments entries is 5, not 4',
    ]);
    await run(`delete from bench_entries where saga = 'tampered-0'`);
    assert.deepEqual(await proveBooks(databases, before, orders), ['payments entries is 3, not 4']);
    await run(`update bench_accounts set balance = balance - 7 where account = 'account-1'`);
    const wrong = await proveBooks(databases, before, orders);
    assert.equal(wrong.length, 2, wrong.join('; '));
    assert.match(wrong.join('; '), /payments account-1 is \d+, not \d+/);
  });

  it('fails when a saga ends otherwise than planned', async () => {
    const [[, system] = assert.fail()] = lanesOf(['floor+dedup']);
    const contrary: typeof system = {
      ...system,
      async start() {
        const running = await system.start();
        return { ...running, place: async (order) => ((await running.place(order)) === 'done' ? 'undone' : 'done') };
      },
    };
    const bench = { databases: three(made.databases), pids: undefined };
    await assert.rejects(measureCell(bench, contrary, point, { id: 'contrary', sagas: 10 }), /saga contrary-.* ended/);
  });
});
