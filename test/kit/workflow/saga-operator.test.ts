import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { OPERATE_UPDATE, type OperatorNote, type OperatorOrder } from '../../../src/kit/workflow/index.js';
import { fail, gate, refuse } from './support/letters.js';
import { refusal, SagaWorld } from './support/saga-world.js';

describe('an operator', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  const operate = (
    handle: WorkflowHandle,
    order: Pick<OperatorOrder, 'action'> & Partial<OperatorOrder>,
  ): Promise<OperatorNote> =>
    handle.executeUpdate<OperatorNote, [OperatorOrder]>(OPERATE_UPDATE, {
      args: [{ actor: 'ann', reason: 'a test', ...order }],
    });

  it('cancels: what runs is cancelled and waited for, all is undone, and the failure names who and why', async () => {
    const held = gate();
    const handle = await world.start('steps', { b: held.behaviour });
    await held.reached;
    await operate(handle, { action: 'cancel', reason: 'the customer called' });
    held.open();
    const { report } = await world.end(handle);
    assert.deepEqual(report?.cause, { type: 'Cancelled', message: 'cancelled by ann: the customer called' });
    assert.equal(report.state, 'compensated');
  });

  it('cannot cancel past the pivot, nor when it is undone already', async () => {
    const f = gate();
    const past = await world.start('whole', { f: f.behaviour });
    await f.reached;
    assert.match(await refusal(operate(past, { action: 'cancel' })), /cannot be cancelled: it is past its pivot/);
    f.open();
    await world.end(past);
    const undo = gate();
    const undone = await world.start('steps', { c: refuse, 'undo b': undo.behaviour });
    await undo.reached;
    assert.match(await refusal(operate(undone, { action: 'cancel' })), /cannot be cancelled: it is compensating/);
    undo.open();
    await world.end(undone);
  });

  it('pauses: what runs ends, nothing more begins, until it is resumed', async () => {
    const held = gate();
    const handle = await world.start('steps', { a: held.behaviour });
    await held.reached;
    await operate(handle, { action: 'pause', reason: 'an outage' });
    held.open();
    const paused = await world.view(handle);
    assert.equal(paused.paused?.reason, 'an outage');
    await world.environment.sleep('1 day');
    assert.deepEqual(
      world.letters.of(handle.workflowId).map(({ name }) => name),
      ['a'],
    );
    assert.match(await refusal(operate(handle, { action: 'pause' })), /it is paused already, by ann since/);
    await operate(handle, { action: 'resume' });
    assert.match(await refusal(operate(handle, { action: 'resume' })), /it is not paused/);
    assert.deepEqual((await world.end(handle)).result, ['did a', 'did b', 'did c']);
  });

  it('pauses before the pivot, and can still cancel, or be stopped by the deadline', async () => {
    for (const stopped of ['Cancelled', 'DeadlineExceeded']) {
      const c = gate();
      const handle = await world.start('whole', { c: c.behaviour }, { deadline: '1 hour' });
      await c.reached;
      await operate(handle, { action: 'pause' });
      c.open();
      await world.environment.sleep('10 minutes');
      if (stopped === 'Cancelled') await operate(handle, { action: 'cancel' });
      else await world.environment.sleep('1 hour');
      await operate(handle, { action: 'resume' });
      const { report, made } = await world.end(handle);
      assert.deepEqual([report?.state, report?.cause.type], ['compensated', stopped]);
      assert.ok(!made.includes('turn'));
    }
  });

  it('pauses a step that the body does not wait for: it is not forgotten', async () => {
    const a = gate();
    const handle = await world.start('forgetful', { a: a.behaviour });
    await a.reached;
    await operate(handle, { action: 'pause' });
    a.open();
    await world.environment.sleep('1 hour');
    assert.equal((await world.view(handle)).state, 'running');
    await operate(handle, { action: 'resume' });
    const { failure, made } = await world.end(handle);
    assert.equal(failure, undefined);
    assert.ok(made.includes('b'));
  });

  it('pauses an undo too', async () => {
    const undo = gate();
    const handle = await world.start('steps', { c: refuse, 'undo b': undo.behaviour });
    await undo.reached;
    await operate(handle, { action: 'pause' });
    undo.open();
    await world.environment.sleep('1 day');
    assert.ok(!world.letters.of(handle.workflowId).some(({ name }) => name === 'undo a'));
    await operate(handle, { action: 'resume' });
    assert.deepEqual((await world.end(handle)).report?.undone, ['b', 'a']);
  });

  it('moves a deadline: later, it lives on; earlier, it is undone then, and the failure says so', async () => {
    const a = gate();
    const later = await world.start('steps', { a: a.behaviour }, { deadline: '1 hour' });
    await a.reached;
    const { startedAt } = await world.view(later);
    const deadlineAt = startedAt + 48 * 3_600_000;
    await operate(later, { action: 'deadline', deadlineAt });
    assert.equal((await world.view(later)).deadlineAt, deadlineAt);
    assert.match(await refusal(operate(later, { action: 'deadline', deadlineAt: 1 })), /give milliseconds since 1970/);
    a.open();
    assert.equal((await world.end(later)).failure, undefined);

    const sooner = await world.start('steps', { b: fail }, { deadline: '30 days', retries: 1_000 });
    const at = (await world.view(sooner)).startedAt + 3_600_000;
    await operate(sooner, { action: 'deadline', deadlineAt: at });
    const { report } = await world.end(sooner);
    assert.equal(report?.cause.message, `not past its pivot by ${new Date(at).toISOString()}`);
  });

  it('hears of a deadline that is near', async () => {
    const handle = await world.start('steps', { b: fail }, { deadline: '10 minutes', retries: 1_000 });
    const { startedAt } = await world.view(handle);
    await world.end(handle);
    const [alarm] = world.alarms.filter(({ gid }) => gid === handle.workflowId);
    assert.equal(alarm?.kind, 'deadline-near');
    assert.equal(Math.round((alarm.at - startedAt) / 60_000), 8);
  });
});
