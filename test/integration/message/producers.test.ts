import assert from 'node:assert/strict';
import {
  GidConflict,
  messageSender,
  TransactionCompensated,
  TransactionPending,
} from '../../../src/kit/client/index.js';
import { readRun, runsOf } from '../../../src/kit/client/log/runs.js';
import { forgetGuards } from '../../../src/kit/database/index.js';
import { settle } from '../../../src/kit/worker/settle.js';
import { deferred } from '../direct/world.js';
import { paidMessage } from './contract.js';
import { MessagesWorld } from './world.js';

/** All that was done of a message that was sent. */
const ALL = 'local one two';

describe('the producer of a transactional message', function () {
  this.timeout(120_000);
  const world = new MessagesWorld();
  before(() => world.open());
  after(() => world.close());
  afterEach(() => {
    world.before = () => undefined;
  });
  /** Nothing is heard of a producer for so long. */
  const soon = { deadline: '2 seconds' } as const;
  const never = { deadline: '1 day' } as const;
  /** Holds what a branch is asked, until it is let go. */
  const held = (branch: string) => {
    const [reached, go] = [deferred<undefined>(), deferred<undefined>()];
    world.before = async (operation) => {
      if (operation.branch !== branch) return;
      reached.resolve(undefined);
      await go.promise;
    };
    return { reached: reached.promise, go: () => { go.resolve(undefined); } }; // prettier-ignore
  };

  it('hears that it is sent once its local transaction is committed, and may wait for the subscribers', async () => {
    const order = world.order(7);
    const { gid, local, result } = await world.send(order, never);
    assert.deepEqual([gid, local, await result()], [order.id, { n: 7 }, 7]);
    assert.equal(await world.effects(order), ALL);
  });

  it('whose local transaction is refused hears as what: the message is withdrawn', async () => {
    const order = world.order(2_000);
    await assert.rejects(world.send(order, never), (error) => {
      assert.ok(error instanceof TransactionCompensated, String(error));
      assert.deepEqual([error.report.cause.step, error.report.cause.type], ['local', 'TooMuch']);
      return true;
    });
    assert.deepEqual([await world.effects(order), await world.local(order)], ['', 'rejected']);
    const [run] = await runsOf(world.client, order.id);
    const said = (run && (await readRun(world.client, run)))?.find(({ op }) => op === 'withdraw');
    assert.deepEqual([said?.outcome, said?.input], ['done', 'TooMuch: 2000 is more than 1000'], 'the log tells it');
  });

  it('whose local transaction fails for good hears that it is withdrawn, and why', async () => {
    const order = world.order();
    const options = { ...never, localRetries: 1 };
    const end = await world.ended(world.producer(order, { failsAt: 'worked', options }));
    assert.deepEqual([end.state, end.cause], ['TransactionCompensated', 'Withdrawn']);
    assert.match(end.message ?? '', /it fails at worked/);
    assert.deepEqual([await world.effects(order), await world.local(order)], ['', 'barred']);
  });

  it('that hears no answer of its local transaction hears that it is sent, if that was committed', async () => {
    const order = world.order(3);
    const options = { ...never, localRetries: 0 };
    const end = await world.ended(world.producer(order, { failsAt: 'committed', options }));
    assert.deepEqual(end, { state: 'sent', local: { n: 3 } });
    assert.deepEqual([await world.over(order), await world.effects(order)], ['committed', ALL]);
  });

  describe('that is killed', () => {
    const killedAt = async (staysAt: string) => {
      const order = world.order();
      const program = world.producer(order, { staysAt, options: soon });
      await program.printed(new RegExp(`at ${staysAt}`));
      program.kill('SIGKILL');
      assert.equal(await program.ended, 'SIGKILL');
      return order;
    };

    it('before it prepares has done nothing: another one does all of it', async () => {
      const order = await killedAt('start');
      assert.deepEqual([await world.wasPrepared(order), await world.local(order)], [false, undefined]);
      await (await world.send(order)).result();
      assert.equal(await world.effects(order), ALL);
    });

    for (const [where, staysAt] of [
      ['when it has prepared', 'prepared'],
      ['before its local transaction', 'before'],
      ['in its local transaction, before the work', 'working'],
      ['in its local transaction, after the work', 'worked'],
    ] as const) {
      it(`${where} leaves nothing: the message is withdrawn, and nobody can do it any more`, async () => {
        const order = await killedAt(staysAt);
        assert.equal(await world.over(order), 'failed');
        assert.deepEqual([await world.effects(order), await world.local(order)], ['', 'barred']);
        await assert.rejects(world.send(order), (error) => {
          assert.ok(error instanceof TransactionCompensated, String(error));
          assert.equal(error.report.cause.type, 'DeadlineExceeded');
          return true;
        });
        assert.equal(await world.effects(order), '');
      });
    }

    for (const [where, staysAt] of [
      ['after the commit of its local transaction', 'committed'],
      ['before it confirms', 'confirming'],
    ] as const) {
      it(`${where} has sent it: every subscriber has it once`, async () => {
        const order = await killedAt(staysAt);
        assert.equal(await world.over(order), 'committed');
        assert.deepEqual([await world.effects(order), await world.local(order)], [ALL, 'applied']);
      });
    }

    it('while it confirms has sent it', async () => {
      const { reached, go } = held('local');
      const order = world.order();
      const program = world.producer(order, { options: never });
      await reached;
      program.kill('SIGKILL');
      assert.equal(await program.ended, 'SIGKILL');
      go();
      assert.deepEqual([await world.over(order), await world.effects(order)], ['committed', ALL]);
    });

    it('when it has prepared is followed by another one, if that comes in time', async () => {
      const order = world.order();
      const program = world.producer(order, { staysAt: 'prepared', options: never });
      await program.printed(/at prepared/);
      program.kill('SIGKILL');
      await (await world.send(order)).result();
      assert.equal(await world.effects(order), ALL);
    });
  });

  describe('that stands still until after the check-back', () => {
    for (const [where, staysAt, timeoutMs] of [
      ['before its local transaction', 'before', 10_000],
      // Its database ends the transaction before the attempt is over, so that nobody waits for it for long.
      ['in its local transaction', 'worked', 2_000],
    ] as const) {
      it(`${where} cannot commit it any more, and hears that it is withdrawn`, async () => {
        const order = world.order();
        const program = world.producer(order, { staysAt, options: { ...soon, timeoutMs } });
        await program.printed(new RegExp(`at ${staysAt}`));
        program.kill('SIGSTOP');
        assert.equal(await world.over(order), 'failed');
        program.child.send('go');
        program.kill('SIGCONT');
        const end = await world.ended(program);
        assert.deepEqual([end.state, end.cause], ['TransactionCompensated', 'DeadlineExceeded']);
        assert.deepEqual([await world.effects(order), await world.local(order)], ['', 'barred']);
      });
    }

    it('and then confirms or withdraws hears what became of it', async () => {
      const sender = messageSender(world.client, world, paidMessage);
      const withdrawn = await sender.prepare(world.order(), { deadline: 1 });
      await assert.rejects(withdrawn.result(), TransactionCompensated);
      await assert.rejects(withdrawn.confirm(), TransactionCompensated);
      await assert.rejects(withdrawn.withdraw('it was late'), TransactionCompensated);
      const order = world.order();
      await (await world.send(order)).result();
      const sent = await sender.prepare(order);
      assert.deepEqual([sent.hasEnded, await sent.confirm()], [true, true]);
      await sent.withdraw('by mistake');
      assert.equal(await world.effects(order), ALL);
    });

    it('while it is on its way has sent it', async () => {
      const { reached, go } = held('one');
      const order = world.order();
      const program = world.producer(order, { staysAt: 'confirming', options: soon });
      await reached;
      program.child.send('go');
      assert.deepEqual(await world.ended(program), { state: 'sent', local: { n: 1 } });
      go();
      assert.deepEqual([await world.over(order), await world.effects(order)], ['committed', ALL]);
    });
  });

  it('that asks twice, or at once with others, has it done once', async () => {
    const order = world.order(5);
    const sent = await Promise.all([world.send(order), world.send(order), world.send(order)]);
    for (const { local, result } of sent) assert.deepEqual([local, await result()], [{ n: 5 }, 5]);
    const again = await world.send(order);
    assert.equal(await again.result(), 5);
    assert.equal(await world.effects(order), ALL);
  });

  it('that asks again long after the end does nothing, even where the guard row is gone', async () => {
    const order = world.order();
    await (await world.send(order)).result();
    const old = `update backstitch.guard set began_at = now() - interval '1 year', ended_at = now() - interval '1 year' where gid = $1`;
    await world.databases.producer.run(old, [order.id]);
    await forgetGuards(world.databases.producer);
    assert.equal(await world.local(order), undefined);
    await (await world.send(order)).result();
    assert.equal(await world.effects(order), ALL);
  });

  it('that comes with another content under the same id is refused: nothing is done', async () => {
    const order = world.order(1);
    await world.send(order);
    await assert.rejects(world.send({ ...order, n: 2 }), GidConflict);
    await world.over(order);
    assert.equal(await world.effects(order), ALL);
  });

  it('hears that it is sent though no worker is there to hear it, and so it is when one comes', async () => {
    await world.stopWorker();
    const order = world.order();
    try {
      const { local, result } = await world.send(order, { wait: '1 second' });
      assert.deepEqual(local, { n: 1 });
      await assert.rejects(result({ wait: '1 second' }), TransactionPending);
      assert.equal(await world.effects(order), 'local');
      // It has failed, and nobody can tell yet whether it was committed.
      const refused = world.send(world.order(2_000), { wait: '1 second' });
      await assert.rejects(refused, TransactionPending);
    } finally {
      await world.startWorker();
    }
    assert.deepEqual([await world.over(order), await world.effects(order)], ['committed', ALL]);
  });

  it('whose database is away when it is looked at is waited for', async () => {
    const { reached, go } = held('local');
    const order = world.order();
    const { result } = await world.send(order, { ...soon, wait: 1 });
    await reached;
    const { up } = await world.down();
    go();
    for (;;) {
      const { raw } = await world.client.workflow.getHandle(order.id).describe();
      if (raw.pendingActivities?.some(({ attempt }) => (attempt ?? 0) > 1)) break;
    }
    await up();
    assert.equal(await result(), 1);
    assert.equal(await world.effects(order), ALL);
  });

  for (const [what, asks] of [
    ['sent, if its local transaction is there', true],
    ['withdrawn, if not', false],
  ] as const) {
    it(`whose message is terminated has it ${what}`, async () => {
      const { reached, go } = held('local');
      const order = world.order();
      const program = world.producer(order, { staysAt: asks ? undefined : 'prepared', options: asks ? never : soon });
      await reached;
      const handle = world.client.workflow.getHandle(order.id);
      const ended = await handle.describe();
      await handle.terminate('by a test');
      go();
      assert.ok(await settle(world.client, ended));
      assert.equal(await world.over(order), asks ? 'committed' : 'failed');
      assert.deepEqual(
        [await world.effects(order), await world.local(order)],
        asks ? [ALL, 'applied'] : ['', 'barred'],
      );
      program.kill('SIGKILL');
      await program.ended;
    });
  }
});
