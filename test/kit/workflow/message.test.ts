import assert from 'node:assert/strict';
import { Context } from '@temporalio/activity';
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { Barred, StoredRejection } from '../../../src/kit/database/rejection.js';
import {
  CONFIRM_UPDATE,
  localTransaction,
  OPERATE_UPDATE,
  WITHDRAW_UPDATE,
  type MessageDecision,
  type OperatorOrder,
  type Settle,
} from '../../../src/kit/workflow/index.js';
import type { DeskDecision } from '../../../src/kit/workflow/desk.js';
import { broken, fail, gate, inTurn, type Behaviour } from './support/letters.js';
import { processed, SagaWorld } from './support/saga-world.js';

type Handle = WorkflowHandleWithFirstExecutionRunId;

/** What the producer's database says when it is asked: the local transaction is there, or was refused. (Else it is barred.) */
const applied: Behaviour = () => 'a payment';
const refused: Behaviour = () => {
  throw new StoredRejection('InsufficientFunds', 'there is nothing left');
};
const notThere: Behaviour = (operation) => {
  throw new Barred(operation);
};
const LOOK = 'look at local';

describe('a transactional message', function () {
  this.timeout(120_000);
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  const confirm = (handle: Handle) => handle.executeUpdate<MessageDecision, []>(CONFIRM_UPDATE);
  const withdraw = (handle: Handle, why = 'it changed its mind') =>
    handle.executeUpdate<MessageDecision, [string]>(WITHDRAW_UPDATE, { args: [why] });
  const operate = (handle: Handle, order: Pick<OperatorOrder, 'action' | 'deadlineAt'>) =>
    handle.executeUpdate(OPERATE_UPDATE, { args: [{ ...order, actor: 'ann', reason: 'a test' }] });
  const toldTo = (names: readonly string[]) => names.filter((name) => name === 'f' || name === 'g').toSorted();
  /** How long nothing may be heard, in milliseconds. */
  const patience = async (handle: Handle) => {
    const { deadlineAt = 0, startedAt } = await world.view(handle);
    return deadlineAt - startedAt;
  };

  it('that is confirmed is looked at once, and comes to every subscriber', async () => {
    const handle = await world.start('told', { [LOOK]: applied });
    assert.deepEqual(await confirm(handle), { state: 'sent', local: 'a payment' });
    const { result, made } = await world.end(handle);
    assert.equal(result, 'told of a payment');
    assert.deepEqual([made[0], toldTo(made), made.length], [LOOK, ['f', 'g'], 3]);
    const { operation, args } = world.letters.of(handle.workflowId).find(({ name }) => name === 'g') ?? {};
    const { op, scheme, branch, settle } = operation ?? {};
    assert.deepEqual({ op, scheme, branch, settle, args }, { op: 'action', scheme: 'message', branch: 'g', settle: undefined, args: ['g'] }); // prettier-ignore
  });

  it('is looked at under the branch that its local transaction has', async () => {
    const handle = await world.start('toldUnder', { 'look at pay': applied });
    assert.deepEqual(await confirm(handle), { state: 'sent', local: 'a payment' });
    await world.end(handle);
    const asked = world.letters.of(handle.workflowId);
    assert.deepEqual(asked.map(({ operation: { branch, settle } }) => [branch, settle]), [['pay', true], ['local', undefined]]); // prettier-ignore
    const refusing = await world.end(await world.start('toldUnderOne'));
    assert.deepEqual([refusing.report?.state, refusing.made], ['compensated', ['look at pay']]);
    assert.match(refusing.report?.cause.message ?? '', /'pay' is named twice: .* none 'pay'/);
    assert.throws(() => localTransaction({ name: 'any' }, undefined, { branch: 'pay~1' }), TypeError);
  });

  it('never does the local transaction itself: it only asks what became of it', async () => {
    for (const says of [confirm, withdraw, undefined]) {
      const handle = await world.start('told', { [LOOK]: applied });
      await says?.(handle);
      await world.end(handle);
      const asked = world.letters.of(handle.workflowId).filter(({ operation }) => operation.branch === 'local');
      assert.deepEqual(asked.map(({ operation }) => operation.settle), [true]); // prettier-ignore
    }
  });

  it('of which nothing is heard for a minute is looked at then: what is there is sent', async () => {
    const handle = await world.start('told', { [LOOK]: applied });
    assert.equal(await patience(handle), 60_000);
    const { result, made } = await world.end(handle);
    assert.deepEqual([result, toldTo(made)], ['told of a payment', ['f', 'g']]);
  });

  it('of which nothing is heard for a minute is withdrawn where its local transaction is not there', async () => {
    const handle = await world.start('told');
    const { report, made } = await world.end(handle);
    assert.deepEqual(
      [report?.state, report?.scheme, report?.cause.type],
      ['compensated', 'message', 'DeadlineExceeded'],
    );
    assert.match(report?.cause.message ?? '', /nothing was heard of its producer by .*, and its database was asked/);
    assert.deepEqual([made, report?.undone, report?.notUndone], [[LOOK], [], []]);
    assert.deepEqual(world.alarms.filter(({ gid }) => gid === handle.workflowId), []); // prettier-ignore
  });

  it('whose producer may take longer says so when it prepares, or an operator does later', async () => {
    const handle = await world.start('told', { [LOOK]: applied }, { deadline: '10 minutes' });
    assert.equal(await patience(handle), 600_000);
    await operate(handle, { action: 'deadline', deadlineAt: (await world.environment.currentTimeMs()) + 86_400_000 });
    await world.environment.sleep('1 hour');
    assert.deepEqual(world.letters.of(handle.workflowId), []);
    await confirm(handle);
    assert.equal((await world.end(handle)).failure, undefined);
  });

  it('whose local transaction was refused, and its producer died of that, is withdrawn', async () => {
    const { report, made } = await world.run('told', { [LOOK]: refused });
    assert.deepEqual([report?.state, made], ['compensated', [LOOK]]);
  });

  it('that is withdrawn is barred, and says why', async () => {
    const handle = await world.start('told');
    const decision = { state: 'withdrawn', type: 'Withdrawn', message: 'it changed its mind' };
    assert.deepEqual(await withdraw(handle), decision);
    const { report, made } = await world.end(handle);
    const { step, knowledge, type, message } = report?.cause ?? {};
    assert.deepEqual([step, knowledge, type, message], ['local', 'rejected', 'Withdrawn', 'it changed its mind']);
    assert.deepEqual([report?.state, made], ['compensated', [LOOK]]);
  });

  it('that is withdrawn as its local transaction was refused says as what', async () => {
    const handle = await world.start('told', { [LOOK]: refused });
    await withdraw(handle);
    const { report } = await world.end(handle);
    assert.deepEqual([report?.cause.step, report?.cause.type], ['local', 'InsufficientFunds']);
  });

  it('that is withdrawn by mistake is sent: its local transaction is there', async () => {
    const handle = await world.start('told', { [LOOK]: applied });
    assert.deepEqual(await withdraw(handle), { state: 'sent', local: 'a payment' });
    assert.deepEqual(toldTo((await world.end(handle)).made), ['f', 'g']);
  });

  it('that is confirmed by mistake is refused, and barred: its local transaction was not there', async () => {
    const handle = await world.start('told');
    const { state, ...why } = await confirm(handle);
    assert.deepEqual([state, 'type' in why && why.type], ['withdrawn', 'NotApplied']);
    const { report, made } = await world.end(handle);
    assert.deepEqual([report?.state, report?.cause.type, made], ['compensated', 'NotApplied', [LOOK]]);
  });

  it('decides once: whoever says something again, or something else, hears what became of it', async () => {
    for (const look of [applied, refused]) {
      const f = gate();
      const handle = await world.start('told', { [LOOK]: look, f: f.behaviour });
      const said = [confirm(handle), withdraw(handle), confirm(handle), withdraw(handle)];
      const [first, ...others] = await Promise.all(said);
      for (const other of others) assert.deepEqual(other, first);
      if (look === applied) assert.deepEqual(await withdraw(handle), first, 'also while it is on its way');
      f.open();
      const { made } = await world.end(handle);
      assert.equal(made.filter((name) => name === LOOK).length, 1);
    }
  });

  describe('whose database cannot be reached', () => {
    /** When each attempt was asked for, by the server's clock. */
    const attempts = (times: number[], then: Behaviour = fail): Behaviour => {
      return (operation) => {
        times.push(Context.current().info.currentAttemptScheduledTimestampMs);
        return then(operation);
      };
    };

    it('is asked fifteen times, with backoff; then it waits for a person, with an alarm', async () => {
      const times: number[] = [];
      const handle = await world.start('told', { [LOOK]: attempts(times) });
      const { state, desk, branches } = await world.stuck(handle);
      assert.deepEqual([state, times.length], ['stuck', 15]);
      // An attempt was put off when the one before had failed: what the last one waited is not told.
      const [, ...waits] = times.slice(1).map((time, place) => Math.round((time - (times[place] ?? 0)) / 1_000));
      const least = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60];
      assert.ok(
        waits.every((wait, place) => wait >= (least[place] ?? 0)),
        waits.join(),
      );
      const [{ branch, op, fits, takesInput, failure } = assert.fail('no case')] = desk;
      assert.deepEqual([branch, op, fits, takesInput], ['local', 'action', ['retry', 'resolve', 'skip'], false]);
      assert.match(failure.message, /local fails, attempt 15/);
      assert.deepEqual(branches.map(({ branch: name, state: of }) => [name, of]), [['local', 'parked']]); // prettier-ignore
      const [alarm, ...more] = world.alarms.filter(({ gid }) => gid === handle.workflowId);
      assert.deepEqual([alarm?.kind, alarm?.branch, more], ['stuck', 'local', []]);
      await world.decide(handle, { branch: 'local', action: 'resolve', result: null });
      await world.end(handle);
      assert.equal(times.length, 16, 'once more, and not for minutes');
    });

    it('is asked as often as the option says', async () => {
      const times: number[] = [];
      const handle = await world.start('told', { [LOOK]: attempts(times) }, { retries: 1 });
      await world.stuck(handle);
      assert.equal(times.length, 2);
      await world.decide(handle, { branch: 'local', action: 'resolve', result: null });
      await world.end(handle);
    });

    it('goes on by itself when it can be reached in time', async () => {
      const { failure, made } = await world.run('told', { [LOOK]: inTurn(fail, fail, fail, applied) });
      assert.deepEqual([failure, toldTo(made)], [undefined, ['f', 'g']]);
    });

    it('is asked again when a person says so: what it answers counts', async () => {
      const look = broken(applied);
      const handle = await world.start('told', { [LOOK]: look.behaviour }, { retries: 0 });
      await world.stuck(handle);
      look.mend();
      await world.decide(handle, { branch: 'local', action: 'retry' });
      assert.equal((await world.end(handle)).result, 'told of a payment');
    });

    it('is sent when a person says that its local transaction is done', async () => {
      const handle = await world.start('told', { [LOOK]: fail }, { retries: 0 });
      await world.stuck(handle);
      await world.decide(handle, { branch: 'local', action: 'resolve', result: 'a payment by hand' });
      const { result, made } = await world.end(handle);
      assert.deepEqual([result, toldTo(made)], ['told of a payment by hand', ['f', 'g']]);
    });

    it('that is there after all counts, whatever a person says of it; what is not there is barred first', async () => {
      const look = broken(applied);
      const there = await world.start('told', { [LOOK]: look.behaviour }, { retries: 0 });
      await world.stuck(there);
      look.mend();
      await world.decide(there, { branch: 'local', action: 'resolve', result: 'a payment by hand' });
      assert.equal((await world.end(there)).result, 'told of a payment');

      const barred = broken(notThere);
      const handle = await world.start('told', { [LOOK]: barred.behaviour }, { retries: 0 });
      await world.stuck(handle);
      barred.mend();
      await world.decide(handle, { branch: 'local', action: 'resolve', result: 'a payment by hand' });
      const { result, made } = await world.end(handle);
      assert.deepEqual([result, toldTo(made)], ['told of a payment by hand', ['f', 'g']]);
      assert.equal(made.filter((name) => name === LOOK).length, 2);
    });

    it('is withdrawn when a person says so, and the report names the person: it is asked once more before', async () => {
      const handle = await world.start('told', { [LOOK]: fail }, { retries: 0 });
      await world.stuck(handle);
      await world.decide(handle, { branch: 'local', action: 'skip' });
      const { report, made } = await world.end(handle);
      assert.deepEqual([report?.state, made], ['failed', [LOOK, LOOK]]);
      assert.deepEqual(report?.notUndone, [
        { step: 'local', type: 'Skipped', message: 'left as it is by ann: a test' },
      ]);
      // Nobody has to be told of what a person decided.
      assert.deepEqual(world.alarms.filter(({ gid }) => gid === handle.workflowId).map(({ kind }) => kind), ['stuck']); // prettier-ignore
    });

    it('is not withdrawn by a person where it answers by then that it is done', async () => {
      const look = broken(applied);
      const handle = await world.start('told', { [LOOK]: look.behaviour }, { retries: 0 });
      await world.stuck(handle);
      look.mend();
      await world.decide(handle, { branch: 'local', action: 'skip' });
      assert.equal((await world.end(handle)).result, 'told of a payment');
    });
  });

  it('waits for a person with the subscriber that fails for its window, while the others have it', async () => {
    const f = broken();
    const handle = await world.start('told', { [LOOK]: applied, f: f.behaviour }, { forwardWindow: '10 minutes' });
    await confirm(handle);
    const { desk, branches } = await world.stuck(handle);
    assert.deepEqual(desk.map(({ branch, op }) => [branch, op]), [['f', 'action']]); // prettier-ignore
    const states = Object.fromEntries(branches.map(({ branch, state }) => [branch, state]));
    assert.deepEqual(states, { local: 'succeeded', f: 'parked', g: 'succeeded' });
    assert.deepEqual(world.alarms.filter(({ gid }) => gid === handle.workflowId).map(({ branch }) => branch), ['f']); // prettier-ignore
    f.mend();
    await world.decide(handle, { branch: 'f', action: 'retry' });
    const { failure, made } = await world.end(handle);
    assert.equal(failure, undefined);
    assert.equal(made.filter((name) => name === 'g').length, 1);
  });

  it('that a subscriber refuses waits for a person, who may change what it is asked, or leave it', async () => {
    const handle = await world.start('told', { [LOOK]: applied, f: refused });
    await world.stuck(handle);
    assert.equal((await world.decide(handle, { branch: 'f', action: 'retry', input: 'another' })).renewed, true);
    const { failure } = await world.end(handle);
    const renewed = world.letters.of(handle.workflowId).find(({ name }) => name === 'f~2');
    assert.deepEqual([failure, renewed?.args], [undefined, ['another']]);
    const left = await world.leave(await world.start('told', { [LOOK]: applied, f: refused }), ['f']);
    assert.equal(left.report?.state, 'failed');
    // It was done here, and there; where it was refused nothing was.
    assert.deepEqual(left.report.notUndone.map(({ step }) => step), ['local', 'g']); // prettier-ignore
    assert.deepEqual([left.report.cause.step, left.report.cause.type], ['f', 'Skipped']);
  });

  for (const how of ['request', 'operator'] as const) {
    it(`that is cancelled before its producer says anything is looked at, and that counts (by ${how})`, async () => {
      for (const [look, state] of [
        [applied, undefined],
        [refused, 'compensated'],
      ] as const) {
        // prettier-ignore
        const handle = await world.start('told', { [LOOK]: look }, { deadline: '1 day' });
        if (how === 'request') {
          await handle.cancel();
          await processed(handle);
        } else await operate(handle, { action: 'cancel' });
        const { report, made } = await world.end(handle);
        assert.deepEqual([report?.state, report?.cause.type], [state, state && 'Cancelled']);
        assert.deepEqual(toldTo(made), state === undefined ? ['f', 'g'] : []);
      }
    });
  }

  it('that is paused begins nothing until it is resumed, whatever its producer says', async () => {
    const handle = await world.start('told', { [LOOK]: applied });
    await operate(handle, { action: 'pause' });
    await world.environment.sleep('5 minutes');
    assert.deepEqual(world.letters.of(handle.workflowId), []);
    const sent = confirm(handle);
    await operate(handle, { action: 'resume' });
    assert.equal((await sent).state, 'sent');
    assert.equal((await world.end(handle)).failure, undefined);
  });

  describe('whose run was ended from outside', () => {
    const settled = async (look: Behaviour | undefined, decisions: readonly DeskDecision[] = []) => {
      const settle: Settle = { failedAt: await world.endedAt(), reason: 'terminated by a test', decisions };
      return world.run('told', look ? { [LOOK]: look } : {}, { settle });
    };

    it('is looked at, at once: it is sent, or withdrawn', async () => {
      const sent = await settled(applied);
      assert.equal(sent.result, 'told of a payment');
      const { report, made } = await settled(undefined);
      assert.deepEqual([report?.state, report?.cause.type, made], ['compensated', 'Terminated', [LOOK]]);
    });

    it('keeps what a person decided, unless its database says that it is there: that run may not have asked', async () => {
      const by = { op: 'action', actor: 'ann', reason: 'a test', at: 0 } as const;
      const decisions: DeskDecision[] = [
        { branch: 'local', action: 'resolve', result: 'a payment by hand', ...by },
        { branch: 'f', action: 'resolve', result: null, ...by },
      ];
      for (const [look, told] of [
        [fail, 'told of a payment by hand'],
        [notThere, 'told of a payment by hand'],
        [applied, 'told of a payment'],
      ] as const) {
        const sent = await settled(look, decisions);
        assert.deepEqual([sent.result, sent.made], [told, [LOOK, 'g']]);
      }
    });
  });

  it('that cannot be sent as it is defined or called is withdrawn only when its local transaction is barred', async () => {
    const cases = [
      [await world.start('toldNobody'), /nobody gets it/],
      [await world.start('toldTwice'), /'f' is named twice/],
      [await world.start('told', {}, { lane: 'lean' }), /lane 'lean' is not for scheme 'message'/],
      [await world.start('told', {}, { deadline: 'soon' as never }), /option deadline is "soon"/],
    ] as const;
    for (const [handle, why] of cases) {
      const { report, made } = await world.end(handle);
      assert.deepEqual([report?.state, report?.cause.step, made], ['compensated', 'local', [LOOK]]);
      assert.match(report?.cause.message ?? '', why);
    }
  });
});
