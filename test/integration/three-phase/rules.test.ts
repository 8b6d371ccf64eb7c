import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { decide, operate, OrderRefused, retries, scanNow } from '../../../src/kit/client/index.js';
import { hasCompared } from '../../../src/kit/worker/three-phase-lost.js';
import { threePhaseActivities } from '../../../src/kit/worker/index.js';
import {
  agentId,
  TRANSACTION_QUERY,
  type AgentStatus,
  type Message,
  type Telling,
  type TransactionReport,
  type TransactionView,
} from '../../../src/kit/workflow/index.js';
import {
  COMPARE_AGENTS,
  comparisonId,
  FIND_COMPARISON,
  TELL_AGENT,
  type CompareOrder,
} from '../../../src/kit/workflow/three-phase/protocol.js';
import type { Case } from './cases.js';
import type { Stage } from './stage.js';
import { parties, World, type Party } from './world.js';

describe('a three-phase commit', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world.close());

  const run = async (of: Omit<Case, 'who' | 'when'> = {}): Promise<Stage> => {
    const stage = await world.stage({ who: 'a test', when: '', ...of });
    await stage.start();
    return stage;
  };
  const agentOf = (stage: Stage, party: Party) => world.client.workflow.getHandle(agentId(stage.gid, parties[party]));

  /** Says something to an agent, as the coordinator's worker does. */
  const say = (stage: Stage, party: Party, message: Message): Promise<AgentStatus> => {
    const participant = parties[party];
    const telling: Telling = { message, gid: stage.gid, branch: participant, participant };
    const address = { client: world.client, taskQueue: world.queueOf(party) };
    const { [TELL_AGENT]: tell } = threePhaseActivities({ addressOf: () => address });
    return world.activity().run(tell, telling);
  };
  const failureOf = async (id: string): Promise<TransactionReport> => {
    const failure: unknown = await world.client.workflow
      .getHandle(id)
      .result()
      .catch((error: unknown) => error);
    assert.ok(failure instanceof WorkflowFailedError && failure.cause instanceof ApplicationFailure, String(failure));
    return failure.cause.details?.[0] as TransactionReport;
  };
  /** Waits until a workflow waits for a person, and for so many decisions. */
  const untilStuck = async (id: string, cases = 1): Promise<TransactionView> => {
    for (;;) {
      const view = await world.client.workflow
        .getHandle(id)
        .query<TransactionView>(TRANSACTION_QUERY)
        .catch(() => undefined);
      if (view?.state === 'stuck' && view.desk.length === cases) return view;
      assert.doesNotMatch(view?.state ?? '', /^(committed|compensated|failed)$/, `${id} has ended: nobody is asked`);
      await setTimeout(50);
    }
  };
  const by = { actor: 'ann', reason: 'looked' };

  for (const [what, of, state] of [
    ['committed', {}, 'committed'],
    ['aborted', { unknownAccount: true }, 'aborted'],
  ] as const) {
    it(`that has ${what} answers a message that comes late or twice with how it ended, and changes nothing`, async () => {
      const stage = await run(of);
      await stage.outcome();
      for (const party of ['A', 'B'] as const) {
        const ended = await stage.ended(party);
        assert.equal(ended?.state, state);
        for (const message of ['preCommit', 'doCommit', 'abort'] as const) {
          // What it has heard before is the same message: it gets the same answer.
          const isSaid = message === 'preCommit' && state === 'committed';
          const wanted: AgentStatus = isSaid ? { state: 'prepared' } : ended;
          assert.deepEqual(await say(stage, party, message), wanted, `${message} to ${party}`);
        }
        assert.equal(await stage.moved(party), state === 'committed');
      }
    });
  }

  it('that an agent never heard of has not happened there, whatever it is told', async () => {
    const stage = await world.stage({ who: 'a test', when: '' });
    for (const message of ['preCommit', 'doCommit', 'abort'] as const) {
      assert.deepEqual(await say(stage, 'A', message), { state: 'aborted', by: 'nobody' });
    }
  });

  it('is aborted by a cancellation until all are prepared', async () => {
    const stage = await run({
      at: { 'before preCommit A': (of) => world.client.workflow.getHandle(of.gid).cancel() },
    });
    const report = await failureOf(stage.gid);
    assert.deepEqual([report.state, report.cause.type], ['compensated', 'Cancelled']);
    assert.deepEqual([await stage.moved('A'), await stage.prepared('A')], [false, 0]);
  });

  it('is aborted where not all are prepared by its deadline', async () => {
    const stage = await run({ times: { deadline: 1 } });
    const report = await failureOf(stage.gid);
    assert.deepEqual([report.state, report.cause.type], ['compensated', 'DeadlineExceeded']);
    assert.deepEqual([await stage.moved('A'), await stage.prepared('A')], [false, 0]);
  });

  it('is not aborted any more once all are prepared; and cannot be paused', async () => {
    const refused: string[] = [];
    const order = (stage: Stage, action: 'cancel' | 'pause') =>
      operate(world.client, stage.gid, { action, ...by }).catch((error: unknown) => {
        assert.ok(error instanceof OrderRefused, String(error));
        refused.push(error.message);
      });
    const stage = await run({
      at: {
        'before doCommit A': async (of) => {
          await world.client.workflow.getHandle(of.gid).cancel();
          await order(of, 'cancel');
          await order(of, 'pause');
        },
      },
    });
    assert.equal(await stage.outcome(), 'committed');
    assert.match(refused[0] ?? '', /it is decided that all commit/);
    assert.match(refused[1] ?? '', /its participants do not wait/);
  });

  it('with a timer that leaves no time for an abort is refused before anything happens', async () => {
    const stage = await run({ times: { answer: '4 seconds', timeout: '7 seconds' } });
    const handle = world.client.workflow.getHandle(stage.gid);
    await assert.rejects(handle.result(), (error: WorkflowFailedError) => {
      assert.match(error.cause?.message ?? '', /timeout is 7000 ms: give at least twice answer, which is 4000 ms/);
      return true;
    });
    assert.equal(await stage.ended('A'), undefined);
  });

  it('asks a person where it cannot learn how a participant decided, and goes on when it can be reached', async () => {
    let link: Stage | undefined;
    const stage = await run({
      links: ['B'],
      times: { window: '6 seconds' },
      at: {
        'before doCommit B': (of) => {
          link = of;
          of.cut('B');
          return Promise.resolve();
        },
      },
    });
    const view = await untilStuck(stage.gid);
    assert.deepEqual(
      view.desk.map(({ branch, op, fits }) => [branch, op, fits]),
      [['bank_b', 'commit', ['retry', 'resolve']]],
    );
    assert.match(view.desk[0]?.failure.message ?? '', /cannot be reached/);
    // Should it be lost now, its agents are compared all the same.
    assert.equal(await hasCompared(world.client, stage.gid), false);
    await link?.restore();
    await decide(world.client, stage.gid, { branch: 'bank_b', action: 'retry', ...by });
    assert.equal(await stage.outcome(), 'committed');
  });

  it('whose work was lost in a database asks a person there, and is a split if it is left so', async () => {
    const stage = await run({
      times: { answer: '4 seconds', timeout: '1 minute' },
      at: {
        'before doCommit B': async (of) => {
          const text = 'select gid from pg_prepared_xacts where starts_with(gid, $1)';
          const [row] = await world.sql<{ gid: string }>('B', text, [`backstitch/3pc/${of.gid}/`]);
          await world.sql('B', `rollback prepared '${row?.gid ?? ''}'`);
        },
      },
    });
    const agent = agentId(stage.gid, 'bank_b');
    const atBank = await untilStuck(agent);
    assert.deepEqual(
      atBank.desk.map(({ op, failure, fits }) => [op, failure.type, fits]),
      [['commit', 'Undecidable', ['retry', 'resolve', 'skip']]],
    );
    await decide(world.client, agent, { branch: 'bank_b', action: 'skip', ...by });
    const view = await untilStuck(stage.gid);
    assert.match(view.desk[0]?.failure.message ?? '', /bank_a committed as the coordinator told it; bank_b aborted/);
    assert.equal(await hasCompared(world.client, stage.gid), true);
    await decide(world.client, stage.gid, { branch: 'bank_a', action: 'skip', ...by });
    const report = await failureOf(stage.gid);
    assert.deepEqual(
      [report.state, report.notUndone.map(({ step, type }) => [step, type])],
      ['failed', [['bank_a', 'Skipped']]],
    );
  });

  it('that is split is one case: what a person decides where the agents were compared counts for the coordinator that comes back', async () => {
    const stage = await run({
      stops: ['coordinator'],
      at: { 'before preCommit B': (of) => of.stopCoordinator() },
    });
    await Promise.all([stage.untilEnded('A'), stage.untilEnded('B')]);
    // As the scan does where no worker serves the coordinator.
    const comparison = comparisonId(stage.gid);
    const of = Object.values(parties).map((branch) => ({ branch, operation: `${branch}.move` }));
    const order: CompareOrder = { gid: stage.gid, of, reason: 'no worker serves its coordinator' };
    await world.client.workflow.start(COMPARE_AGENTS, {
      workflowId: comparison,
      taskQueue: world.queueOf('coordinator'),
      args: [order],
    });
    await untilStuck(comparison);
    await stage.restore();
    await stage.untilAskedElsewhere();
    const { state, desk } = await world.client.workflow.getHandle(stage.gid).query<TransactionView>(TRANSACTION_QUERY);
    assert.deepEqual([state, desk], ['compensating', []]);
    await decide(world.client, comparison, { branch: 'bank_a', action: 'skip', ...by });
    for (const id of [comparison, stage.gid]) {
      const report = await failureOf(id);
      assert.deepEqual(
        [report.state, report.undone, report.notUndone.map(({ step, type }) => [step, type])],
        ['failed', ['bank_b'], [['bank_a', 'Skipped']]],
        id,
      );
    }
  });

  it('that is split takes no server that cannot be reached for a desk at which somebody decides', async () => {
    const stage = await world.stage({ who: 'a test', when: '' });
    const connection = Connection.lazy({ address: '127.0.0.1:9', interceptors: retries });
    const away = new Client({ connection });
    const { [FIND_COMPARISON]: find } = threePhaseActivities({
      addressOf: (bank) => ({
        client: bank === parties.A ? away : world.client,
        taskQueue: world.queueOf('coordinator'),
      }),
    });
    const asked = { gid: stage.gid, participants: Object.values(parties) };
    const failure: unknown = await world
      .activity(3_000)
      .run(find, asked)
      .catch((error: unknown) => error);
    await connection.close();
    assert.ok(failure instanceof Error && !(failure instanceof ApplicationFailure), String(failure));
    const nearby = { ...asked, participants: [parties.B] };
    assert.equal(await world.activity(3_000).run(find, nearby), undefined);
  });

  describe('whose agent was ended from outside', () => {
    const scanUntil = async (stage: Stage, party: Party) => {
      const { runId: first } = await agentOf(stage, party).describe();
      for (;;) {
        await scanNow(world.client, { taskQueue: world.queueOf('coordinator') });
        if ((await agentOf(stage, party).describe()).runId !== first) return;
        await setTimeout(200);
      }
    };
    const terminate = (party: Party) => (of: Stage) => agentOf(of, party).terminate('pulled the plug');

    it('commits what it had prepared, once the scan has settled it', async () => {
      const stage = await run({ at: { 'before doCommit A': terminate('A') } });
      await stage.until('before doCommit B');
      await scanUntil(stage, 'A');
      assert.equal(await stage.outcome(), 'committed');
      assert.ok((await stage.moved('A')) && (await stage.moved('B')));
    });

    it('aborts where nothing was prepared, and bars it', async () => {
      const stage = await run({ at: { 'before preCommit B': terminate('B') } });
      await stage.until('before abort B');
      await scanUntil(stage, 'B');
      assert.equal(await stage.outcome(), 'aborted');
      const [row] = await world.sql<{ outcome: string }>(
        'B',
        'select outcome from backstitch.guard where gid = $1 and phase = 1',
        [stage.gid],
      );
      assert.equal(row?.outcome, 'barred');
    });
  });

  it('looks at an account without waiting for who has it locked', async () => {
    const stage = await world.stage({ who: 'a test', when: '' });
    const call = stage.call('A', 'canCommit');
    const { move } = world.bank('A');
    const other = { branch: 'other', gid: `${stage.gid}-other` };
    await move.prepare({ ...stage.call('A', 'prepare'), ...other }, stage.moves('A', 9_000));
    await move.canCommit(call, stage.moves('A', 10_000));
    await assert.rejects(move.canCommit(call, stage.moves('A', 10_001)), { type: 'InsufficientFunds' });
    const unknown = { from: [], to: [{ leg: 'to-1', account: 'nobody', amount: 1 }] };
    await assert.rejects(move.canCommit(call, unknown), { type: 'UnknownAccount' });
    await move.rollback({ ...stage.call('A', 'rollback'), ...other }, stage.moves('A', 9_000), 'yes');
    await stage.closeAccount('A');
    await assert.rejects(move.canCommit(call, stage.moves('A')), { type: 'AccountClosed' });
  });
});
