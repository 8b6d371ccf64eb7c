import assert from 'node:assert/strict';
import { Desk, type DeskOrder } from '../../../src/kit/workflow/desk.js';
import type { Settle } from '../../../src/kit/workflow/saga/definition.js';
import type { AgentStatus, Telling } from '../../../src/kit/workflow/three-phase/protocol.js';
import type { ThreePhaseDriver } from '../../../src/kit/workflow/three-phase/record.js';
import { ThreePhaseRun } from '../../../src/kit/workflow/three-phase/run.js';

/** What the agents of a, b, … answer to each message; what is not said here does not arrive. */
type Answers = Partial<Record<Telling['message'], readonly (AgentStatus | undefined)[]>>;

const committed: AgentStatus = { state: 'committed', by: 'coordinator' };
const nobody: AgentStatus = { state: 'aborted', by: 'nobody' };
const by = { actor: 'ann', reason: 'looked' };

/** A coordinator whose agents answer as they are told to. */
function coordinator(answers: Answers, settle?: Settle) {
  const desk = new Desk(
    () => 0,
    () => undefined,
  );
  const said: string[] = [];
  const driver: ThreePhaseDriver = {
    ...{ gid: 'test', desk, times: { answerMs: 1, timeoutMs: 10, windowMs: 1 } },
    now: () => 0,
    judge: (error) => ({ knowledge: 'unknown', type: 'Timeout', message: String(error) }),
    elsewhere: () => Promise.resolve(undefined),
    changed: () => undefined,
    tell: ({ branch, seq }, message) => {
      said.push(`${message} ${branch}`);
      const status = answers[message]?.[seq - 1];
      return status === undefined ? Promise.reject(new Error('no answer')) : Promise.resolve(status);
    },
  };
  const branches = ['a', 'b'].map((branch) => ({ branch, operation: `${branch}.move`, input: 1, summary: 'moves' }));
  const run = new ThreePhaseRun(driver, branches, settle);
  void run.execute();
  const follows = () => new Promise(setImmediate);
  const decide = async (order: Pick<DeskOrder, 'branch' | 'action' | 'result'>) => {
    assert.equal(desk.wrong({ ...order, ...by }), undefined);
    desk.decide({ ...order, ...by });
    await follows();
  };
  const cases = () => desk.cases.map(({ branch, op, failure }) => [branch, op, failure.type]);
  return { run, desk, said, follows, decide, cases };
}

describe('the coordinator of a three-phase commit', () => {
  const settle: Settle = { failedAt: 0, reason: 'gone' };

  it("takes a person's word for how an agent ended that cannot be asked: committed or aborted", async () => {
    for (const [result, state] of [
      ['committed', 'committed'],
      ['aborted', 'stuck'],
      [undefined, 'stuck'],
    ] as const) {
      const of = coordinator({ outcome: [committed, undefined] }, settle);
      await of.follows();
      assert.deepEqual(of.cases(), [['b', 'rollback', 'Timeout']]);
      assert.deepEqual(of.desk.cases[0]?.results, ['committed', 'aborted']);
      const wrong = of.desk.wrong({ branch: 'b', action: 'resolve', result: 'paid', ...by });
      assert.equal(wrong, `the result of 'b' is "committed" or "aborted", and not "paid"`);
      await of.decide({ branch: 'b', action: 'resolve', ...(result && { result }) });
      assert.equal(of.run.state, state);
      assert.deepEqual(of.cases(), state === 'stuck' ? [['a', 'rollback', 'Split']] : []);
    }
  });

  it('takes a no of a person for one where it had told to commit', async () => {
    const ready: AgentStatus = { state: 'ready' };
    const prepared: AgentStatus = { state: 'prepared' };
    const answers = { canCommit: [ready, ready], preCommit: [prepared, prepared], doCommit: [committed, undefined] };
    const of = coordinator(answers);
    await of.follows();
    assert.deepEqual(of.cases(), [['b', 'commit', 'Timeout']]);
    await of.decide({ branch: 'b', action: 'resolve', result: 'aborted' });
    assert.deepEqual(of.cases(), [['a', 'rollback', 'Split']]);
    assert.match(of.desk.cases[0]?.failure.message ?? '', /b aborted as a person decided/);
  });

  it('takes no agent for one that has refused, which was there and is not known any more when it is to prepare', async () => {
    const ready: AgentStatus = { state: 'ready' };
    const aborted: AgentStatus = { state: 'aborted', by: 'coordinator' };
    const of = coordinator({ canCommit: [ready, ready], preCommit: [nobody], abort: [nobody, aborted] });
    await of.follows();
    assert.deepEqual(of.said.slice(2), ['preCommit a', 'abort a', 'abort b']);
    assert.deepEqual(of.cases(), [['a', 'rollback', 'AgentGone']]);
    assert.equal(of.run.records[0]?.vote, 'unknown');
  });

  it('does not take an agent that nobody knows in a comparison for one that never was', async () => {
    const of = coordinator({ outcome: [{ state: 'aborted', by: 'timer' }, nobody] }, settle);
    await of.follows();
    assert.deepEqual(of.cases(), [['b', 'rollback', 'AgentGone']]);
    await of.decide({ branch: 'b', action: 'resolve', result: 'aborted' });
    assert.equal(of.run.state, 'compensated');
  });
});
