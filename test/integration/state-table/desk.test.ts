import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import pg from 'pg';
import { decide, type DeskOrder } from '../../../src/kit/client/index.js';
import { migrate, pgDatabase, stateTableMigrations, type StateTable } from '../../../src/kit/database/index.js';
import {
  alarmActivities,
  startStateScan,
  stateDeskActivities,
  type StateScanning,
  type StateTables,
} from '../../../src/kit/worker/index.js';
import { TRANSACTION_QUERY, type Alarm, type DeskCase, type TransactionView } from '../../../src/kit/workflow/index.js';
import { deskIdOf } from '../../../src/kit/workflow/state-table/desk.js';
import { op } from '../../kit/database/support/stage.js';
import { failing, operationsOf, StateStage, transfer, type Operations } from '../../kit/database/state-table/stage.js';
import { bundleOf } from '../../support/bundles.js';
import { testDatabase } from '../../support/servers.js';
import { alarmsInto, openTemporal } from '../../support/temporal.js';
import { until } from '../../support/until.js';

const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));

describe('rows of state tables at the desk, under Temporal', function () {
  this.timeout(120_000);
  const stage = new StateStage();
  const taskQueue = `state-${randomUUID()}`;
  const tables: Record<string, StateTable<Operations>> = {};
  const alarms: Alarm[] = [];
  const closing: (() => Promise<unknown>)[] = [];
  let client: Client;
  let scanning: StateScanning | undefined;
  before(async () => {
    const temporal = await openTemporal();
    const { native } = temporal;
    ({ client } = temporal);
    closing.push(() => temporal.close());
    const second = await testDatabase('caller');
    const pool = new pg.Pool({ connectionString: second.url, max: 5 });
    closing.push(
      () => second.drop(),
      () => pool.end(),
    );
    await migrate(pgDatabase(pool), 'state-table', stateTableMigrations);
    tables.one = stage.table({ retries: 0, rounds: 1 });
    tables.two = stage.table({ retries: 0, rounds: 1, database: pgDatabase(pool) });
    tables.patient = stage.table({ retries: 0, rounds: 20, scanAfterMs: 50 });
    const alarming = alarmActivities({ sink: alarmsInto(alarms) });
    const worker = await Worker.create({
      ...{ connection: native, taskQueue, workflowBundle: await bundleOf(workflowsPath) },
      activities: { ...stateDeskActivities(tables), ...alarming },
    });
    const running = worker.run();
    closing.push(async () => {
      worker.shutdown();
      await running;
    });
  });
  afterEach(() => scanning?.stop());
  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  const scan = (...names: string[]) => {
    const scanned: StateTables = Object.fromEntries(Object.entries(tables).filter(([name]) => names.includes(name)));
    scanning = startStateScan({ client, taskQueue, tables: scanned, intervalMs: 20 });
  };
  const tableOf = (name: string) => tables[name] ?? assert.fail(`there is no table ${name}`);
  /** The case of a row, once it waits. */
  const caseOf = async (name: string, gid: string): Promise<DeskCase> => {
    let found: DeskCase | undefined;
    await until(async () => {
      const view = client.workflow.getHandle(deskIdOf(name, gid)).query<TransactionView>(TRANSACTION_QUERY);
      [found] = (await view.catch(() => undefined))?.desk ?? [];
      return found !== undefined;
    });
    return found ?? assert.fail('nothing waits');
  };
  const order = (action: DeskOrder['action'], branch: string, more: Partial<DeskOrder> = {}): DeskOrder => {
    return { action, branch, actor: 'ann', reason: 'a test', ...more };
  };
  /** A row whose caller has left, and that is due. */
  const leave = async (name: string) => {
    const gid = `${name}-${randomUUID()}`;
    await tableOf(name).run(gid, transfer(), { signal: AbortSignal.abort() });
    await stage.makeDue(gid);
    return gid;
  };

  it('of two tables with one gid each has its own case; the gid stays free for another scheme', async () => {
    const gid = `both-${randomUUID()}`;
    const [first, last] = transfer({}, { refused: true });
    assert.ok(first && last);
    await tableOf('one').run(gid, [first, last]);
    await tableOf('two').run(gid, [
      { ...first, branch: 'from-2' },
      { ...last, branch: 'to-2' },
    ]);
    scan('one', 'two');
    assert.deepEqual([(await caseOf('one', gid)).branch, (await caseOf('two', gid)).branch], ['to', 'to-2']);
    const other = { workflowId: gid, taskQueue, workflowIdReusePolicy: 'REJECT_DUPLICATE' } as const;
    assert.equal(await client.workflow.execute('another', other), 'done');
    await decide(client, deskIdOf('two', gid), order('skip', 'to-2'));
    await assert.rejects(client.workflow.getHandle(deskIdOf('two', gid)).result());
    assert.deepEqual(
      [(await tableOf('one').look(gid))?.state, (await tableOf('two').look(gid))?.state],
      ['error', 'left'],
    );
    await decide(client, deskIdOf('one', gid), order('retry', 'to', { input: { amount: 5 } }));
    assert.deepEqual(await client.workflow.getHandle(deskIdOf('one', gid)).result(), [{ moved: 5 }, { moved: 5 }]);
  });

  it('a case is closed when its row has ended by somebody else, who woke up late', async () => {
    stage.probe = failing('b.put', 'before');
    const gid = await leave('one');
    scan('one');
    await caseOf('one', gid);
    stage.probe = undefined;
    const table = tableOf('one');
    const row = (await table.look(gid)) ?? assert.fail('the row is gone');
    await table.scan.round({ ...row, state: 'a_done', rounds: 1 }, 'late');
    assert.equal((await table.look(gid))?.state, 'success');
    assert.deepEqual(await client.workflow.getHandle(deskIdOf('one', gid)).result(), [{ moved: 5 }, { moved: 5 }]);
    await until(async () => (await table.scan.endedAtDesk(1)).length === 0);
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 5 });
  });

  it('a case is closed, too, when its row has ended while it was taken to the desk', async () => {
    stage.probe = failing('b.put', 'before');
    const table = tableOf('one');
    const noted = table.scan.atDesk.bind(table.scan);
    const gid = await leave('one');
    // Its workflow waits, and that is not noted yet.
    table.scan.atDesk = async (taken) => {
      await caseOf('one', taken);
      stage.probe = undefined;
      const row = (await table.look(taken)) ?? assert.fail('the row is gone');
      await table.scan.round({ ...row, state: 'a_done', rounds: 1 }, 'late');
      await noted(taken);
    };
    try {
      scan('one');
      const ended = () => client.workflow.getHandle(deskIdOf('one', gid)).describe();
      await until(async () => (await ended().catch(() => undefined))?.status.name === 'COMPLETED');
      assert.deepEqual(await stage.effects(gid), { a: -5, b: 5 });
    } finally {
      table.scan.atDesk = noted;
    }
  });

  it('what was done with another input is begun anew under another name, if a person says so', async () => {
    const gid = `mismatch-${randomUUID()}`;
    const operations = operationsOf({ a: stage.a.db, b: stage.b.db });
    await operations['b.put'](op(gid, 'action', { branch: 'to', scheme: 'state' }), { amount: 7 });
    assert.equal((await tableOf('one').run(gid, transfer())).answer, 'error');
    scan('one');
    const { failure, takesInput } = await caseOf('one', gid);
    assert.deepEqual([failure.type, takesInput], ['InputMismatch', true]);
    await decide(client, deskIdOf('one', gid), order('retry', 'to', { input: { amount: 3 } }));
    await client.workflow.getHandle(deskIdOf('one', gid)).result();
    assert.equal((await tableOf('one').look(gid))?.calls[1]?.renewed, 1);
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 10 });
  });

  it('one alarm tells of a participant that is silent, while its rows have rounds left', async () => {
    stage.probe = failing('b.put', 'before');
    alarms.length = 0;
    const gids = await Promise.all(Array.from({ length: 30 }, () => leave('patient')));
    scan('patient');
    await until(() => alarms.length > 0);
    assert.deepEqual(
      alarms.map(({ kind, data }) => [kind, (data as { participant: string }).participant]),
      [['participant-silent', 'b']],
    );
    assert.match(
      alarms[0]?.message ?? '',
      /^'b' gives no definite answer since \S+: the rows of the state table 'patient'/,
    );
    stage.probe = undefined;
    for (const gid of gids) await until(async () => (await tableOf('patient').look(gid))?.state === 'success');
    assert.equal(alarms.length, 1);
  });
});
