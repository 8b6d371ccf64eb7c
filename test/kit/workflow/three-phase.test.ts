import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TransactionReport } from '../../../src/kit/workflow/failure.js';
import { play, Silent, TIMES, type Ended, type Party, type Plan, type Span } from './support/three-phase-world.js';

const well: Party = { refuses: 'nothing', takesMs: 5, delayMs: 5, deaf: [], mute: [] };
const ever: Span = [0, Infinity];

/** Any trouble that ends before the coordinator stops asking: within its window of half an hour. */
const span = fc
  .tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 1, max: 120_000 }))
  .map(([from, ms]): Span => [from, from + ms]);
const party = (most: { readonly spans: number }): fc.Arbitrary<Party> =>
  fc.record({
    refuses: fc.oneof(
      { weight: 8, arbitrary: fc.constant('nothing' as const) },
      { weight: 1, arbitrary: fc.constantFrom('canCommit' as const, 'prepare' as const) },
    ),
    takesMs: fc.integer({ min: 1, max: 2_000 }),
    delayMs: fc.integer({ min: 1, max: 500 }),
    deaf: fc.array(span, { maxLength: most.spans }),
    mute: fc.array(span, { maxLength: most.spans }),
  });
const plan = (most: { readonly spans: number; readonly stops: boolean }): fc.Arbitrary<Plan> =>
  fc.record({
    parties: fc.array(party(most), { minLength: 1, maxLength: 4 }),
    ...(most.stops && { stopsAt: fc.option(fc.integer({ min: 0, max: 70_000 }), { nil: undefined }) }),
  });

const committed = ({ sites }: Ended) => sites.filter(({ held }) => held === 'committed').length;

/** What holds however it went. */
function assertTrue(ended: Ended): void {
  const { run, desk, sites } = ended;
  for (const { agent, held, preparedMs } of sites) {
    assert.equal(held === 'committed', agent?.status.state === 'committed');
    assert.notEqual(held, 'prepared');
    if (agent !== undefined) assert.ok(['committed', 'aborted'].includes(agent.status.state), agent.status.state);
    // Its timer, and what its database takes for it.
    assert.ok(preparedMs <= TIMES.timeoutMs + 2_000, `${preparedMs} ms`);
  }
  const count = committed(ended);
  const isSplit = count > 0 && count < sites.length;
  assert.equal(run.state, isSplit ? 'stuck' : count === 0 ? 'compensated' : 'committed');
  assert.equal(desk.cases.length, isSplit ? count : 0);
  const left = run.report?.notUndone.map(({ step }) => step) ?? [];
  assert.deepEqual(left, isSplit ? desk.cases.map(({ branch }) => branch) : []);
}

describe('the rules of a three-phase commit', () => {
  it('bring every agent to an end, and the coordinator knows how, whatever is lost and whoever stops', async () => {
    await fc.assert(
      fc.asyncProperty(plan({ spans: 2, stops: true }), async (given) => assertTrue(await play(given))),
      { numRuns: 2_000 },
    );
  });

  it('split nobody while every message is heard and the coordinator lives', async () => {
    await fc.assert(
      fc.asyncProperty(plan({ spans: 0, stops: false }), async (given) => {
        const ended = await play(given);
        assertTrue(ended);
        assert.ok([0, ended.sites.length].includes(committed(ended)), 'a split');
      }),
      { numRuns: 1_000 },
    );
  });

  it('commit everywhere once all are prepared, though the coordinator stops then', async () => {
    // canCommit takes 15 ms, each preCommit too: the second agent is prepared at 40 ms, and the coordinator hears it at 45 ms.
    const ended = await play({ parties: [well, well], stopsAt: 42 });
    assertTrue(ended);
    assert.equal(committed(ended), 2);
    assert.deepEqual(
      ended.sites.map(({ agent }) => agent?.status.by),
      ['timer', 'timer'],
    );
  });

  it('abort everywhere where the coordinator stops before the first preCommit', async () => {
    const ended = await play({ parties: [well, well], stopsAt: 12 });
    assertTrue(ended);
    assert.equal(committed(ended), 0);
  });

  it('have the flaw: a coordinator that stops between two preCommits splits them', async () => {
    const ended = await play({ parties: [well, well], stopsAt: 28 });
    assertTrue(ended);
    assert.equal(committed(ended), 1);
    assert.match(
      ended.desk.cases[0]?.failure.message ?? '',
      /branch-0 committed by itself.*; branch-1 aborted by itself/,
    );
  });

  it('keep what a person has decided of a split when the run is ended from outside', async () => {
    const decided = {
      branch: 'branch-1',
      op: 'rollback',
      action: 'resolve',
      actor: 'ann',
      reason: 'mended',
      at: 0,
    } as const;
    const plan = { parties: [well, well, well], stopsAt: 43 };
    assert.deepEqual(
      (await play(plan)).desk.cases.map(({ branch }) => branch),
      ['branch-0', 'branch-1'],
    );
    const { desk, run } = await play({ ...plan, decisions: [decided] });
    assert.deepEqual(
      desk.cases.map(({ branch }) => branch),
      ['branch-0'],
    );
    desk.decide({ branch: 'branch-0', action: 'skip', actor: 'ann', reason: 'left' });
    await new Promise(setImmediate);
    const { state, undone, notUndone } = run.report ?? assert.fail('it has a report');
    assert.deepEqual(
      [state, undone.toSorted(), notUndone.map(({ step }) => step)],
      ['failed', ['branch-1', 'branch-2'], ['branch-0']],
    );
  });

  describe('of a split that was compared elsewhere before', () => {
    const split = { parties: [well, well], stopsAt: 28 };
    const report: TransactionReport = {
      ...{ gid: 'test', scheme: '3pc', state: 'compensated', cause: { type: 'Terminated', message: 'gone' } },
      ...{ undone: ['branch-0', 'branch-1'], notUndone: [], split: ['branch-0'] },
    };
    /** What a person is told of it here. */
    const told = async (elsewhere: Plan['elsewhere']) => {
      const { desk, run } = await play({ ...split, elsewhere });
      assert.equal(run.state, 'stuck');
      const [{ branch, failure } = assert.fail()] = desk.cases;
      assert.equal(branch, 'branch-0');
      assert.match(failure.message, /^the participants decided differently: branch-0 committed by itself.*; branch-1/);
      return failure.message;
    };

    it('take over what a person has decided of it there', async () => {
      const { desk, run } = await play({ ...split, elsewhere: () => Promise.resolve(report) });
      assert.deepEqual([desk.cases, run.state, run.report?.split], [[], 'compensated', ['branch-0']]);
    });

    it('tell of it, where a person had to say there how one decided, and had it wrong', async () => {
      const none = { ...report, split: undefined };
      const known = /; where they were compared before, none had committed$/;
      assert.match(await told(() => Promise.resolve(none)), known);
      const other = { ...report, split: ['branch-1'] };
      assert.match(await told(() => Promise.resolve(other)), /before, branch-1 had committed$/);
    });

    it('send a person to the other desk first only where it is known of', async () => {
      const waits = 'no answer in time; the last attempt: AtAnotherDesk: test/agents has not ended';
      const first = /; decide it first at the desk where it was found: .*test\/agents has not ended$/;
      assert.match(await told(() => Promise.reject(new Silent(waits))), first);
      const unknown = await told(() => Promise.reject(new Silent('no answer in time')));
      assert.match(unknown, /; whether it was found before is not known: no answer in time$/);
    });
  });

  it('have the flaw: an abort that is lost after preCommit makes one commit', async () => {
    // The first is prepared and hears nothing more for a minute; the second refuses.
    const ended = await play({
      parties: [
        { ...well, deaf: [[38, 60_000]] },
        { ...well, refuses: 'prepare' },
      ],
    });
    assertTrue(ended);
    assert.equal(committed(ended), 1);
    assert.match(
      ended.desk.cases[0]?.failure.message ?? '',
      /branch-0 committed by itself.*; branch-1 aborted as its participant refused/,
    );
  });

  it('say nothing of an undo while all may commit by themselves, though all were told to abort', async () => {
    // The second is prepared, and its answer is lost; then both hear nothing for a minute.
    const ended = await play({
      parties: [
        { ...well, deaf: [[38, 60_000]] },
        { ...well, deaf: [[38, 60_000]], mute: [[30, 60_000]] },
      ],
    });
    assertTrue(ended);
    assert.equal(committed(ended), 2);
    assert.deepEqual([...ended.said], ['running', 'committed']);
  });

  it('leave an abort time to arrive, however slowly others prepare', async () => {
    const slow: Party = { ...well, takesMs: 9_000 };
    const ended = await play({ parties: [well, slow, slow, slow, slow] });
    assertTrue(ended);
    assert.equal(committed(ended), 0);
  });

  it('ask a person about a participant that cannot be reached for the whole window', async () => {
    const ended = await play({ parties: [well, { ...well, mute: [ever] }] });
    assert.equal(ended.run.state, 'stuck');
    assert.deepEqual(
      ended.desk.cases.map(({ branch, op, fits }) => [branch, op, fits]),
      [['branch-1', 'rollback', ['retry', 'resolve']]],
    );
  });
});
