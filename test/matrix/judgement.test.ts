import assert from 'node:assert/strict';
import type { MatrixCase, MatrixSteps } from '../../src/kit/testing/index.js';
import type { TransactionDriver } from '../../src/kit/testing/driver.js';
import type { FaultKind } from '../../src/kit/testing/faults.js';
import { Flight } from '../../src/kit/testing/flight.js';
import { Gathering } from '../../src/kit/testing/gathering.js';
import { threePhaseLane } from '../../src/kit/testing/lanes.js';
import { judgeNeighbours } from '../../src/kit/testing/neighbours.js';
import type { Outside } from '../../src/kit/testing/outside.js';
import { judge } from '../../src/kit/testing/result.js';
import type { MatrixProcess } from '../../src/kit/testing/workers.js';
import type { DecidedBy } from '../../src/kit/workflow/three-phase/protocol.js';
import { isByTimer, splitOf } from '../../src/kit/workflow/three-phase/split.js';

describe('the judgement of a crash matrix', () => {
  const of = (state: 'committed' | 'compensated' | 'failed', pay: number, ship: number) =>
    judge({ pay: 'step', ship: 'pivot' }, { state, message: 'a word', effects: { pay, ship } });

  it('is content when all happened and it is committed, or nothing and it is compensated', () => {
    assert.deepEqual(of('committed', 1, 1), []);
    assert.deepEqual(of('compensated', 0, 0), []);
  });

  it('is content with a split only where the desk and the report name those who committed, and no others', () => {
    const split = (desk: string[], report: string[], state: 'failed' | 'compensated' = 'failed') =>
      judge({ a: 'canCommit', b: 'canCommit' }, { state, effects: { a: 1, b: 0 }, split: { desk, report } });
    assert.deepEqual(split(['a'], ['a']), []);
    assert.deepEqual(split(['a'], ['b']), ['it is failed, and its report says that b happened: a did']);
    assert.equal(split(['a', 'b'], ['a']).length, 1);
    assert.equal(split(['a'], ['a'], 'compensated').length, 2);
    const none = { a: 1, b: 1 };
    const judged = judge(
      { a: 'canCommit', b: 'canCommit' },
      { state: 'failed', effects: none, split: { desk: ['a', 'b'], report: ['a', 'b'] } },
    );
    assert.equal(judged.length, 2, 'nobody differs');
  });

  it('names what is half done, done twice, undone twice, not known, or not as the transaction says', () => {
    assert.deepEqual(of('compensated', 1, 0), ['it is compensated, and half done: pay happened; ship did not']);
    assert.deepEqual(of('committed', 2, 1), ['pay: its net effect is 2']);
    assert.deepEqual(of('compensated', -1, 0), ['pay: its net effect is -1']);
    assert.deepEqual(of('committed', Number.NaN, 1), ['pay: its net effect is NaN']);
    assert.deepEqual(of('committed', 0, 0), ['it says committed, and the databases say compensated']);
    assert.deepEqual(of('failed', 1, 1), ['it failed: a word']);
    assert.deepEqual(judge({ pay: 'step' }, { state: 'committed', effects: {} }), [
      'pay: effects() does not tell of it',
    ]);
  });
});

describe('a split in a crash matrix', () => {
  const steps: MatrixSteps = { c: 'canCommit', a: 'canCommit', b: 'canCommit' };
  const outside = { terminate: () => Promise.resolve() } as unknown as Outside;
  /** Whether it may be, before and after its fault has struck. */
  const allowed = async (step: string, operation: 'prepare' | 'commit' | 'rollback', kind: FaultKind) => {
    const struck: MatrixCase = { name: 'one', faults: [{ step, operation, kind }], triggers: [] };
    const flight = new Flight('gid-1', { case: struck, steps, lane: threePhaseLane, probed: () => true, outside });
    const before = flight.maySplit;
    const reached = { gid: 'gid-1', branch: step, op: operation, attempt: 1, driver: 'a run', flight: 1 } as const;
    const by = {} as MatrixProcess;
    flight.end();
    for (const point of ['before', 'working', 'worked', 'after'] as const)
      await flight.reached({ ...reached, point }, by);
    return [before, flight.maySplit];
  };

  it('may be where the coordinator has ended before all were prepared, or all had aborted, and not before that', async () => {
    for (const kind of ['terminated-before', 'terminated-after'] as const) {
      for (const step of ['a', 'b'])
        assert.deepEqual(await allowed(step, 'prepare', kind), [false, true], `${step} ${kind}`);
      assert.deepEqual(await allowed('c', 'rollback', kind), [false, true]);
    }
    assert.deepEqual(await allowed('c', 'prepare', 'terminated-before'), [false, true]);
  });

  it('may not be once all are prepared, nor by anything else', async () => {
    assert.deepEqual(await allowed('c', 'prepare', 'terminated-after'), [false, false]);
    assert.deepEqual(await allowed('a', 'commit', 'terminated-before'), [false, false]);
    assert.deepEqual(await allowed('a', 'prepare', 'dies-after'), [false, false]);
  });

  it('is of a slow machine only where somebody decided by itself', () => {
    const of = (by: DecidedBy) =>
      isByTimer(
        splitOf([
          { branch: 'a', status: { state: 'committed', by } },
          { branch: 'b', status: { state: 'aborted', by: 'participant' } },
        ]),
      );
    assert.deepEqual([of('timer'), of('coordinator'), of('person')], [true, false, false]);
  });
});

describe('the neighbours of a transaction in a group', () => {
  const steps: MatrixSteps = { pay: 'step', ship: 'pivot' };
  const judged = (
    state: 'committed' | 'compensated',
    kind: FaultKind,
    effect: number,
    disagreements: string[] = [],
    message = 'a word',
  ) => {
    const driver = {
      ended: () => Promise.resolve({ state, message }),
      disagreements: () => Promise.resolve([...disagreements]),
    } as unknown as TransactionDriver;
    const effects = () => Promise.resolve({ pay: effect, ship: effect });
    const faults = [{ step: 'pay', operation: 'action', kind }] as const;
    return judgeNeighbours({ gids: ['gid-1'], faults, driver, options: { steps, effects }, limitMs: 1_000 });
  };

  it('have to be committed, whatever befalls it', async () => {
    assert.deepEqual(await judged('committed', 'fails', 1), { wrong: [], hasty: [] });
    const wrong = ['its neighbour gid-1: it is compensated: a word'];
    assert.deepEqual(await judged('compensated', 'fails', 0), { wrong, hasty: [] });
  });

  it('are tried again when an attempt of theirs has timed out by itself; by half they may never be', async () => {
    const message = 'pay: Timeout: no answer in time (HEARTBEAT)';
    const hasty = [`its neighbour gid-1: it is compensated: ${message}`];
    assert.deepEqual(await judged('compensated', 'killed-before', 0, [], message), { wrong: [], hasty });
    const half = await judged('compensated', 'killed-before', 1, [], message);
    assert.deepEqual(half.wrong, ['its neighbour gid-1: it says compensated, and the databases say committed']);
  });

  it('may be undone when their whole group was ended, or their deadline has passed, and never by half', async () => {
    assert.deepEqual(await judged('compensated', 'terminated-before', 0), { wrong: [], hasty: [] });
    assert.deepEqual(await judged('compensated', 'deadline-after', 0), { wrong: [], hasty: [] });
    const { wrong } = await judged('compensated', 'terminated-before', 1);
    assert.deepEqual(wrong, ['its neighbour gid-1: it says compensated, and the databases say committed']);
  });

  it('have to be what their callers were told', async () => {
    const { wrong } = await judged('committed', 'fails', 1, ['a line']);
    assert.deepEqual(wrong, ['its neighbour gid-1: a line']);
  });
});

describe('a kill of a crash matrix', () => {
  const worker = {} as MatrixProcess;
  const gathering = () => {
    const kills: MatrixProcess[] = [];
    return { kills, of: new Gathering((by) => Promise.resolve(void kills.push(by)), 2_500) };
  };

  it('waits for every transaction that is to be struck by it', async () => {
    const { kills, of } = gathering();
    for (const gid of ['a', 'b']) of.expect(gid);
    const first = of.arrive('a', worker);
    assert.equal(kills.length, 0);
    await Promise.all([of.arrive('b', worker), first]);
    assert.ok(kills.every((by) => by === worker));
  });

  it('waits no longer for one that has ended', async () => {
    const { of } = gathering();
    for (const gid of ['a', 'b']) of.expect(gid);
    const first = of.arrive('a', worker);
    of.forget('b');
    await first;
  });
});
