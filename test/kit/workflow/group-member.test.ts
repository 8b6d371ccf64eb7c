import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createGuard, Rejection, type Guard, type Operation } from '../../../src/kit/database/index.js';
import { groupActivities } from '../../../src/kit/worker/index.js';
import { MetDriver } from '../../../src/kit/workflow/failure.js';
import { groupDriver } from '../../../src/kit/workflow/fate.js';
import type { TurnAnswer, TurnAsk } from '../../../src/kit/workflow/group.js';
import { participant, type SagaBody } from '../../../src/kit/workflow/index.js';
import { Conflict, GroupDriver, Leaving } from '../../../src/kit/workflow/saga/group/driver.js';
import { SagaRun } from '../../../src/kit/workflow/saga/run.js';
import { add, newGid, Stage } from '../database/support/stage.js';

interface Asked {
  readonly refuse?: boolean;
  readonly fail?: boolean;
}

/** Steps on a real guard, each of which adds 1, and takes it back. */
function createSteps(guard: Guard) {
  const step = {
    action: (operation: Operation, { refuse, fail }: Asked): Promise<unknown> => {
      if (fail === true) throw new Error('out of order');
      const no = () => Promise.reject(new Rejection('Refused', 'no'));
      return guard.apply<unknown>(operation, {}, refuse === true ? no : add(operation.gid, 1));
    },
    compensation: (operation: Operation): Promise<unknown> => guard.undo(operation, {}, add(operation.gid, -1)),
  };
  return {
    one: step,
    two: step,
    three: step,
    plain: { action: () => Promise.resolve('done'), compensation: () => Promise.resolve() },
  };
}
const steps = participant<ReturnType<typeof createSteps>>('steps');

describe('a member of a group', () => {
  const stage = new Stage();

  /** Runs a body as a group does, each ask a turn of its own. */
  const run = async (
    body: SagaBody<undefined, unknown>,
    { gid = newGid(), deadlineAt = undefined as number | undefined, bytes = 0 } = {},
  ) => {
    const participants = { steps: createSteps(createGuard(stage.db)) };
    const activities = groupActivities({ participants, databases: { steps: stage.db }, who: 'test' });
    const asks: string[] = [];
    const dropped: string[] = [];
    const underWay: Promise<TurnAnswer>[] = [];
    const turns = {
      bytes,
      drop: (name: string) => dropped.push(name),
      ask: (ask: TurnAsk) => {
        const answer = take(ask);
        underWay.push(answer);
        return answer;
      },
    };
    const take = async (ask: TurnAsk): Promise<TurnAnswer> => {
      asks.push(ask.kind === 'call' ? `${ask.branch.branch} ${ask.branch.op}` : ask.kind);
      const carry = activities['backstitch.turn'];
      const carried: Awaited<ReturnType<typeof carry>> = await new MockActivityEnvironment().run(carry, {
        ...{ transaction: 'test', asks: [ask] },
      });
      const [answer] = carried.answers;
      assert.ok(answer);
      return answer;
    };
    const driver = new GroupDriver({
      gid,
      inputHash: 'hash',
      driver: groupDriver(gid, 0),
      turns,
      deadlineAt,
      overdue: 'late',
    });
    const saga = new SagaRun<undefined, unknown>(driver, {});
    driver.breakOff = (why) => {
      saga.breakOff(why);
    };
    let how: string;
    try {
      const outcome = await saga.execute(body, undefined);
      how = outcome.committed ? 'committed' : (saga.report?.state ?? '');
    } catch (why) {
      if (!(why instanceof Leaving || why instanceof Conflict || why instanceof MetDriver)) throw why;
      how =
        why instanceof Leaving
          ? `left: ${why.message}`
          : why instanceof Conflict
            ? 'conflict'
            : `met: ${why.fate?.state ?? ''}`;
    }
    return {
      gid,
      how,
      asks,
      dropped,
      underWay,
      opened: driver.opened?.branch,
      home: driver.home,
      net: await stage.net(gid),
    };
  };

  it('is opened by the first of its steps that is applied, though they begin side by side', async () => {
    const { how, opened, gid } = await run(async (tx) => {
      await tx.parallel(
        () => tx.run('a', steps.one, {}),
        () => tx.run('b', steps.two, {}),
        () => tx.run('c', steps.three, {}),
      );
    });
    assert.deepEqual([how, opened], ['committed', 'a']);
    const rows = await stage.db.run<{ branch: string }>(
      'select branch from backstitch.guard where gid = $1 and fate is not null',
      [gid],
    );
    assert.deepEqual(rows, [{ branch: 'a' }]);
  });

  it('goes another way after a refusal, and is opened there', async () => {
    const { how, opened, net } = await run(async (tx) => {
      await tx.run('a', steps.one, { refuse: true }).catch(() => undefined);
      await tx.run('b', steps.two, {});
    });
    assert.deepEqual([how, opened, net], ['committed', 'b', 1]);
  });

  it('decides to undo before it undoes; where nothing was applied there is nothing to decide', async () => {
    const undone = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      await tx.run('b', steps.two, {});
      await tx.run('c', steps.three, { refuse: true });
    });
    assert.deepEqual(undone.asks, ['a action', 'b action', 'c action', 'undo', 'b compensation', 'a compensation']);
    assert.deepEqual([undone.how, undone.net], ['compensated', 0]);
    const refused = await run(async (tx) => {
      await tx.run('a', steps.one, { refuse: true });
    });
    assert.deepEqual([refused.how, refused.asks, refused.opened], ['compensated', ['a action'], undefined]);
  });

  it('leaves with what is unknown, long, or wants a person, and does nothing more', async () => {
    const failing = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      await tx.run('b', steps.two, { fail: true });
      await tx.run('c', steps.three, {});
    });
    assert.match(failing.how, /^left: steps.two.action: Error: out of order/);
    assert.deepEqual([failing.net, failing.home], [1, 'steps']);
    const long = await run(async (tx) => {
      await tx.run('a', steps.one, {}, { long: true });
    });
    assert.deepEqual([long.how, long.home, long.asks], ['left: steps.one.action may take long', undefined, []]);
    const stuck = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      await tx.pivot('b', steps.two, {});
      await tx.forward('c', steps.three, { refuse: true });
    });
    assert.match(stuck.how, /^left: a person has to decide/);
  });

  it('that has left asks for nothing more, though other branches of it were under way', async () => {
    const { how, asks, dropped, underWay, gid } = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      await tx.parallel(
        async () => {
          await tx.run('b', steps.two, {});
          await tx.run('c', steps.three, {});
        },
        () => tx.run('d', steps.plain, {} as never, { long: true }),
        () => tx.run('e', steps.three, {}),
      );
    });
    assert.match(how, /^left: steps.plain.action may take long/);
    assert.deepEqual(dropped, [groupDriver(gid, 0)]);
    await Promise.all(underWay);
    // Whatever follows from those answers has been asked for by then.
    await new Promise(setImmediate);
    assert.deepEqual(asks, ['a action', 'b action']);
  });

  it('is undone when its body throws', async () => {
    const thrown = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      throw new Error('the body is wrong');
    });
    assert.deepEqual([thrown.how, thrown.net], ['compensated', 0]);
  });

  it('leaves where it would have to look at what another attempt has done', async () => {
    const overlapped = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      await tx.parallel(
        () => tx.run('b', steps.two, {}),
        () => tx.run('c', steps.three, { refuse: true }),
      );
    });
    assert.match(overlapped.how, /^left: what became of/);
    const late = await run(async (tx) => tx.run('a', steps.one, {}), { deadlineAt: Date.now() - 1 });
    assert.match(late.how, /^left: what became of/);
    assert.deepEqual(late.asks, []);
  });

  it('leaves when its first step does not use a guard, or the history of its group is too long', async () => {
    const plain = await run(async (tx) => tx.run('a', steps.plain, {} as never));
    assert.match(plain.how, /does not use the guard of a database/);
    const long = await run(async (tx) => tx.run('a', steps.one, {}), { bytes: 2_000_000 });
    assert.match(long.how, /the history of its group is too long/);
  });

  it('that a lost task of its group had begun leaves: that may have done what its body does not come to', async () => {
    const lost = await run(async (tx) => {
      await tx.run('a', steps.one, {});
      await tx.run('pay', steps.two, {});
      await tx.run('b', steps.three, { fail: true });
    });
    const later = await run(
      async (tx) => {
        await tx.run('a', steps.one, {});
        await tx.run('charge', steps.two, {});
      },
      { gid: lost.gid },
    );
    assert.match(later.how, /^left: steps.one.action was done before/);
    assert.deepEqual([later.asks, later.net, later.home], [['a action'], 2, 'steps']);
  });

  it('ends nothing that another has: it leaves', async () => {
    const first = await run(async (tx) => tx.run('a', steps.one, {}));
    const rival = groupDriver('another', 0);
    await stage.db.run('update backstitch.guard set driver = $2 where gid = $1', [first.gid, rival]);
    const second = await run(async (tx) => tx.run('a', steps.one, {}), { gid: first.gid });
    assert.match(second.how, /^left: DrivenElsewhere/);
    assert.equal(second.net, 1);
  });
});
