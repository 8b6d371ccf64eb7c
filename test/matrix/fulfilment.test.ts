import assert from 'node:assert/strict';
import { Client } from '@temporalio/client';
import pg from 'pg';
import {
  createGuard,
  createOutbound,
  guardMigrations,
  migrate,
  ObjectLocked,
  outboxMigrations,
  pgDatabase,
  type Database,
  type Message,
} from '../../src/kit/database/index.js';
import { streamStore } from '../../src/kit/database/outbox/stream.js';
import { rabbitSink } from '../../src/kit/rabbitmq/index.js';
import { crashMatrix, type FaultKind, type MatrixReport } from '../../src/kit/testing/index.js';
import { StreamRelay } from '../../src/kit/worker/outbox/relay.js';
import { defaultRelayRules } from '../../src/kit/worker/outbox/rules.js';
import { Wake } from '../../src/kit/worker/outbox/wake.js';
import { newGid, op } from '../kit/database/support/stage.js';
import { messagesIn, Rabbit } from '../kit/rabbitmq/support/rabbit.js';
import { RedisStage } from '../kit/redis/stage.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { transpiled } from '../support/transpiled.js';
import { until } from '../support/until.js';
import { createFulfilment, fulfilmentSql, notices, shownKey, stockKey } from './fulfilment.js';
import { EVERY, ONLY } from './share.js';
import { assertNoneWrong } from './wrong.js';
import { connectTo } from '../support/connection.js';

/** With `MATRIX_EVERY=1` every kind of fault at every operation, and pairs. */
const PAIRS = Number(process.env.MATRIX_PAIRS_FULFIL ?? (EVERY ? 60 : 0));
const SEED = Number(process.env.MATRIX_SEED ?? 1);
const KINDS: readonly FaultKind[] | undefined = EVERY ? undefined : ['no-reply', 'late', 'killed-after'];
const UNITS = 1_000;

describe('a saga over PostgreSQL, Redis and a queue, two at once on one order', function () {
  this.timeout(900_000);
  const redis = new RedisStage();
  const rabbit = new Rabbit();
  let test: TestDatabase;
  let pool: pg.Pool;
  let database: Database;

  before(async () => {
    test = await testDatabase('fulfilment');
    pool = new pg.Pool({ connectionString: test.url, max: 10 });
    database = pgDatabase(pool);
    await migrate(database, 'guard', guardMigrations);
    await migrate(database, 'outbox', outboxMigrations);
    await database.run(fulfilmentSql);
    await database.run(`insert into stock (order_id, units) select 'o' || n, ${UNITS} from generate_series(0, 2000) n`);
  });
  after(async () => {
    // Where there is no Redis or no RabbitMQ the suite is skipped before it has one.
    const opened: (pg.Pool | undefined)[] = [pool];
    await opened[0]?.end();
    const dropped: (TestDatabase | undefined)[] = [test];
    await dropped[0]?.drop();
  });

  const units = async (orderId: string) => {
    const [row] = await database.run<{ units: number }>('select units from stock where order_id = $1', [orderId]);
    return row?.units;
  };
  const shown = async (orderId: string) => Number(await redis.send('GET', stockKey(orderId)));

  it('shows the wrong number without the lock, and with it the other one has to wait', async () => {
    const participant = createFulfilment({
      ...{ database, redis: redis.redis },
      ...{ guard: createGuard(database), outbound: createOutbound(database) },
    });
    const take = (gid: string, orderId: string) =>
      participant.take.action(op(gid, 'action', { branch: 'take' }), { orderId });
    const show = (gid: string, orderId: string, left: number) =>
      participant.show.action(op(gid, 'action', { branch: 'show' }), { orderId, left });
    const [one, other, open, locked] = [newGid(), newGid(), 'o1999', 'o2000'];
    const [first, second] = [await take(one, open), await take(other, open)];
    await show(other, open, second.left);
    await show(one, open, first.left);
    assert.deepEqual([await units(open), await shown(open)], [UNITS - 2, UNITS - 1]);

    const input = { orderId: locked };
    await participant.lock.action(op(one, 'action', { branch: 'lock' }), input);
    await assert.rejects(participant.lock.action(op(other, 'action', { branch: 'lock' }), input), ObjectLocked);
    await participant.lock.compensation(op(one, 'compensation', { branch: 'lock' }), input);
  });

  const effects = async (gid: string) => {
    const marks = await database.run<{ step: string; net: number }>(
      'select step, sum(mark)::int as net from marks where gid = $1 group by step',
      [gid],
    );
    const [guard] = await database.run<{ lock: number; unlock: number; locked: boolean }>(
      `select
         (count(*) filter (where branch = 'lock' and phase = 1) - count(*) filter (where branch = 'lock' and phase = 2))::int as lock,
         count(*) filter (where split_part(branch, '~', 1) = 'unlock')::int as unlock,
         exists (select from stock where locked_by = $1) as locked
       from backstitch.guard where gid = $1 and outcome = 'applied'`,
      [gid],
    );
    const { lock, unlock } = guard?.locked === false ? guard : { lock: Number.NaN, unlock: Number.NaN };
    return {
      ...{ lock, unlock, take: 0, tell: 0, show: Number(await redis.send('GET', shownKey(gid))) },
      ...Object.fromEntries(marks.map(({ step, net }) => [step, net])),
    };
  };
  /** Two that begin one after the other have one order. */
  const orderOf = (gid: string) => `o${Math.floor(Number(gid.replace(/^.*-/, '')) / 2)}`;

  it('leaves every effect exactly once or none, with every fault; what is shown and told is what was done', async () => {
    const { exchange, queue, url } = await rabbit.declare(['order.*']);
    const over = new AbortController();
    const sink = rabbitSink({ url, exchange });
    const [stream] = notices.streams;
    assert.ok(stream);
    const relay = new StreamRelay({
      store: streamStore(database, notices, stream, { isLinked: true }),
      ...{ sink, wake: new Wake(), owner: 'test', signal: over.signal, forMs: 3_600_000 },
      rules: { ...defaultRelayRules, pollMs: 200 },
      onTrouble: () => Promise.resolve(),
    });
    const relayed = relay.run();
    relayed.catch(() => undefined);
    const connection = await connectTo(await temporalAddress());
    let report: MatrixReport;
    try {
      report = await crashMatrix({
        client: new Client({ connection }),
        worker: {
          file: transpiled('test/matrix/fulfilment-worker-program.ts'),
          execArgv: [],
          env: {
            FULFILMENT_URL: test.url,
            REDIS_URL: redis.server.url,
            TEMPORAL_ADDRESS: await temporalAddress(),
          },
        },
        workflow: 'fulfil',
        steps: { lock: 'step', take: 'step', show: 'step', tell: 'pivot', unlock: 'forward' },
        input: (gid) => ({ orderId: orderOf(gid) }),
        effects,
        kinds: KINDS,
        pairs: PAIRS,
        seed: SEED,
        only: ({ name }) => name.includes(ONLY),
        onResult: process.env.MATRIX_VERBOSE
          ? ({ case: { name }, gid, verdict, reasons, ms, missed }, done, of) => {
              const more = `${reasons.join('; ')} [${missed.join(', ')}]`;
              console.error(`    ${done}/${of} ${verdict} ${ms} ms ${gid} ${name} ${more}`);
            }
          : undefined,
      });
      await until(async () => (await database.run('select 1 from backstitch.outbox limit 1')).length === 0);
    } finally {
      over.abort();
      await relayed.catch(() => undefined);
      await sink.close();
      await connection.close();
    }
    console.log(report.table.replaceAll(/^/gm, '    '));
    console.log(`    ${report.ms} ms, ${report.killed} workers killed`);
    assertNoneWrong(report);

    const told = new Map<string, Message>();
    for (const message of messagesIn(await rabbit.drain(queue))) told.set(message.id, message);
    const orders = await database.run<{ gid: string }>(`select gid from marks where step = 'tell'`);
    assert.deepEqual([...told.keys()].toSorted(), orders.map(({ gid }) => gid).toSorted());
    const touched = await database.run<{ orderId: string; units: number }>(
      `select order_id as "orderId", units from stock where units < ${UNITS} and order_id not in ('o1999', 'o2000')`,
    );
    assert.ok(touched.length > 5, `only ${touched.length} orders were fulfilled`);
    for (const { orderId, units } of touched) {
      assert.equal(await shown(orderId), units, `of ${orderId} Redis shows what PostgreSQL has`);
      // In the order in which they had the lock: the last one tells what is left.
      const lefts = [...told.values()].map(({ payload }) => payload as { orderId: string; left: number });
      const of = lefts.filter((each) => each.orderId === orderId).map(({ left }) => left);
      assert.equal(of.length, UNITS - units);
      assert.deepEqual(
        of,
        of.toSorted((one, other) => other - one),
      );
    }
    const met = await database.run('select distinct gid from met');
    assert.ok(met.length > 3, `only ${met.length} found their order locked`);
  });
});
