import assert from 'node:assert/strict';
import { initialAttributes, OPERATE_UPDATE, type OperatorOrder } from '../../../src/kit/workflow/index.js';
import { broken, fail, gate, hang, read, refuse, suspend } from './support/letters.js';
import { SagaWorld } from './support/saga-world.js';

describe('a two-phase commit', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());
  const made = (names: readonly string[], what: string) => names.filter((name) => name.startsWith(what)).toSorted();
  const commits = ['commit north', 'commit south', 'commit west'];

  it('prepares one participant after the other, in the order of their names; then all commit, once', async () => {
    const last = gate();
    const handle = await world.start('voted', { west: last.behaviour });
    await last.reached;
    assert.deepEqual(
      world.letters.of(handle.workflowId).map(({ name }) => name),
      ['north', 'south', 'west'],
    );
    last.open();
    const { result, made: names } = await world.end(handle);
    assert.equal(result, 'done');
    assert.deepEqual(names.slice(3).toSorted(), commits);
  });

  it('has its decision in the history before any commit can begin: all are scheduled by one task', async () => {
    const { gid } = await world.run('voted');
    const events = await world.events(gid);
    const scheduled = events.flatMap(({ activityTaskScheduledEventAttributes: asked }) =>
      asked?.activityType?.name?.endsWith('.commit') ? [String(asked.workflowTaskCompletedEventId)] : [],
    );
    assert.deepEqual([scheduled.length, new Set(scheduled).size], [3, 1]);
    assert.ok(!events.some((event) => event.markerRecordedEventAttributes), 'nothing is a local activity');
  });

  it('gives a commit what was asked and how it was voted, with its scheme', async () => {
    const { gid } = await world.run('voted');
    const commit = world.letters.of(gid).find(({ name }) => name === 'commit south');
    assert.deepEqual(commit?.args, ['s', 'yes']);
    const { op, scheme, seq, branch } = commit.operation;
    assert.deepEqual({ op, scheme, seq, branch }, { op: 'commit', scheme: '2pc', seq: 2, branch: 'south' });
  });

  it('of which one refuses rolls back those before it, and asks none after it', async () => {
    const { report, made: names } = await world.run('voted', { south: refuse });
    assert.deepEqual([report?.state, report?.scheme, report?.cause.step], ['compensated', '2pc', 'south']);
    assert.deepEqual(names, ['north', 'south', 'rollback north']);
  });

  it('of which a vote is not known rolls that one back too', async () => {
    const { report, made: names } = await world.run('voted', { south: fail }, { retries: 0 });
    assert.equal(report?.state, 'compensated');
    assert.deepEqual(made(names, 'rollback'), ['rollback north', 'rollback south']);
    assert.deepEqual(made(names, 'commit'), []);
  });

  it('that has not all votes within ten seconds rolls back; the option says otherwise', async () => {
    const late = { west: fail };
    const { gid, report, made: names } = await world.run('voted', late, { retries: 100 });
    assert.deepEqual([report?.state, report?.cause.type], ['compensated', 'DeadlineExceeded']);
    assert.match(report?.cause.message ?? '', /within 10 seconds/);
    assert.deepEqual(made(names, 'rollback'), ['rollback north', 'rollback south', 'rollback west']);
    assert.deepEqual(world.alarms.filter((alarm) => alarm.gid === gid), [], 'nobody could do anything about it'); // prettier-ignore
    const west = broken();
    const handle = await world.start('voted', { west: west.behaviour }, { retries: 100, deadline: '1 hour' });
    await world.environment.sleep('2 minutes');
    west.mend();
    assert.equal((await world.end(handle)).result, 'done');
  });

  it('that hangs in a prepare is rolled back when that has been given up', async () => {
    const { report, made: names } = await world.run('voted', { west: hang }, { deadline: 500 });
    assert.equal(report?.state, 'compensated');
    assert.deepEqual(made(names, 'rollback'), ['rollback north', 'rollback south', 'rollback west']);
  });

  it('asks nothing more of who has only read, whatever is decided', async () => {
    const stands = await world.run('voted', { south: read });
    assert.deepEqual(made(stands.made, 'commit'), ['commit north', 'commit west']);
    const falls = await world.run('voted', { south: read, west: refuse });
    assert.deepEqual(made(falls.made, 'rollback'), ['rollback north']);
    const nobodyWrote = await world.run('voted', { north: read, south: read, west: read });
    assert.deepEqual([nobodyWrote.result, nobodyWrote.made.length], ['done', 3]);
  });

  it('of a single participant is one operation', async () => {
    const { gid, made: names } = await world.run('votedAlone');
    assert.deepEqual(names, ['north']);
    assert.equal(world.letters.of(gid)[0]?.operation.single, true);
    const refused = await world.run('votedAlone', { north: refuse });
    assert.deepEqual([refused.report?.state, refused.made], ['compensated', ['north']]);
  });

  it('of a single participant is asked until it is definite, as it may be committed', async () => {
    const north = broken();
    const handle = await world.start('votedAlone', { north: north.behaviour }, { deadline: '1 hour' });
    await world.environment.sleep('5 minutes');
    north.mend();
    const { failure, made: names } = await world.end(handle);
    assert.equal(failure, undefined);
    assert.deepEqual(made(names, 'rollback'), []);
  });

  it('of a single participant that is not done by the deadline, or is cancelled, is looked at: barred, or committed', async () => {
    for (const north of [fail, hang]) {
      const { report, made: names } = await world.run('votedAlone', { north }, { deadline: '1 second' });
      assert.deepEqual([report?.state, report?.cause.type], ['compensated', 'DeadlineExceeded']);
      assert.deepEqual([names.at(-1), made(names, 'rollback')], ['look at north', []]);
    }
    const lost = await world.run('votedAlone', { north: fail, 'look at north': () => 'committed' }, { deadline: 500 });
    assert.deepEqual([lost.failure, lost.made.at(-1)], [undefined, 'look at north']);
    for (const how of ['request', 'operator'] as const) {
      const north = gate(hang);
      const handle = await world.start('votedAlone', { north: north.behaviour }, { deadline: '1 hour' });
      await north.reached;
      north.open();
      const order: OperatorOrder = { action: 'cancel', actor: 'ann', reason: 'a test' };
      if (how === 'request') await handle.cancel();
      else await handle.executeUpdate(OPERATE_UPDATE, { args: [order] });
      const { report, made: names } = await world.end(handle);
      assert.deepEqual([report?.state, report?.cause.type, names], ['compensated', 'Cancelled', ['north', 'look at north']]); // prettier-ignore
    }
  });

  it('asks a commit that fails again, beyond the deadline and a cancellation, and rolls nothing back', async () => {
    const south = broken();
    const handle = await world.start('voted', { 'commit south': south.behaviour }, { forwardWindow: '1 hour' });
    await world.environment.sleep('10 minutes');
    await handle.cancel();
    const order: OperatorOrder = { action: 'cancel', actor: 'ann', reason: 'a test' };
    await assert.rejects(handle.executeUpdate(OPERATE_UPDATE, { args: [order] }));
    south.mend();
    const { result, made: names } = await world.end(handle);
    assert.equal(result, 'done');
    assert.deepEqual(made(names, 'rollback'), []);
  });

  it('that is cancelled before all have voted rolls back', async () => {
    const west = gate(hang);
    const handle = await world.start('voted', { west: west.behaviour }, { deadline: '1 hour' });
    await west.reached;
    await handle.cancel();
    west.open();
    const { report, made: names } = await world.end(handle);
    assert.deepEqual([report?.state, report?.cause.type], ['compensated', 'Cancelled']);
    assert.deepEqual(made(names, 'rollback'), ['rollback north', 'rollback south', 'rollback west']);
  });

  it('cannot be paused: what is prepared would hold its locks', async () => {
    const west = gate();
    const handle = await world.start('voted', { west: west.behaviour });
    await west.reached;
    const order: OperatorOrder = { action: 'pause', actor: 'ann', reason: 'a test' };
    await assert.rejects(handle.executeUpdate(OPERATE_UPDATE, { args: [order] }), (error: Error) => {
      assert.match((error.cause as Error).message, /^it cannot be paused, as its participants hold locks/);
      return true;
    });
    west.open();
    assert.equal((await world.end(handle)).result, 'done');
  });

  it('waits for a person where a commit fails for its window; the others are committed meanwhile', async () => {
    const south = broken();
    const handle = await world.start('voted', { 'commit south': south.behaviour }, { forwardWindow: '10 minutes' });
    const view = await world.stuck(handle);
    assert.deepEqual(
      view.desk.map(({ branch, op, fits, takesInput }) => ({ branch, op, fits, takesInput })),
      [{ branch: 'south', op: 'commit', fits: ['retry', 'resolve', 'skip'], takesInput: false }],
    );
    assert.equal(view.branches.find(({ branch }) => branch === 'west')?.second?.state, 'done');
    south.mend();
    await world.decide(handle, { branch: 'south', action: 'retry' });
    assert.equal((await world.end(handle)).result, 'done');
  });

  it('has failed where a person leaves a commit as it is, and says which', async () => {
    const handle = await world.start('voted', { 'commit south': fail }, { forwardWindow: '10 minutes' });
    const { report } = await world.leave(handle, ['south']);
    assert.deepEqual([report?.state, report?.cause.step], ['failed', 'south']);
  });

  it('waits for a person where a rollback fails for its window, who cannot turn the decision round', async () => {
    const north = broken();
    const script = { south: fail, 'rollback north': north.behaviour, 'rollback south': north.behaviour };
    const handle = await world.start('voted', script, { retries: 0, compensationWindow: '10 minutes' });
    const { desk } = await world.stuck(handle, 2);
    assert.deepEqual(new Set(desk.flatMap(({ fits }) => fits)), new Set(['retry', 'resolve', 'skip']));
    north.mend();
    for (const branch of ['north', 'south']) await world.decide(handle, { branch, action: 'retry' });
    assert.equal((await world.end(handle)).report?.state, 'compensated');
  });

  describe('that settles', () => {
    const rollbacks = ['rollback north', 'rollback south', 'rollback west'];
    const settled = async (script: Parameters<typeof world.run>[1], more: object = {}) => {
      const failedAt = await world.environment.currentTimeMs();
      return world.run('voted', script, { settle: { failedAt, reason: 'terminated', ...more } });
    };

    it('rolls back all where no commit was asked, prepared or not, and looks at nobody: none can have committed', async () => {
      for (const more of [{}, { undo: true }]) {
        const { report, made: names } = await settled({}, more);
        assert.deepEqual([report?.state, names.toSorted()], ['compensated', rollbacks]);
      }
    });

    it('waits for one that is silent when the others are rolled back, and only for that', async () => {
      const failedAt = await world.environment.currentTimeMs();
      const settle = { failedAt, reason: 'terminated' };
      const script = { 'look at north': fail, 'rollback north': fail };
      const handle = await world.start('voted', script, { settle, compensationWindow: '1 minute' });
      const { desk, branches } = await world.stuck(handle);
      assert.deepEqual(
        desk.map(({ branch, op }) => [branch, op]),
        [['north', 'rollback']],
      );
      assert.deepEqual(
        branches.map(({ second }) => second?.state),
        ['parked', 'done', 'done'],
      );
      await world.leave(handle, ['north']);
    });

    it('carries out what was decided without a look, which one that is silent would hold up', async () => {
      const committed = await settled({ 'look at north': hang }, { confirm: ['north', 'south', 'west'] });
      assert.deepEqual([committed.result, committed.made.toSorted()], ['done', commits]);
    });

    it('never turns a decided commit round: what is lost is a case, the others commit', async () => {
      const failedAt = await world.environment.currentTimeMs();
      const settle = { failedAt, reason: 'terminated', confirm: ['north', 'south', 'west'] };
      const handle = await world.start('voted', { 'commit west': suspend }, { settle });
      const { desk, branches } = await world.stuck(handle);
      assert.deepEqual(
        desk.map(({ branch, op }) => [branch, op]),
        [['west', 'commit']],
      );
      assert.deepEqual(
        branches.map(({ second }) => second?.state),
        ['done', 'done', 'parked'],
      );
      await world.decide(handle, { branch: 'west', action: 'skip' });
      const { report, made: names } = await world.end(handle);
      assert.deepEqual([report?.state, made(names, 'rollback'), made(names, 'commit').slice(0, 2)], ['failed', [], commits.slice(0, 2)]); // prettier-ignore
    });

    it('leaves a commit as a person left it, and asks no rollback that a person has resolved', async () => {
      const decided = { actor: 'ann', reason: 'by hand', at: 1, type: 'Error', message: 'no' };
      const skip = { ...decided, branch: 'south', op: 'commit', action: 'skip' };
      const left = await settled({}, { confirm: ['north', 'south', 'west'], decisions: [skip] });
      assert.deepEqual([left.report?.state, made(left.made, 'commit')], ['failed', ['commit north', 'commit west']]);
      const resolve = { ...decided, branch: 'south', op: 'rollback', action: 'resolve' };
      const back = await settled({}, { undo: true, decisions: [resolve] });
      assert.deepEqual([back.report?.state, made(back.made, 'rollback')], ['compensated', ['rollback north', 'rollback west']]); // prettier-ignore
    });

    it('rolls back however late: what is prepared holds its locks until then', async () => {
      const { report, made: names } = await settled({}, { failedAt: 0 });
      assert.deepEqual([report?.state, names.toSorted()], ['compensated', rollbacks]);
    });

    it('of a single participant looks what became of it', async () => {
      const settle = { failedAt: await world.environment.currentTimeMs(), reason: 'terminated' };
      const done = await world.run('votedAlone', { 'look at north': () => 'committed' }, { settle });
      assert.deepEqual([done.failure, done.made], [undefined, ['look at north']]);
      const not = await world.run('votedAlone', {}, { settle });
      assert.equal(not.report?.state, 'compensated');
    });
  });

  it('is refused where a participant is named twice, or none is: nothing is asked of anybody', async () => {
    const twice = await world.run('votedTwice');
    assert.match(twice.report?.cause.message ?? '', /'north' is named twice: ask it once/);
    const none = await world.run('votedByNobody');
    assert.match(none.report?.cause.message ?? '', /name one at least/);
    assert.deepEqual([twice.made, none.made], [[], []]);
  });

  it('is refused in a lane that could commit before the decision is in the history', async () => {
    const lean = await world.end(await world.start('voted', {}, { lane: 'lean' }));
    assert.match(lean.failure?.message ?? '', /lane 'lean' is not for scheme '2pc', which takes durable/);
    const grouped = await world.end(await world.start('voted', {}, { group: { members: [] } }));
    assert.match(grouped.failure?.message ?? '', /lane 'grouped' is for sagas/);
    assert.deepEqual([lean.made, grouped.made], [[], []]);
  });

  it('is found by its scheme', async () => {
    const handle = await world.start('voted', {}, {}, { typedSearchAttributes: initialAttributes('2pc') });
    await world.end(handle);
    const view = await world.view(handle);
    assert.deepEqual([view.scheme, view.state], ['2pc', 'committed']);
  });
});
