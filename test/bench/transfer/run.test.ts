import assert from 'node:assert/strict';
import { connectEngine, type Engine } from '../../../bench/engine.js';
import { openBanks, proveBanks, readBanks } from '../../../bench/transfer/books.js';
import { callerOf } from '../../../bench/transfer/caller.js';
import { endsOf, measureCell, type TransferBench } from '../../../bench/transfer/cell.js';
import { startCoordinator } from '../../../bench/transfer/coordinator.js';
import { transfersOf } from '../../../bench/transfer/plan.js';
import { schemeNames } from '../../../bench/transfer/schemes.js';
import { measureStop } from '../../../bench/transfer/stop.js';
import { setAccountStatus } from '../../../src/activities/banks/accounts.js';
import { migrateShop, serviceNames, type ServiceName } from '../../../src/activities/index.js';
import { temporalAddress } from '../../support/servers.js';
import { benchDatabases, type BenchTestDatabases } from '../support/databases.js';

describe('the comparison of schemes', function () {
  this.timeout(180_000);
  let made: BenchTestDatabases<ServiceName>;
  let engine: Engine;
  let bench: TransferBench;

  before(async () => {
    made = await benchDatabases(serviceNames);
    const { databases, roundTrips, url: databaseUrl } = made;
    await migrateShop(databases);
    await openBanks(databases);
    const address = await temporalAddress();
    const temporal = { address, namespace: 'default', connection: { address }, taskQueue: 'unused', ui: undefined };
    engine = await connectEngine(temporal);
    bench = { ...{ databases, databaseUrl, temporal, roundTrips, engine }, pids: undefined, poolSize: 5 };
  });
  after(async () => {
    await engine.close();
    await made.drop();
  });

  for (const scheme of schemeNames) {
    it(`has figures of ${scheme}, and its books balance`, async () => {
      const options = { transfers: 4, alone: 1, warmup: 1, clients: 2 };
      const figures = await measureCell(bench, scheme, 50, `test-${scheme}`, options);
      for (const name of [
        'committedPerSecond',
        'p50Ms',
        'p99Ms',
        'aloneP50Ms',
        'events',
        'roundTrips',
        'underWayMs',
      ] as const) {
        assert.ok(figures[name] > 0, `${name}: ${figures[name]}`);
      }
      assert.equal(figures.cpuSecondsPer1000, null, 'whose processes are not known');
      assert.equal(figures.undone, 0);
    });
  }

  it('counts only what was committed as throughput: what is undone is a figure of its own', async () => {
    assert.deepEqual(endsOf(4, 3, 2), { committedPerSecond: 1.5, undone: 25 });
    const frozen = { bank: 'bank_b', account: 'account-3' } as const;
    await setAccountStatus(bench.databases, { ...frozen, status: 'frozen' });
    try {
      const options = { transfers: 4, alone: 1, warmup: 1, clients: 2 };
      assert.equal((await measureCell(bench, 'saga', 0, 'test-undone', options)).undone, 25);
    } finally {
      await setAccountStatus(bench.databases, { ...frozen, status: 'open' });
    }
  });

  it('goes on where it was when its coordinator was stopped, and loses nothing', async () => {
    const options = { stop: 2, clients: 2, warmup: 1 };
    const { caught, done, undone, left, others } = await measureStop(bench, '2pc', 0, 'test-stop', options);
    assert.ok(caught > 0);
    assert.deepEqual([done + undone, left], [caught, 0]);
    assert.equal(others.begun, 2);
  });

  it('fails when money is lost, doubled, or left behind', async () => {
    const { databases } = bench;
    const taskQueue = 'bench-tampered';
    const [transfer = assert.fail()] = transfersOf('tampered', 1, 0);
    const before = await readBanks(databases);
    const stop = await startCoordinator(engine, databases, taskQueue);
    assert.equal(await callerOf(engine.client, 'tcc', { taskQueue })(transfer), 'done');
    await stop();
    assert.deepEqual(await proveBanks(databases, before, [transfer]), []);
    assert.equal((await proveBanks(databases, before, [])).length, 3, 'as if it had been undone');
    assert.equal((await proveBanks(databases, before, [transfer, transfer])).length, 3, 'as if it had been done twice');

    const hold = `insert into holds (gid, branch, account, kind, amount, expires_at) values ('left', 'from-1', 'account-1', 'debit', 5, now())`;
    await databases.bank_b.run(hold);
    assert.deepEqual(await proveBanks(databases, before, [transfer]), ['bank_b: 1 holds of 5 cents are left']);
    await databases.bank_b.run(`update holds set state = 'cancelled', ended_at = now() where gid = 'left'`);
    assert.deepEqual(await proveBanks(databases, before, [transfer]), []);
  });
});
