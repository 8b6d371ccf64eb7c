import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { DefaultLogger } from '@temporalio/worker';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import {
  createPrepared,
  guardMigrations,
  inboxMigrations,
  logMigrations,
  migrate,
  outboxMigrations,
  pgDatabase,
  stateTableMigrations,
  type Database,
} from '../../../../src/kit/database/index.js';
import { forgetActivities, type ForgetOptions } from '../../../../src/kit/worker/index.js';
import type { ForgetPartOrder, ForgottenPart } from '../../../../src/kit/workflow/forget.js';
import { op } from '../../database/support/stage.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';
import { openTemporal, type TestTemporal } from '../../../support/temporal.js';

const GUARD = `insert into backstitch.guard
  (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, ended_at)
  values ($1, 'b', 1, 'action', case when $2::int is null then 'intent' else 'applied' end, '', '', 1, '', '', 1,
    now() - make_interval(days => $2::int))`;
const INBOX = `insert into backstitch.inbox (consumer, message_id, source, seq, topic, content_hash, outcome, attempt, handled_at)
  values ($1, $2, 'two', 1, 't', 'h', 'applied', 1, now() - interval '31 days')`;

describe('retention', function () {
  this.timeout(120_000);
  let temporal: TestTemporal;
  const opened: { test: TestDatabase; pool: pg.Pool }[] = [];
  const databases: Record<string, Database> = {};
  before(async () => {
    temporal = await openTemporal();
    for (const name of ['one', 'two', 'operations']) {
      const test = await testDatabase(name);
      const pool = new pg.Pool({ connectionString: test.url, max: 10 });
      pool.on('error', () => undefined);
      opened.push({ test, pool });
      const database = pgDatabase(pool);
      databases[name] = database;
      if (name === 'operations') {
        await migrate(database, 'log', logMigrations);
        continue;
      }
      await migrate(database, 'guard', guardMigrations);
      await migrate(database, 'inbox', inboxMigrations);
      await migrate(database, 'outbox', outboxMigrations);
      await migrate(database, 'state-table', stateTableMigrations);
    }
  });
  after(async () => {
    for (const { pool, test } of opened) {
      await pool.end();
      await test.drop();
    }
    await temporal.close();
  });
  beforeEach(async () => {
    for (const name of ['one', 'two']) {
      await in_(name).run(
        'truncate backstitch.guard, backstitch.announcements, backstitch.inbox, backstitch.state_table',
      );
      await in_(name).run('truncate backstitch.outbox, backstitch.outbox_lanes, backstitch.outbox_parked');
    }
  });

  const in_ = (name: string) => databases[name] ?? assert.fail(name);
  const options = (): ForgetOptions => ({
    databases: { one: in_('one'), two: in_('two') },
    operations: in_('operations'),
  });
  const forget = async (database: string, table: string, { forMs = 60_000, attempt = 3, given = options() } = {}) => {
    const environment = new MockActivityEnvironment(
      { attempt },
      { client: temporal.client, logger: new DefaultLogger('ERROR') },
    );
    const activity = forgetActivities(given)['backstitch.forget'];
    return environment.run<[ForgetPartOrder], ForgottenPart, typeof activity>(activity, { database, table, forMs });
  };
  const gids = async (name: string) =>
    (await in_(name).run<{ gid: string }>('select gid from backstitch.guard order by gid')).map(({ gid }) => gid);
  const guard = (name: string, gid: string, days: number | null) => in_(name).run(GUARD, [gid, days]);

  it('forgets the rows of transactions that are at rest everywhere, and leaves those of all others, however old', async () => {
    const mark = randomUUID().slice(0, 8);
    const own = (name: string) => `${name}-${mark}`;
    const kept = [
      'announced',
      'asked',
      'ended-lately',
      'intent',
      'needed',
      'opened',
      'prepared',
      'running',
      'young',
    ].map(own);
    for (const gid of [...kept, own('over'), own('gone')]) await guard('one', gid, gid === own('intent') ? null : 100);
    await guard('two', own('gone'), 100);
    await guard('two', own('young'), 10);
    await guard('two', own('opened'), 100);
    await in_('two').run(`update backstitch.guard set fate = '{"state":"running"}' where gid = $1`, [own('opened')]);
    await in_('two').run(
      `insert into backstitch.announcements (gid, owner, take_over_at) values ($1, 'direct:1', now())`,
      [own('announced')],
    );
    await in_('two').run(
      `insert into backstitch.state_table (gid, calls, two_states, input_hash, driver, created_at) values ($1, '[]', false, '', '', now())`,
      [own('asked')],
    );
    const start = (gid: string) =>
      temporal.client.workflow.start('nobodyHasThis', { workflowId: gid, taskQueue: `nobody-${mark}` });
    const running = await start(own('running'));
    await (await start(own('ended-lately'))).terminate();
    const prepared = createPrepared({ database: in_('two') });
    await prepared.prepare(op(own('prepared'), 'prepare'), {}, (sql) =>
      sql(`insert into backstitch.inbox_sources (consumer, source, seq) values ('p', 's', 1)`),
    );
    assert.equal((await prepared.inDoubt({ olderThanMs: 0 })).length, 1);

    const needs = {
      'the shop': (asked: readonly string[]) => Promise.resolve(asked.filter((gid) => gid === own('needed'))),
    };
    // The server's list follows with a delay.
    let done: ForgottenPart;
    const states = `select count(*)::int as n from backstitch.guard`;
    const query = `WorkflowId IN ('${own('running')}', '${own('ended-lately')}')`;
    for (let tries = 0; (await temporal.client.workflow.count(query)).count < 2; tries++) assert.ok(tries < 1_000);
    done = await forget('one', 'guard', { given: { ...options(), needs } });
    assert.deepEqual([done.removed, done.kept, done.finished, done.failure], [2, kept.length - 1, true, undefined]);
    assert.deepEqual(await gids('one'), kept);
    done = await forget('two', 'guard', { given: { ...options(), needs } });
    assert.equal(done.removed, 1);
    assert.deepEqual(await gids('two'), [own('opened'), own('young')]);
    assert.deepEqual(await in_('one').run(states), [{ n: kept.length }]);
    await prepared.rollback(op(own('prepared'), 'rollback'), {});
    await running.terminate();
  });

  it('forgets what was handled, but not of a message that some outbox still has: waiting, aside, or dead', async () => {
    for (const id of ['waiting', 'dead', 'delivered'])
      for (const consumer of ['a', 'b']) await in_('one').run(INBOX, [consumer, id]);
    const old = `now() - interval '40 days'`;
    await in_('two').run(
      `insert into backstitch.outbox (stream, seq, id, topic, added_at) values ('two/all/0', 1, 'waiting', 't', ${old})`,
    );
    await in_('two').run(
      `insert into backstitch.outbox_lanes (stream, lane, failed_at, dead_at) values ('two/all/0', 's:2', ${old}, ${old})`,
    );
    await in_('two').run(
      `insert into backstitch.outbox_parked (stream, lane, seq, id, topic, added_at) values ('two/all/0', 's:2', 2, 'dead', 't', ${old})`,
    );
    const { removed, kept } = await forget('one', 'inbox');
    assert.deepEqual([removed, kept], [2, 2]);
    const left = await in_('one').run<{ id: string }>(
      'select distinct message_id as id from backstitch.inbox order by 1',
    );
    assert.deepEqual(
      left.map(({ id }) => id),
      ['dead', 'waiting'],
    );
    // Messages are never forgotten, nor what of them is dead.
    for (const table of ['outbox', 'outbox_parked', 'outbox_lanes']) {
      assert.deepEqual(await in_('two').run(`select count(*)::int as n from backstitch.${table}`), [{ n: 1 }]);
    }
  });

  it('has its time: what is left is the next one’s; what an attempt has done that was lost is told by the next', async () => {
    await in_('one').run(
      `insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, ended_at)
       select 'many-' || n, 'b', 1, 'action', 'applied', '', '', 1, '', '', 1, now() - interval '100 days' from generate_series(1, 2500) n`,
    );
    const first = await forget('one', 'guard', { forMs: 0 });
    assert.deepEqual([first.removed, first.finished], [1_000, false]);
    const second = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: 1_000 }, { client: temporal.client });
    const activity = forgetActivities(options())['backstitch.forget'];
    const order = { database: 'one', table: 'guard', forMs: 60_000 };
    const part = await second.run<[ForgetPartOrder], ForgottenPart, typeof activity>(activity, order);
    assert.deepEqual([part.removed, part.finished], [2_500, true]);
  });

  it('forgets nothing where one that may need it cannot be asked; and all the rest', async () => {
    await guard('one', 'old', 100);
    await in_('one').run(INBOX, ['a', 'old']);
    await in_('one').run(
      `insert into backstitch.outbox_decisions (stream, seq, at, action, actor, reason)
       select 's', n, now() - make_interval(days => n), 'skipped', 'ann', 'r' from unnest(array[399, 401]) n`,
    );
    await in_('operations').run(
      `insert into backstitch.log (gid, source, origin, item, op, outcome, began_at, final, version, collected_at)
       select gid, 'guard', 'one', n::text, 'action', 'applied', now(), true, 1, now() - make_interval(days => n)
       from (values ('old', 401), ('old', 402), ('mixed', 401), ('mixed', 10)) v (gid, n)`,
    );
    const { up } = await (opened[1]?.test ?? assert.fail()).down();
    try {
      const look = forgetActivities(options())['backstitch.forgettable'];
      type Looked = Awaited<ReturnType<typeof look>>;
      const { parts, unread } = await new MockActivityEnvironment().run<[], Looked, typeof look>(look);
      assert.deepEqual(
        unread.map(({ database }) => database),
        ['two'],
      );
      assert.deepEqual(
        parts.map(({ database, table }) => `${database} ${table}`),
        [...['one state_table', 'one guard', 'one inbox', 'one outbox_decisions', 'operations log']],
      );
      for (const table of ['guard', 'inbox']) {
        await assert.rejects(forget('one', table, { attempt: 1 }));
        const { removed, finished, failure } = await forget('one', table);
        assert.deepEqual([removed, finished], [0, false]);
        assert.match(failure ?? '', /^two could not be asked what is needed still: /);
      }
      assert.equal((await forget('one', 'outbox_decisions')).removed, 1);
      assert.deepEqual(await gids('one'), ['old']);
    } finally {
      await up();
    }
    assert.equal((await forget('one', 'guard')).removed, 1);
    assert.equal((await forget('one', 'inbox')).removed, 1);
    assert.equal((await forget('operations', 'log')).removed, 2);
    assert.match((await forget('one', 'nothing')).failure ?? '', /no 'nothing' of a database 'one'/);
  });
});
