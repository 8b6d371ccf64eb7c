import assert from 'node:assert/strict';
import { initialAttributes } from '../../../src/kit/workflow/index.js';
import { broken, fail, finish, gate, refuse, succeed } from './support/letters.js';
import { processed, SagaWorld } from './support/saga-world.js';

for (const lane of ['durable', 'lean'] as const) {
  describe(`a TCC transaction (${lane})`, () => {
    let world: SagaWorld;
    before(async () => {
      world = await SagaWorld.open();
    });
    after(() => world.close());
    const made = (names: readonly string[], what: string) => names.filter((name) => name.startsWith(what)).toSorted();

    /** What runs beside a try that is refused, and is cancelled: it ends by that, and not at the same moment. */
    const beside = (...names: string[]) =>
      Object.fromEntries(names.map((n) => [n, lane === 'durable' ? finish : succeed]));

    // In the lean lane it is looked for first: it was not, and is barred by that.
    const mayHaveHappened = lane === 'durable' ? ['cancel h', 'cancel i'] : ['cancel h'];

    it('whose tries all succeed confirms each branch once, after the last try, and cancels none', async () => {
      const last = gate();
      const handle = await world.start('held', { j: last.behaviour }, { lane });
      await last.reached;
      assert.ok(world.letters.of(handle.workflowId).every(({ operation }) => operation.op === 'try'));
      last.open();
      const { result, made: names } = await world.end(handle);
      assert.deepEqual(result, ['did h', 'did i', 'did j']);
      assert.deepEqual(made(names, 'confirm'), ['confirm h', 'confirm i', 'confirm j']);
      assert.deepEqual(made(names, 'cancel'), []);
    });

    it('gives a confirm what was tried and what is held, with its scheme', async () => {
      const { gid } = await world.run('held', {}, { lane });
      const confirm = world.letters.of(gid).find(({ name }) => name === 'confirm h');
      assert.deepEqual(confirm?.args, ['h', 'did h']);
      const { op, scheme, seq, succeeded } = confirm.operation;
      assert.deepEqual({ op, scheme, seq, succeeded }, { op: 'confirm', scheme: 'tcc', seq: 1, succeeded: true });
    });

    it('of which a try is refused cancels the others, and not that one; the caller hears why', async () => {
      const { report, made: names } = await world.run('held', { ...beside('h', 'j'), i: refuse }, { lane });
      assert.deepEqual([report?.state, report?.scheme, report?.cause.step], ['compensated', 'tcc', 'i']);
      assert.deepEqual(made(names, 'cancel'), ['cancel h', 'cancel j']);
      assert.deepEqual(made(names, 'confirm'), []);
    });

    it('of which a try has no known outcome cancels that one too', async () => {
      const { report, made: names } = await world.run('heldInTurn', { i: fail }, { lane });
      assert.equal(report?.state, 'compensated');
      assert.deepEqual(made(names, 'cancel'), mayHaveHappened);
    });

    it('may try another way where a try was refused', async () => {
      const { result, made: names } = await world.run('heldInTurn', { i: refuse }, { lane });
      assert.deepEqual(result, ['did h', 'did j']);
      assert.deepEqual(made(names, 'confirm'), ['confirm h', 'confirm j']);
    });

    it('that is not all tried by its deadline, one minute by default, is cancelled', async () => {
      const { report, made: names } = await world.run('heldInTurn', { i: fail }, { lane, retries: 100 });
      assert.deepEqual([report?.state, report?.cause.type], ['compensated', 'DeadlineExceeded']);
      assert.deepEqual(made(names, 'cancel'), mayHaveHappened);
    });

    it('asks a confirm that fails again, beyond the deadline, and cancels nothing', async () => {
      const i = broken();
      const handle = await world.start('held', { 'confirm i': i.behaviour }, { lane, forwardWindow: '1 hour' });
      await world.environment.sleep('10 minutes');
      i.mend();
      const { result, made: names } = await world.end(handle);
      assert.deepEqual(result, ['did h', 'did i', 'did j']);
      assert.deepEqual(made(names, 'cancel'), []);
    });

    it('waits for a person where a confirm fails for its window; asked again it is done', async () => {
      const i = broken();
      const handle = await world.start('held', { 'confirm i': i.behaviour }, { lane, forwardWindow: '10 minutes' });
      const view = await world.stuck(handle);
      assert.deepEqual(
        view.desk.map(({ branch, op, fits, takesInput }) => ({ branch, op, fits, takesInput })),
        [{ branch: 'i', op: 'confirm', fits: ['retry', 'resolve', 'skip'], takesInput: false }],
      );
      assert.deepEqual(
        view.branches.map(({ branch, second }) => [branch, second?.op, second?.state]),
        [
          ['h', 'confirm', 'done'],
          ['i', 'confirm', 'parked'],
          ['j', 'confirm', 'done'],
        ],
      );
      i.mend();
      await world.decide(handle, { branch: 'i', action: 'retry' });
      assert.deepEqual((await world.end(handle)).result, ['did h', 'did i', 'did j']);
    });

    it('has failed where a person leaves a confirm as it is, and says which', async () => {
      const handle = await world.start('held', { 'confirm i': fail }, { lane, forwardWindow: '10 minutes' });
      const { report } = await world.leave(handle, ['i']);
      assert.deepEqual([report?.state, report?.cause.step], ['failed', 'i']);
      assert.match(report?.notUndone.find(({ step }) => step === 'i')?.message ?? '', /left as it is by ann/);
    });

    it('waits for a person where a cancel fails for its window; the others are cancelled meanwhile', async () => {
      const h = broken();
      const script = { ...beside('h', 'i'), j: refuse, 'cancel h': h.behaviour };
      const handle = await world.start('held', script, { lane, compensationWindow: '10 minutes' });
      const view = await world.stuck(handle);
      assert.deepEqual(
        view.desk.map(({ branch, op }) => [branch, op]),
        [['h', 'cancel']],
      );
      assert.equal(view.branches.find(({ branch }) => branch === 'i')?.second?.state, 'done');
      h.mend();
      await world.decide(handle, { branch: 'h', action: 'retry' });
      assert.equal((await world.end(handle)).report?.state, 'compensated');
    });

    it('that settles confirms what was all held, and cancels where anything was not', async () => {
      const settle = { failedAt: await world.endedAt(), reason: 'terminated' };
      const some = { 'look at h': () => 'did h', 'look at i': () => 'did i' };
      const call = { lane, settle } as const;
      const all = await world.run('held', { ...some, 'look at j': () => 'did j' }, call);
      assert.deepEqual(made(all.made, 'confirm'), ['confirm h', 'confirm i', 'confirm j']);
      const cut = await world.run('held', some, call);
      assert.deepEqual([cut.report?.state, ...made(cut.made, 'cancel')], ['compensated', 'cancel h', 'cancel i']);
    });

    it('that settles never turns a decided confirm round: what is lost is a case, and a body that is another one has failed', async () => {
      const settle = {
        failedAt: await world.endedAt(),
        reason: 'terminated',
        confirm: ['h', 'i', 'j'],
      };
      const some = { 'look at h': () => 'did h', 'look at i': () => 'did i' };
      const handle = await world.start('held', some, { lane, settle });
      const { desk } = await world.stuck(handle);
      assert.deepEqual(
        desk.map(({ branch, op, fits }) => [branch, op, fits]),
        [['j', 'try', ['retry', 'resolve']]],
      );
      assert.match(desk[0]?.failure.message ?? '', /^it was decided to confirm it, and what it held is not there/);
      await world.decide(handle, { branch: 'j', action: 'resolve', result: 'held by hand' });
      const lost = await world.end(handle);
      assert.deepEqual(lost.result, ['did h', 'did i', 'held by hand']);
      assert.deepEqual([made(lost.made, 'confirm').length, made(lost.made, 'cancel')], [3, []]);
      const other = await world.run('sentFirst', { 'look at h': () => 'did h' }, { lane, settle });
      assert.deepEqual([other.report?.state, made(other.made, 'cancel')], ['failed', []]);
      assert.deepEqual(made(other.made, 'confirm'), ['confirm h'], 'what it names, and was decided to stand, stands');
    });

    it('that settles what was decided to stand passes over a try that was never part of it, or that a person has made good', async () => {
      const settle = { failedAt: await world.endedAt(), reason: 'terminated', confirm: ['h', 'j'] };
      const some = { 'look at h': () => 'did h', 'look at j': () => 'did j' };
      const other = await world.run('heldInTurn', some, { lane, settle });
      assert.deepEqual(
        [other.result, made(other.made, 'confirm')],
        [
          ['did h', 'did j'],
          ['confirm h', 'confirm j'],
        ],
      );
      const resolved = {
        branch: 'i',
        op: 'confirm',
        action: 'resolve',
        actor: 'ann',
        reason: 'by hand',
        at: 1,
      } as const;
      const note = { ...resolved, type: 'Error', message: 'no' };
      const good = await world.run('held', some, { lane, settle: { ...settle, confirm: ['h', 'i', 'j'], decisions: [note] } }); // prettier-ignore
      assert.equal(good.failure, undefined);
      assert.deepEqual(made(good.made, 'confirm'), ['confirm h', 'confirm j']);
    });

    it('goes on with what cannot be held once all is confirmed', async () => {
      const last = gate();
      const handle = await world.start('heldThenSent', { 'confirm i': last.behaviour }, { lane });
      await last.reached;
      assert.ok(!world.letters.of(handle.workflowId).some(({ name }) => name === 'f'));
      last.open();
      const { result, made: names } = await world.end(handle);
      assert.deepEqual(result, ['did h', 'did i', 'did f']);
      assert.deepEqual(made(names, 'confirm'), ['confirm h', 'confirm i']);
      const sent = world.letters.of(handle.workflowId).at(-1);
      assert.deepEqual([sent?.name, sent?.operation.op, sent?.operation.scheme], ['f', 'action', 'tcc']);
    });

    it('sends nothing where a try was refused', async () => {
      const { report, made: names } = await world.run('heldThenSent', { i: refuse }, { lane });
      assert.deepEqual([report?.state, ...made(names, 'cancel')], ['compensated', 'cancel h']);
      assert.ok(!names.includes('f'), names.join(', '));
    });

    it('waits at its confirm for a try that its body does not wait for; refused, it is cancelled', async () => {
      const held = await world.run('heldCarelessly', {}, { lane });
      assert.deepEqual([held.result, held.made], ['did f', ['h', 'confirm h', 'f']]);
      const { report, made: names } = await world.run('heldCarelessly', { h: refuse }, { lane });
      assert.deepEqual([report?.state, report?.cause.step, names], ['compensated', 'h', ['h']]);
    });

    it('that is cancelled before all is tried confirms nothing', async () => {
      // In the lean lane a task is done again when it is cancelled meanwhile: whatever came of it, it is one of both.
      const i = gate();
      const handle = await world.start('heldThenSent', { i: i.behaviour }, { lane });
      await i.reached;
      await handle.cancel();
      if (lane === 'durable') await processed(handle);
      i.open();
      const { report, made: names } = await world.end(handle);
      if (lane === 'durable') assert.deepEqual([report?.state, report?.cause.type], ['compensated', 'Cancelled']);
      const isConfirmed = made(names, 'confirm').length > 0;
      assert.equal(isConfirmed, report === undefined);
      assert.equal(made(names, 'cancel').length > 0, !isConfirmed);
    });

    it('goes forward though it is cancelled while it confirms', async () => {
      const i = gate();
      const handle = await world.start('heldThenSent', { 'confirm i': i.behaviour }, { lane });
      await i.reached;
      await handle.cancel();
      await processed(handle);
      i.open();
      assert.deepEqual((await world.end(handle)).result, ['did h', 'did i', 'did f']);
    });

    it('confirms by ordinary activities: a decision that left no trace could be taken otherwise', async () => {
      const { gid } = await world.run('heldThenSent', {}, { lane });
      const confirms = (await world.scheduled(gid)).filter((name) => name.endsWith('.confirm'));
      assert.deepEqual(confirms.toSorted(), ['letters.h.confirm', 'letters.i.confirm']);
    });

    it('waits for a person where what follows the confirm is refused, and has failed where that is left', async () => {
      const handle = await world.start('heldThenSent', { f: refuse }, { lane });
      const view = await world.stuck(handle);
      assert.deepEqual(
        view.desk.map(({ branch, op }) => [branch, op]),
        [['f', 'action']],
      );
      const { report, made: names } = await world.leave(handle, ['f']);
      assert.deepEqual([report?.state, report?.cause.step, ...made(names, 'cancel')], ['failed', 'f']);
    });

    it('goes no further where a person leaves a confirm as it is', async () => {
      const handle = await world.start('heldThenSent', { 'confirm i': fail }, { lane, forwardWindow: '10 minutes' });
      const { report, made: names } = await world.leave(handle, ['i']);
      assert.deepEqual([report?.state, report?.cause.step], ['failed', 'i']);
      assert.ok(!names.includes('f'), names.join(', '));
    });

    it('that settles confirms again what was all held, and goes forward; it sends nothing where anything was not', async () => {
      const settle = { failedAt: await world.endedAt(), reason: 'terminated' };
      const call = { lane, settle } as const;
      const h = { 'look at h': () => 'did h' };
      const all = await world.run('heldThenSent', { ...h, 'look at i': () => 'did i' }, call);
      assert.deepEqual([made(all.made, 'confirm'), all.made.at(-1)], [['confirm h', 'confirm i'], 'f']);
      const cut = await world.run('heldThenSent', h, call);
      assert.deepEqual([cut.report?.state, ...made(cut.made, 'cancel')], ['compensated', 'cancel h']);
      assert.ok(!cut.made.includes('f'));
    });

    const rules = [
      ['sentFirst', 'compensated', /step 'f' goes forward before all is confirmed: await tx.confirm first/],
      ['triedLast', 'failed', /step 'i' is tried after the confirm, where nothing is cancelled: use tx.forward/],
      ['confirmedTwice', 'failed', /all was confirmed before: await tx.confirm once/],
    ] as const;
    for (const [name, state, rule] of rules) {
      it(`has its rules: ${name} is ${state}, and says which it breaks`, async () => {
        const { report } = await world.run(name, {}, { lane });
        assert.deepEqual([report?.state, report?.cause.type], [state, 'GrammarError']);
        assert.match(report?.cause.message ?? '', rule);
      });
    }

    it('is found by its scheme', async () => {
      const handle = await world.start('held', {}, { lane }, { typedSearchAttributes: initialAttributes('tcc') });
      await world.end(handle);
      const view = await world.view(handle);
      assert.deepEqual([view.scheme, view.state], ['tcc', 'committed']);
    });

    it('refuses the lane that only sagas have', async () => {
      const { failure } = await world.end(await world.start('held', {}, { group: { members: [] } }));
      assert.match(failure?.message ?? '', /lane 'grouped' is for sagas/);
    });
  });
}
