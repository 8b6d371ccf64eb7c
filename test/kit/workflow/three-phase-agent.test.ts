import assert from 'node:assert/strict';
import { Desk } from '../../../src/kit/workflow/desk.js';
import type { Settle } from '../../../src/kit/workflow/saga/definition.js';
import { Agent } from '../../../src/kit/workflow/three-phase/agent.js';
import type { AgentDriver } from '../../../src/kit/workflow/three-phase/agent-driver.js';
import type { AgentOrder } from '../../../src/kit/workflow/three-phase/protocol.js';

/** What a participant answers to one question. */
type Answer = 'yes' | 'no' | 'suspended' | 'silent';

class Refused extends Error {}
class Suspended extends Error {}

/** An agent whose questions the test answers, and whose timers it rings. */
class Script implements AgentDriver {
  readonly agent: Agent;
  readonly desk: Desk = new Desk(
    () => 0,
    () => undefined,
  );
  /** What was asked, in order; and what has no answer yet. */
  readonly asked: string[] = [];
  readonly #open = new Map<string, (answer: Answer) => void>();
  #waits: { happened: () => boolean; wake: (happened: boolean) => void; timed: boolean }[] = [];

  constructor(again?: Pick<Settle, 'undo' | 'confirm' | 'decisions'>) {
    const order: AgentOrder = {
      ...{ gid: 'test', branch: 'a', seq: 1, operation: 'a.move', input: 1, summary: 'moves', of: [] },
      ...{ answerMs: 1, timeoutMs: 1, windowMs: 1 },
    };
    this.agent = new Agent(this, order);
    void this.agent.live(again);
  }

  now(): number {
    return 0;
  }

  ask(op: string): Promise<unknown> {
    this.asked.push(op);
    return new Promise((resolve, reject) => {
      this.#open.set(op, (answer) => {
        if (answer === 'yes') resolve('yes');
        else reject(answer === 'no' ? new Refused() : answer === 'suspended' ? new Suspended() : new Error(answer));
      });
    });
  }

  judge(error: unknown) {
    const suspended = error instanceof Suspended;
    const knowledge = suspended || error instanceof Refused ? 'rejected' : 'unknown';
    return { knowledge, type: 'Test', message: 'a test', ...(suspended && { suspended }) } as const;
  }

  until(happened: () => boolean, ms?: number): Promise<boolean> {
    if (happened()) return Promise.resolve(true);
    return new Promise((wake) => this.#waits.push({ happened, wake, timed: ms !== undefined }));
  }

  changed(): void {
    return undefined;
  }

  list(): void {
    return undefined;
  }

  async answer(op: string, answer: Answer = 'yes'): Promise<void> {
    const open = this.#open.get(op) ?? assert.fail(`nobody has asked for ${op}, but for ${this.asked.join(', ')}`);
    this.#open.delete(op);
    open(answer);
    await this.#follow();
  }

  async hear(message: 'preCommit' | 'doCommit' | 'abort'): Promise<void> {
    void this.agent.hear(message);
    await this.#follow();
  }

  async ring(): Promise<void> {
    const timed = this.#waits.filter((wait) => wait.timed);
    assert.equal(timed.length, 1);
    this.#waits = this.#waits.filter((wait) => !wait.timed);
    for (const { wake } of timed) wake(false);
    await this.#follow();
  }

  /** All that follows has followed. */
  async #follow(): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      const woken = this.#waits.filter(({ happened }) => happened());
      if (woken.length === 0) return;
      this.#waits = this.#waits.filter((wait) => !woken.includes(wait));
      for (const { wake } of woken) wake(true);
    }
  }
}

describe('the agent of a three-phase commit', () => {
  /** Has prepared, and heard nothing more. */
  const committing = async () => {
    const script = new Script();
    await script.answer('canCommit');
    await script.hear('preCommit');
    await script.answer('prepare');
    await script.ring();
    assert.equal(script.asked.at(-1), 'commit');
    return script;
  };

  describe('that hears an abort when its timer has rung, and its commit is on its way', () => {
    it('aborts, if its rollback was faster: the commit is refused then', async () => {
      const script = await committing();
      await script.hear('abort');
      assert.equal(script.asked.at(-1), 'rollback');
      await script.answer('rollback');
      assert.deepEqual(script.agent.status, { state: 'aborted', by: 'coordinator' });
      await script.answer('commit', 'no');
      assert.deepEqual(script.agent.status, { state: 'aborted', by: 'coordinator' });
    });

    it('has committed by itself, if its commit was faster: the rollback is refused then', async () => {
      for (const answered of [true, false]) {
        const script = await committing();
        await script.hear('abort');
        if (answered) await script.answer('commit');
        await script.answer('rollback', 'suspended');
        const { state, by, failure } = script.agent.status;
        assert.deepEqual([state, by, failure?.type], ['committed', 'timer', 'Silence']);
        assert.equal(script.agent.view.branches[0]?.second?.op, 'commit');
      }
    });

    it('aborts where the commit waits for a person, who is not asked any more', async () => {
      const script = await committing();
      await script.answer('commit', 'silent');
      assert.equal(script.desk.cases.length, 1);
      await script.hear('abort');
      assert.deepEqual([script.desk.cases, script.asked.at(-1)], [[], 'rollback']);
      await script.answer('rollback');
      assert.equal(script.agent.status.state, 'aborted');
    });
  });

  describe('that settles, and of which a person has decided before', () => {
    const decided = { branch: 'a', actor: 'ann', reason: 'looked', at: 1 } as const;

    it('aborts, if that was to leave its commit', async () => {
      const script = new Script({ confirm: ['a'], decisions: [{ ...decided, op: 'commit', action: 'skip' }] });
      assert.deepEqual(script.asked, ['rollback']);
      await script.answer('rollback');
      const { state, by, failure } = script.agent.status;
      assert.deepEqual([state, by, failure?.type], ['aborted', 'participant', 'Skipped']);
    });

    it('asks nothing more, if that was that it is done', () => {
      for (const [op, state] of [
        ['commit', 'committed'],
        ['rollback', 'aborted'],
      ] as const) {
        const decisions = [{ ...decided, op, action: 'resolve' }] as const;
        const { agent, asked } = new Script({ undo: true, confirm: ['a'], decisions });
        assert.deepEqual([agent.status, asked], [{ state, by: 'person' }, []]);
      }
    });

    it('asks again, if that was to ask again', () => {
      const decisions = [{ ...decided, op: 'commit', action: 'retry' }] as const;
      const { asked } = new Script({ confirm: ['a'], decisions });
      assert.deepEqual(asked, ['prepare']);
    });
  });

  it('whose run is ended then, and which settles, asks for the rollback', async () => {
    const script = new Script({ undo: true, confirm: ['a'] });
    assert.deepEqual(script.asked, ['rollback']);
    await script.answer('rollback');
    assert.equal(script.agent.status.state, 'aborted');
  });
});
