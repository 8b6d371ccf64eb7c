import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pg from 'pg';
import { expiredHolds } from '../../src/activities/banks/expired.js';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { scanNow } from '../../src/kit/client/index.js';
import { createPrepared, pgDatabase, type Database, type Operation } from '../../src/kit/database/index.js';
import { scanActivities } from '../../src/kit/worker/scan.js';
import { alarmsWorkflowId, type Alarm } from '../../src/kit/workflow/alarms.js';
import type { ScanReport } from '../../src/kit/workflow/scan.js';
import { initialAttributes } from '../../src/kit/workflow/attributes.js';
import { patchedClient } from '../support/patched-client.js';
import { ShopWorld } from '../workflows/support.js';

describe('the scan with a database that takes connections and never answers', function () {
  this.timeout(60_000);
  const world = new ShopWorld();
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  let well: Database;
  let pool: pg.Pool;
  before(async () => {
    await world.sql('bank_a', OPEN_ACCOUNTS, [['alice', 'bob'], 100_000]);
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    // As a user's pool may be: with no limit of its own.
    pool = new pg.Pool({ host: '127.0.0.1', port: (silent.address() as AddressInfo).port, max: 2 });
    well = world.database('bank_a');
  });
  afterEach(async () => {
    for (const { name } of await createPrepared({ database: well }).inDoubt({ olderThanMs: 0 })) {
      await well.run(`rollback prepared '${name}'`);
    }
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  /** Something that is prepared, and something that is held, at the bank that is well; both are nobody's. */
  const leave = async () => {
    const gid = `nobody-${randomUUID()}`;
    const asked: Operation = {
      ...{ gid, branch: 'left', op: 'prepare', scheme: '2pc', seq: 1, function: 'bank_a.move.prepare', driver: 'test' },
      ...{ who: 'test', attempt: 1, timeoutMs: 10_000, signal: new AbortController().signal },
    };
    await createPrepared({ database: well }).prepare(asked, {}, (sql) =>
      sql(`select from accounts where account = 'alice' for update`),
    );
    await world.sql(
      'bank_a',
      `insert into holds (gid, branch, account, kind, amount, expires_at) values ($1, 'held', 'bob', 'credit', 5, '2020-01-01')`,
      [gid],
    );
    return gid;
  };
  const scan = (order: { since: number }): Promise<ScanReport> => {
    const bad = pgDatabase(pool);
    const activity = scanActivities({
      databases: { bank_0: bad, bank_a: well, bank_z: bad },
      expired: { bank_0: () => expiredHolds(bad), bank_a: () => expiredHolds(well) },
    })['backstitch.scan'];
    const { client } = world;
    const environment = new MockActivityEnvironment({}, { client, logger: new DefaultLogger('ERROR') });
    return environment.run(activity, { inDoubtMs: 0, inDoubtAlarmMs: 0, ...order });
  };

  it('tells which it could not read, once each, and does all that the others allow', async () => {
    const gid = await leave();
    const { unread, orphaned, inDoubt } = await scan({ since: Date.now() });
    assert.deepEqual(unread.map(({ participant, message }) => [participant, message]).toSorted(), [
      ['bank_0', 'it has not answered within 10 s'],
      ['bank_z', 'it has not answered within 10 s'],
    ]);
    assert.deepEqual(
      orphaned.filter((hold) => hold.gid === gid).map(({ branch }) => branch),
      ['held'],
    );
    const [told] = inDoubt?.old ?? [];
    assert.deepEqual([inDoubt?.ended, inDoubt?.old.length, told?.gid], [[], 1, gid]);
    assert.match(
      told?.message ?? '',
      /^at bank_a: the database of 'bank_0' cannot be read: it has not answered within/,
    );
  });
});

describe('the scan with a server that has no answer about one transaction', function () {
  this.timeout(90_000);
  const world = new ShopWorld();

  it('looks at what is held all the same, and at the transaction again in the next scan', async () => {
    const [gid, nobody] = [`ended-${randomUUID()}`, `nobody-${randomUUID()}`];
    await world.sql('bank_a', OPEN_ACCOUNTS, [['bob'], 100_000]);
    await world.sql(
      'bank_a',
      `insert into holds (gid, branch, account, kind, amount, expires_at) values ($1, 'held', 'bob', 'credit', 5, '2020-01-01')`,
      [nobody],
    );
    const handle = await world.client.workflow.start('transfer2pc', {
      ...{ workflowId: gid, taskQueue: 'nobody', typedSearchAttributes: initialAttributes('2pc') },
    });
    await handle.terminate('a test');
    const { client, close } = await patchedClient(world.where.address, (service) => ({
      getWorkflowExecutionHistory: (request: { execution?: { workflowId: string } }) =>
        request.execution?.workflowId === gid
          ? new Promise<never>(() => undefined)
          : service.getWorkflowExecutionHistory(request),
    }));
    const well = world.database('bank_a');
    const activity = scanActivities({ expired: { bank_a: () => expiredHolds(well) } })['backstitch.scan'];
    const closedAt = (await handle.describe()).closeTime?.getTime() ?? assert.fail('it has ended');
    for (;;) {
      const environment = new MockActivityEnvironment({}, { client, logger: new DefaultLogger('ERROR') });
      const report: ScanReport = await environment.run(activity, { since: closedAt });
      assert.ok(report.orphaned.some((hold) => hold.gid === nobody));
      // The server's list lags.
      const failed = report.failed.find((each) => each.gid === gid);
      if (failed === undefined) continue;
      assert.match(failed.message, /^the server has not answered within 10 s$/);
      assert.ok(report.completeTo <= closedAt);
      break;
    }
    await close();
  });
});

describe('the scan that cannot list what has ended', function () {
  this.timeout(60_000);
  const world = new ShopWorld();
  const operation = (gid: string, op: 'prepare' | 'rollback'): Operation => ({
    ...{
      gid,
      branch: `of-${op}`,
      op,
      scheme: '2pc',
      seq: 1,
      function: `bank_a.move.${op}`,
      driver: 'test',
      who: 'test',
    },
    ...{ attempt: 1, timeoutMs: 10_000, signal: new AbortController().signal },
  });

  it('tells what it did nevertheless, and what it could not do; the next scan looks as far back', async () => {
    const well = world.database('bank_a');
    await world.sql('bank_a', OPEN_ACCOUNTS, [['alice'], 100_000]);
    const prepared = createPrepared({ database: well });
    const gid = `nobody-${randomUUID()}`;
    await prepared.prepare(operation(gid, 'prepare'), {}, (sql) =>
      sql(`select from accounts where account = 'alice' for update`),
    );
    await prepared.rollback(operation(gid, 'rollback'), {});
    let looked = 0;
    const activity = scanActivities({
      databases: { bank_a: well },
      expired: {
        bank_a: async function* () {
          looked++;
          yield* expiredHolds(well);
        },
      },
    })['backstitch.scan'];
    const { client } = world;
    const environment = new MockActivityEnvironment({}, { client, logger: new DefaultLogger('ERROR') });
    // The server refuses the query: there is no such time.
    const since = 8.64e15;
    const report: ScanReport = await environment.run(activity, { inDoubtMs: 0, since });
    assert.match(report.failure ?? '', /^what was ended from outside could not be looked at: .*unable to parse/);
    assert.doesNotMatch(report.failure ?? '', /\n/);
    assert.deepEqual([await prepared.inDoubt({ olderThanMs: 0 }), looked], [[], 1]);
    const ended = [{ gid, branch: 'of-prepare', end: 'rollback' }];
    assert.deepEqual([report.completeTo, report.settled, report.inDoubt], [since, [], { ended, old: [] }]);
  });

  it('raises the alarms of what it could look at, and then fails in one line', async () => {
    const gid = `nobody-${randomUUID()}`;
    await world.sql('bank_a', OPEN_ACCOUNTS, [['bob'], 100_000]);
    await world.sql(
      'bank_a',
      `insert into holds (gid, branch, account, kind, amount, expires_at) values ($1, 'held', 'bob', 'credit', 5, '2020-01-01')`,
      [gid],
    );
    // What waits since then the server cannot list, either.
    const scan = scanNow(world.client, world.where, { deskAgeMs: -5e15 });
    await assert.rejects(
      scan,
      /^Error: scanTransactions failed: what was ended from outside could not be looked at: [^\n]*; all else was done$/,
    );
    const { events } = await world.client.workflow.getHandle(alarmsWorkflowId(world.taskQueue)).fetchHistory();
    const raised = (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) =>
      (signal?.input?.payloads ?? []).map((payload) => defaultPayloadConverter.fromPayload<unknown>(payload)),
    );
    // Each signal carries the alarms that are raised together.
    const alarms = raised.flat() as Partial<Alarm>[];
    assert.ok(
      alarms.some((alarm) => alarm.kind === 'expired-hold' && alarm.gid === gid),
      JSON.stringify(raised),
    );
  });
});
