import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import type { Database } from '../../../../src/kit/database/index.js';
import { putRun } from '../../../../src/kit/database/log/statements.js';
import { logActivities, type LogOptions } from '../../../../src/kit/worker/index.js';
import type { collectLog, HistoriesCollected, LogEntry, LogPage } from '../../../../src/kit/workflow/index.js';
import { temporalAddress } from '../../../support/servers.js';
import { openTripWorld, type TripWorld } from '../../client/support.js';
import { LogStage } from '../../database/log/support.js';
import type { Decided } from './workflows.js';
import { until } from '../../../support/until.js';

/** Ends the connection that it runs on. */
const CUT = 'select pg_terminate_backend(pg_backend_pid())';
const MASKS = { 'hotel.book': ['card.number'] };

describe('the log of histories', function () {
  this.timeout(180_000);
  const stage = new LogStage();
  let world: TripWorld;
  let native: NativeConnection;
  let worker: Worker;
  let running: Promise<void>;
  const taskQueue = `log-${randomUUID()}`;
  const warnings: string[] = [];

  before(async () => {
    world = await openTripWorld();
    native = await NativeConnection.connect({ address: await temporalAddress() });
    worker = await Worker.create({
      connection: native,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      activities: { ...activities() },
      shutdownGraceTime: 0,
    });
    running = worker.run();
    await stage.reset();
  });
  after(async () => {
    worker.shutdown();
    await running;
    await native.close();
    await world.close();
  });

  function activities(more: Partial<LogOptions> = {}) {
    return logActivities({
      client: world.client,
      databases: { payments: stage.participant },
      operations: stage.operations,
      masks: MASKS,
      onWarning: (line) => warnings.push(line),
      ...more,
    });
  }

  /** One collection, as a worker runs it. */
  function collect(more: Partial<LogOptions> = {}): Promise<HistoriesCollected> {
    const environment = new MockActivityEnvironment(
      { startToCloseTimeoutMs: 60_000, currentAttemptScheduledTimestampMs: Date.now() },
      { logger: new DefaultLogger('ERROR') },
    );
    return environment.run(activities(more)['backstitch.collectHistories']);
  }

  /** Collects until the log of the transaction is as asked: the server's list follows its histories with a delay. */
  async function collected(gid: string, isThere: (entries: readonly LogEntry[]) => boolean): Promise<LogEntry[]> {
    let entries: LogEntry[] = [];
    const isComplete = async () => {
      await collect();
      entries = await stage.entries(gid);
      return isThere(entries);
    };
    await until(isComplete, 30_000).catch((error: unknown) => {
      throw new Error(`not in the log of ${gid}: ${JSON.stringify(entries)}`, { cause: error });
    });
    return entries;
  }

  const show = (gid: string): Promise<LogPage> =>
    world.client.workflow.execute('showLog', { workflowId: `show-${randomUUID()}`, taskQueue, args: [gid] });
  const newId = () => randomUUID().slice(0, 8);
  const ended = (call: Promise<unknown>) => call.catch(() => undefined);
  const has = (op: string) => (entries: readonly LogEntry[]) => entries.some((entry) => entry.op === op);

  it('tells of an undone transaction which attempts failed and why, with masked inputs, and how it ended', async () => {
    const id = newId();
    const trip = { id, noCar: true, fail: { 'hotel.book.action': 1 }, card: { number: '4111', holder: 'Ann' } };
    await ended(world.bookTrip(trip));
    const [booked, end, ...rest] = await collected(`trip-${id}`, has('end'));
    assert.deepEqual(rest, [], 'what its guards tell is not told again');
    assert.deepEqual(
      [booked?.branch, booked?.op, booked?.outcome, booked?.attempt, booked?.seq, booked?.function],
      ['hotel', 'action', 'succeeded', 2, 1, 'hotel.book.action'],
    );
    assert.deepEqual(booked?.input, { ...trip, card: { number: '***', holder: 'Ann' } });
    assert.match(booked.failure?.message ?? '', /attempt 1 of hotel.book.action fails/);
    assert.match(booked.driver ?? '', /^workflow:/);
    assert.ok(booked.who !== undefined && booked.beganAt <= (booked.endedAt ?? ''));
    assert.deepEqual([end?.outcome, end?.failure?.type], ['compensated', 'TransactionCompensated']);
  });

  it('tells who terminated a run and why, and that of a call under way nothing is known', async () => {
    const id = newId();
    const reached = world.script.hold(id, 'car.rent.action');
    const call = ended(world.bookTrip({ id }));
    await reached;
    await world.client.workflow.getHandle(`trip-${id}`).terminate('wrong customer');
    await call;
    world.script.release(id, 'car.rent.action');
    const entries = await collected(`trip-${id}`, has('end'));
    const [car, end] = [entries.find(({ branch }) => branch === 'car'), entries.find(({ op }) => op === 'end')];
    assert.deepEqual([car?.op, car?.outcome, car?.endedAt], ['action', 'unknown', undefined]);
    assert.deepEqual([end?.outcome, end?.failure?.message], ['terminated', 'wrong customer']);
    assert.ok(end?.who !== undefined);
  });

  it('tells who asked for a cancellation, and what it met', async () => {
    const id = newId();
    const reached = world.script.hold(id, 'car.rent.action');
    const call = ended(world.bookTrip({ id }));
    await reached;
    await world.client.workflow.getHandle(`trip-${id}`).cancel();
    await call;
    const entries = await collected(`trip-${id}`, has('end'));
    const cancel = entries.find(({ op }) => op === 'cancel-request');
    assert.deepEqual([cancel?.outcome, cancel?.who], ['accepted', world.client.options.identity]);
    assert.equal(entries.find(({ branch, op }) => branch === 'car' && op === 'action')?.outcome, 'unknown');
    assert.equal(entries.find(({ op }) => op === 'end')?.outcome, 'compensated');
  });

  it('does not read a transaction that simply committed: its guards tell all; shown, it is read', async () => {
    const [id, later] = [newId(), newId()];
    await world.bookTrip({ id, fail: { 'hotel.book.action': 1 } });
    await ended(world.bookTrip({ id: later, noCar: true }));
    await collected(`trip-${later}`, has('end'));
    assert.deepEqual(await stage.entries(`trip-${id}`), []);
    const { entries } = await show(`trip-${id}`);
    assert.deepEqual(
      entries.map(({ op, outcome, attempt }) => [op, outcome, attempt]),
      [
        ['action', 'succeeded', 2],
        ['end', 'committed', undefined],
      ],
    );
  });

  it('reads the history of a closed run once', async () => {
    const id = newId();
    await ended(world.bookTrip({ id, noCar: true }));
    await collected(`trip-${id}`, has('end'));
    const [first] = await stage.operations.run('select * from backstitch.log_runs where gid = $1', [`trip-${id}`]);
    assert.equal((await collect()).runs, 0);
    assert.deepEqual(await stage.operations.run('select * from backstitch.log_runs where gid = $1', [`trip-${id}`]), [
      first,
    ]);
  });

  describe('of a transaction that waits for a person', () => {
    const start = async (end = '') => {
      const gid = `case-${newId()}${end}`;
      const handle = await world.client.workflow.start('waitsForPerson', { workflowId: gid, taskQueue, args: [] });
      const decide = (decided: Partial<Decided>, update = 'decide') =>
        handle.executeUpdate<string, [Decided]>(update, {
          args: [{ actor: 'ann', branch: 'pay', action: 'retry', reason: 'the bank is back', ...decided }],
        });
      return { gid, handle, decide };
    };
    const isRead = async (gid: string) =>
      (await stage.operations.run('select from backstitch.log_runs where gid = $1', [gid])).length > 0;
    const untilRead = (gid: string) =>
      until(async () => {
        await collect();
        return isRead(gid);
      }, 30_000);

    it('tells each accepted decision, by whom, why, and what came of it; not those that were refused', async () => {
      const { gid, handle, decide } = await start();
      const input = { amount: 5, card: { number: '4111' } };
      await decide({ input });
      await ended(decide({ action: 'fail', actor: 'bob' }));
      await ended(decide({ actor: undefined }));
      await decide({ actor: 'cy', reason: 'paused' }, 'operate');
      await decide({ actor: 'dan', action: 'resolve', reason: 'paid by hand' });
      await handle.result();
      const { entries } = await show(gid);
      assert.deepEqual(
        entries.map(({ op, outcome, who, branch, result, failure }) => [
          op,
          outcome,
          who,
          branch,
          result,
          failure?.type,
        ]),
        [
          ['decide', 'done', 'ann', 'pay', 'noted', undefined],
          ['decide', 'failed', 'bob', 'pay', undefined, 'BankClosed'],
          ['operate', 'done', 'cy', 'pay', 'noted', undefined],
          ['decide', 'done', 'dan', 'pay', 'noted', undefined],
          ['end', 'committed', undefined, undefined, 'resolved', undefined],
        ],
      );
      assert.deepEqual(entries[0]?.input, {
        ...{ actor: 'ann', branch: 'pay', action: 'retry', reason: 'the bank is back' },
        input: { amount: 5, card: { number: '***' } },
      });
    });

    it('tells what PostgreSQL has no place for, a zero character or half a pair, as a replacement character', async () => {
      const { gid, handle, decide } = await start();
      await untilRead(gid);
      await decide({ actor: 'an\0n', branch: 'p\ud800y', reason: 'C:\\u0000 \0', input: { 'k\0': ['\udc00'] } });
      await decide({ action: 'resolve' });
      await handle.result();
      const [decided] = await collected(gid, has('end'));
      const [shown] = (await show(gid)).entries;
      for (const entry of [decided, shown]) {
        assert.deepEqual([entry?.who, entry?.branch], ['an\ufffdn', 'p\ufffdy']);
        assert.deepEqual(entry?.input, {
          ...{ actor: 'an\ufffdn', branch: 'p\ufffdy', action: 'retry', reason: 'C:\\u0000 \ufffd' },
          input: { 'k\ufffd': ['\ufffd'] },
        });
      }
    });

    it('is collected though there is a zero character in its id', async () => {
      const { gid, handle, decide } = await start('\0');
      await untilRead(gid.replace('\0', '\ufffd'));
      await decide({ action: 'resolve' });
      await handle.result();
      await collected(gid, has('end'));
    });

    /** It is decided, commits, and is found with both. */
    const resolved = async ({ gid, handle, decide }: Awaited<ReturnType<typeof start>>) => {
      await decide({ action: 'resolve' });
      await handle.result();
      const entries = await collected(gid, has('end'));
      assert.deepEqual(
        entries.map(({ op }) => op),
        ['decide', 'end'],
      );
    };

    it('is collected at its end though it waited for less long than there is between two collections', async () => {
      await resolved(await start());
    });

    it('is collected while it waits, again only when something has changed, and at its end though it then commits', async () => {
      const waiting = await start();
      await untilRead(waiting.gid);
      assert.equal((await collect()).runs, 0, 'nothing has changed');
      await resolved(waiting);
    });
  });

  it('goes on when one history cannot be read, says so in a line, and reads it later', async () => {
    const [poisoned, well] = [newId(), newId()];
    await ended(world.bookTrip({ id: poisoned, noCar: true }));
    await ended(world.bookTrip({ id: well, noCar: true }));
    const decode = (payloads: { data?: Uint8Array | null }[]) => {
      const broken = payloads.some(({ data }) => Buffer.from(data ?? []).includes(poisoned));
      return broken ? Promise.reject(new Error('no key')) : Promise.resolve(payloads);
    };
    const client = new Client({
      connection: world.client.connection,
      dataConverter: { payloadCodecs: [{ encode: (payloads) => Promise.resolve(payloads), decode }] },
    });
    let failed = 0;
    await until(async () => {
      failed += (await collect({ client })).failed;
      return failed > 0 && (await stage.entries(`trip-${well}`)).length > 0;
    }, 30_000);
    assert.deepEqual(await stage.entries(`trip-${poisoned}`), []);
    const told = warnings.filter((line) => line.includes(`trip-${poisoned}`));
    assert.ok(
      told.length >= 1 && told.every((line) => line.includes('no key') && !line.includes('\n')),
      told.join('\n'),
    );
    // When it is due again, long after it closed.
    await stage.operations.run(`update backstitch.log_runs set due_at = now()`, []);
    await stage.operations.run(
      `update backstitch.log_cursors set done = '2100-01-01T00:00:00Z' where source = 'histories'`,
    );
    await collect();
    assert.deepEqual(
      (await stage.entries(`trip-${poisoned}`)).map(({ op }) => op),
      ['end'],
    );
  });

  it('goes on when the database refuses what one history tells, says so in a line, and reads it later', async () => {
    const [refused, well] = [newId(), newId()];
    const constraint = `alter table backstitch.log add constraint refuses check (gid <> 'trip-${refused}')`;
    await stage.operations.run(constraint, []);
    try {
      await ended(world.bookTrip({ id: refused, noCar: true }));
      await ended(world.bookTrip({ id: well, noCar: true }));
      let failed = 0;
      await until(async () => {
        failed += (await collect()).failed;
        return failed > 0 && (await stage.entries(`trip-${well}`)).length > 0;
      }, 30_000);
    } finally {
      await stage.operations.run('alter table backstitch.log drop constraint refuses', []);
    }
    assert.deepEqual(await stage.entries(`trip-${refused}`), []);
    const told = warnings.filter((line) => line.includes(`trip-${refused}`));
    assert.ok(
      told.length >= 1 && told.every((line) => line.includes('refuses') && !line.includes('\n')),
      told.join('\n'),
    );
    await stage.operations.run(`update backstitch.log_runs set due_at = now()`, []);
    await collected(`trip-${refused}`, has('end'));
  });

  it('throws when the operations database cannot be used, and has no run pay for it', async () => {
    const id = newId();
    const database: Database = {
      ...stage.operations,
      run: (text, values) => (text === putRun ? stage.operations.run(CUT) : stage.operations.run(text, values)),
    };
    await ended(world.bookTrip({ id, noCar: true }));
    const isLost = () =>
      collect({ operations: database }).then(
        () => false,
        () => true,
      );
    await until(isLost, 30_000);
    assert.deepEqual(await stage.operations.run('select from backstitch.log_runs where gid = $1', [`trip-${id}`]), []);
    await collected(`trip-${id}`, has('end'));
  });

  it('of the server that does not keep a run any more: it is given up', async () => {
    const put = `insert into backstitch.log_runs (run_id, gid, closed, seen, checked_at) values ($1, 'gone', false, '', 'epoch')`;
    await stage.operations.run(put, [randomUUID()]);
    await collect();
    const [gone] = await stage.operations.run<{ closed: boolean }>(
      `select closed from backstitch.log_runs where gid = 'gone'`,
      [],
    );
    assert.equal(gone?.closed, true);
  });

  it('is collected as a workflow, guards and histories, and shown as one', async () => {
    const id = newId();
    await ended(world.bookTrip({ id, noCar: true }));
    await collected(`trip-${id}`, has('end'));
    const workflowId = `collect-${randomUUID()}`;
    const { guards, histories } = await world.client.workflow.execute<typeof collectLog>('collectLog', {
      workflowId,
      taskQueue,
    });
    assert.deepEqual([guards.kept, histories.kept, histories.failed], [true, true, 0]);
    const page = await show(`trip-${id}`);
    assert.deepEqual([page.found, page.notes, page.next], [true, [], undefined]);
    assert.ok(page.entries.every(({ collectedAt }) => collectedAt !== undefined));
    assert.equal((await show('none')).found, false);
    assert.equal((await show(`it's`)).found, false, 'an id with a quote in it');
  });

  it('without an operations database is shown all the same, and says that nothing is kept', async () => {
    const id = newId();
    await ended(world.bookTrip({ id, noCar: true }));
    const page = await activities({ operations: undefined })['backstitch.showLog'](`trip-${id}`, 0);
    assert.deepEqual(
      page.entries.map(({ op, outcome }) => [op, outcome]),
      [['end', 'compensated']],
    );
    assert.match(page.notes.join('\n'), /^there is no operations database .*nothing of this is kept$/);
    const nothing = activities({ operations: undefined });
    assert.deepEqual(await nothing['backstitch.collectGuards'](), { kept: false, rows: 0, finished: true });
  });

  it('of a large transaction is shown in parts', async () => {
    const gid = `large-${newId()}`;
    const insert = `
insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, input, driver, seq, function, who, attempt, ended_at)
select $1, 'b' || n, 1, 'action', 'applied', '', to_jsonb(repeat('x', case n when 1 then 300000 else 190000 end)), 'd', n, 'f', 'w', 1, clock_timestamp()
from generate_series(1, 12) n`;
    await stage.participant.run(insert, [gid]);
    const [branches, parts] = [new Set<string>(), [] as number[]];
    for (let from: number | undefined = 0; from !== undefined;) {
      const page: LogPage = await activities()['backstitch.showLog'](gid, from);
      for (const { branch, input } of page.entries) {
        branches.add(branch ?? '');
        assert.equal(input === '(300002 bytes, left out here)', branch === 'b1');
      }
      parts.push(page.entries.length);
      from = page.next;
    }
    assert.ok(parts.length >= 3, parts.join(', '));
    assert.equal(branches.size, 12);
  });
});
