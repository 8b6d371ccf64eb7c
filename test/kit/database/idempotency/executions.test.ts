import assert from 'node:assert/strict';
import {
  createExecutions,
  ExecutionTakenOver,
  forgetExecutions,
  type Execution,
} from '../../../../src/kit/database/index.js';
import { until } from '../../../support/until.js';
import { Gate } from '../inbox/support.js';
import { fresh, LockStage } from './stage.js';

describe('execution records', () => {
  const stage = new LockStage();
  const key = () => ({ task: 'grant', businessId: fresh('order') });
  const executions = (staleAfterMs = 600_000) => createExecutions({ database: stage.db, staleAfterMs });
  const row = ({ businessId }: { businessId: string }) =>
    stage.one<{ state: string; attempt: number; result: unknown; failure: unknown }>(
      'select state, attempt, result, failure from backstitch.executions where business_id = $1',
      businessId,
    );
  /** As if it had begun so long ago that it is stale. */
  const age = ({ businessId }: { businessId: string }, days = 1) =>
    stage.db.run(
      `update backstitch.executions set started_at = started_at - make_interval(days => $2::int),
         ended_at = ended_at - make_interval(days => $2::int) where business_id = $1`,
      [businessId, days],
    );
  const never = () => Promise.reject(new Error('must not run'));

  it('executes once of many at once; the others are told that it is under way, and later its result', async () => {
    const of = key();
    const gate = new Gate();
    let runs = 0;
    const work = async () => {
      runs++;
      await gate.pass();
      return { points: 100 };
    };
    const all = Array.from({ length: 10 }, () => executions().run(of, work));
    await gate.reached;
    const first = Promise.all(all);
    const skipped = await executions().run(of, never);
    assert.ok(skipped.outcome === 'skipped' && skipped.because === 'processing' && skipped.since > 1_600_000_000_000);
    gate.open();
    const outcomes = (await first).map((each) => (each.outcome === 'done' ? 'done' : each.because));
    assert.deepEqual([runs, outcomes.filter((outcome) => outcome === 'done').length], [1, 1]);
    assert.deepEqual(await executions().run(of, never), {
      ...{ outcome: 'skipped', because: 'success', result: { points: 100 } },
    });
  });

  it('takes over what has failed, at once', async () => {
    const of = key();
    await assert.rejects(
      executions().run(of, () => Promise.reject(new TypeError('broken'))),
      /broken/,
    );
    assert.deepEqual(await row(of), {
      ...{ state: 'FAILED', attempt: 1, result: null, failure: { type: 'TypeError', message: 'broken' } },
    });
    assert.deepEqual(await executions().run(of, () => Promise.resolve('well')), {
      ...{ outcome: 'done', result: 'well', attempt: 2 },
    });
  });

  it('lets one of many take over what is stale; who was late writes nothing, and is told', async () => {
    const of = key();
    const gate = new Gate();
    const late = executions().run(of, async (execution: Execution) => {
      await gate.pass();
      // In the transaction of its writes it is refused before they are committed.
      await assert.rejects(
        stage.db.transaction(async (sql) => {
          await sql(`insert into effects (name, value) values ($1, 'late')`, [of.businessId]);
          await execution.complete(sql, 'late');
        }),
        ExecutionTakenOver,
      );
      return 'late';
    });
    late.catch(() => undefined);
    await gate.reached;
    await age(of);
    const second = new Gate();
    let runs = 0;
    const takers = Array.from({ length: 10 }, () =>
      executions().run(of, async ({ attempt }) => {
        runs++;
        await second.pass();
        return `attempt ${attempt}`;
      }),
    );
    await second.reached;
    gate.open();
    await assert.rejects(late, ExecutionTakenOver);
    assert.deepEqual((await row(of)).state, 'PROCESSING');
    second.open();
    await Promise.all(takers);
    assert.equal(runs, 1);
    assert.deepEqual(await row(of), { state: 'SUCCESS', attempt: 2, result: 'attempt 2', failure: null });
    const effects = await stage.db.run('select 1 from effects where name = $1', [of.businessId]);
    assert.equal(effects.length, 0);
  });

  it('a failure that comes late does not end what took over', async () => {
    const of = key();
    const gate = new Gate();
    const late = executions().run(of, async () => {
      await gate.pass();
      throw new Error('too late');
    });
    late.catch(() => undefined);
    await gate.reached;
    await age(of);
    assert.equal((await executions().run(of, () => Promise.resolve('well'))).outcome, 'done');
    gate.open();
    await assert.rejects(late, /too late/);
    assert.equal((await row(of)).state, 'SUCCESS');
  });

  it('commits the work with SUCCESS or not at all, whatever the work says of it', async () => {
    const of = key();
    const run = executions().run(of, async (execution) => {
      await assert.rejects(
        stage.db.transaction(async (sql) => {
          await execution.complete(sql, 1);
          throw new Error('rolled back');
        }),
        /rolled back/,
      );
      return 2;
    });
    await assert.rejects(run, /rolled back: it is not done/);
    const again = await executions().run(of, () => Promise.resolve(2));
    assert.deepEqual([again.outcome, (await row(of)).result], ['done', 2]);
    // And one that is committed stays so, though the work fails after it.
    const other = key();
    const failing = executions().run(other, async (execution) => {
      await stage.db.transaction((sql) => execution.complete(sql, 3));
      throw new Error('after it');
    });
    await assert.rejects(failing, /after it/);
    assert.deepEqual(await executions().run(other, never), { outcome: 'skipped', because: 'success', result: 3 });
  });

  it('has what it took though it did not hear of it; what comes late of it takes nothing more', async () => {
    const of = key();
    const late: (() => Promise<unknown>)[] = [];
    let asked = 0;
    const database = {
      ...stage.db,
      run: async (...given: Parameters<typeof stage.db.run>) => {
        const rows = await stage.db.run(...given);
        if (++asked > 1) return rows;
        late.push(() => stage.db.run(...given));
        throw new Error('the answer was lost');
      },
    } as typeof stage.db;
    const failing = createExecutions({ database }).run(of, ({ attempt }) =>
      Promise.reject(new Error(`${attempt} fails`)),
    );
    await assert.rejects(failing, /^Error: 1 fails/);
    // As if its first question had been on its way all the time.
    for (const ask of late) assert.deepEqual(await ask(), []);
    assert.equal((await row(of)).state, 'FAILED');
    const again = await executions().run(of, () => Promise.resolve('well'));
    assert.deepEqual([again.outcome, (await row(of)).attempt], ['done', 2]);
    assert.throws(() => executions(2 ** 31), RangeError);
  });

  it('tells work that is stale, so that it can end', async () => {
    const of = key();
    const run = executions(30).run(of, async ({ signal }) => {
      await until(() => signal.aborted);
      return 'ended';
    });
    assert.equal((await run).outcome, 'done', 'nobody has taken it over');
  });

  it('forgets what has ended long ago, and nothing that is under way', async () => {
    const [ended, open] = [key(), key()];
    await executions().run(ended, () => Promise.resolve(1));
    const gate = new Gate();
    const running = executions().run(open, () => gate.pass());
    await gate.reached;
    await age(ended, 31);
    await age(open, 31);
    assert.equal(await forgetExecutions(stage.db, { batch: 1 }), 1);
    gate.open();
    assert.equal((await running).outcome, 'done');
    await assert.rejects(forgetExecutions(stage.db, { olderThanDays: 0 }), RangeError);
  });
});
