import assert from 'node:assert/strict';
import { Client, Connection } from '@temporalio/client';
import type { StateRow, StateTable } from '../../../../src/kit/database/index.js';
import { Silence } from '../../../../src/kit/worker/state-table/breaker.js';
import { startStateScan, type StateScanning } from '../../../../src/kit/worker/index.js';
import { failing, StateStage, transfer, type Operations } from '../../database/state-table/stage.js';
import { until } from '../../../support/until.js';

describe('the scan of state tables', () => {
  const stage = new StateStage();
  let scanning: StateScanning | undefined;
  const lines: string[] = [];
  afterEach(async () => {
    await scanning?.stop();
    lines.length = 0;
  });
  /** A Temporal server that is not there. */
  const away = new Client({ connection: Connection.lazy({ address: '127.0.0.1:1', interceptors: [] }) });
  const start = (table: StateTable<Operations>) => {
    scanning = startStateScan({
      ...{ client: away, taskQueue: 'none', tables: { test: table }, intervalMs: 10 },
      onWarning: (line) => lines.push(line),
    });
  };
  const becomes = async (table: StateTable<Operations>, gid: string, holds: (row: StateRow) => boolean) => {
    let row = await table.look(gid);
    await until(async () => {
      row = await table.look(gid);
      return row !== undefined && holds(row);
    });
    return row ?? assert.fail();
  };
  /** A row that its caller has left. */
  const leave = async (table: StateTable<Operations>) => {
    const gid = stage.newGid();
    await table.run(gid, transfer(), { signal: AbortSignal.abort() });
    await stage.makeDue(gid);
    return gid;
  };

  it('ends what callers have left, with no Temporal server at hand', async () => {
    const table = stage.table();
    const gids = await Promise.all(Array.from({ length: 50 }, () => leave(table)));
    start(table);
    for (const gid of gids) {
      await becomes(table, gid, ({ state }) => state === 'success');
      assert.deepEqual(await stage.effects(gid), { a: -5, b: 5 });
    }
    assert.deepEqual(lines, []);
  });

  it('one row that hangs holds up no other, and stopping does not wait for it', async () => {
    const table = stage.table();
    const hanging = await leave(table);
    let reached: () => void = () => undefined;
    const hangs = new Promise<void>((resolve) => (reached = resolve));
    stage.probe = (point, { gid }) => {
      if (gid !== hanging || point !== 'before') return Promise.resolve();
      reached();
      return new Promise(() => undefined);
    };
    start(table);
    await hangs;
    const gids = await Promise.all(Array.from({ length: 60 }, () => leave(table)));
    for (const gid of gids) await becomes(table, gid, ({ state }) => state === 'success');
    await scanning?.stop();
    const row = await table.look(hanging);
    assert.deepEqual([row?.state, row?.rounds], ['init', 0], 'the round is given back');
  });

  it('makes rounds until it is an error, which waits until it can be taken to the desk', async () => {
    const table = stage.table({ rounds: 3, scanAfterMs: 100 });
    stage.probe = failing('b.put', 'before');
    const gid = await leave(table);
    start(table);
    const { rounds, done } = await becomes(table, gid, ({ state }) => state === 'error');
    assert.deepEqual([rounds, done], [3, 1]);
    await until(() =>
      lines.some((line) => line.startsWith(`${gid} could not be taken to the desk, and will be again`)),
    );
    // It is given back as soon as that is told.
    await becomes(table, gid, ({ dueAt = 0 }) => dueAt - Date.now() < 10_000 && dueAt > Date.now());
    // Rounds of others do not wait for it.
    stage.probe = undefined;
    const others = await Promise.all(Array.from({ length: 30 }, () => leave(table)));
    for (const other of others) await becomes(table, other, ({ state }) => state === 'success');
    await stage.caller.db.run(`delete from backstitch.state_table where gid = $1`, [gid]);
  });

  it('goes on when the table can be used again, and says so', async () => {
    const table = stage.table();
    const gid = await leave(table);
    await stage.caller.gone();
    try {
      start(table);
      await until(() => lines.some((line) => line.startsWith("the state table 'test' cannot be scanned")));
    } finally {
      await stage.caller.back();
    }
    await becomes(table, gid, ({ state }) => state === 'success');
    assert.ok(lines.includes("the state table 'test' can be used again"), lines.join('\n'));
  });

  it('rows that need a participant that is silent wait, and make no rounds', async () => {
    const table = stage.table({ rounds: 1_000 });
    stage.probe = failing('b.put', 'before');
    const gids = await Promise.all(Array.from({ length: 60 }, () => leave(table)));
    start(table);
    const isTaken = ({ dueAt = 0, driver }: StateRow) => driver.startsWith('state-scan') && dueAt > Date.now();
    for (const gid of gids) await becomes(table, gid, isTaken);
    await scanning?.stop();
    const rows = await Promise.all(gids.map((gid) => table.look(gid)));
    const tried = rows.filter((row) => (row?.rounds ?? 0) > 0).length;
    assert.ok(tried >= 5 && tried < 50, `${tried} of 60 were tried`);
  });

  it('a participant is silent after five failures in a row, and one finds out when it is not', () => {
    let now = 0;
    const silence = new Silence(30_000, () => now);
    const isSilent = () => silence.among(['a.take', 'b.put']);
    for (let failure = 1; failure <= 5; failure++) {
      assert.equal(isSilent(), undefined);
      silence.failed('b.put');
    }
    assert.equal(isSilent(), 'b');
    assert.equal(silence.among(['a.take']), undefined);
    now = 5_000;
    assert.deepEqual([isSilent(), isSilent()], [undefined, 'b'], 'one asks');
    silence.failed('b.put');
    now = 9_999;
    assert.equal(isSilent(), 'b');
    now = 10_000;
    assert.equal(isSilent(), undefined);
    assert.deepEqual(silence.untold(10_001), []);
    assert.deepEqual(silence.untold(10_000), [{ participant: 'b', forMs: 10_000 }]);
    silence.told('b');
    assert.deepEqual(silence.untold(0), []);
    silence.answered('b.get');
    silence.failed('b.put');
    assert.deepEqual(silence.untold(0), [], 'one failure is no silence');
    silence.answered('b.get');
    assert.deepEqual([isSilent(), isSilent()], [undefined, undefined]);
  });

  it('no participant is told to be silent that was heard of no more: another worker may have heard it', () => {
    let now = 0;
    const silence = new Silence(30_000, () => now);
    for (let failure = 1; failure <= 5; failure++) silence.failed('b.put');
    now = 60_001;
    assert.deepEqual(silence.untold(60_000), []);
    silence.failed('b.put');
    assert.deepEqual(silence.untold(0), [], 'it counts anew');
    assert.equal(silence.among(['b.put']), undefined);
    for (let failure = 2; failure <= 5; failure++) silence.failed('b.put');
    now += 60_000;
    assert.deepEqual(silence.untold(60_000), [{ participant: 'b', forMs: 60_000 }], 'since then, and not since ever');
  });
});
