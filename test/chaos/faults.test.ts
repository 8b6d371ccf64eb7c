import assert from 'node:assert/strict';
import { faultKinds, isProcess, lanes, planCalls, planFaults } from './faults.js';

const FIRST_OF_SEED_1 = [
  { kind: 'cut-answers', target: 'callers-temporal', ms: 0, afterEnded: 14, orAfterMs: 4_118 },
  { kind: 'kill', target: 'worker-1', ms: 0, afterEnded: 29, orAfterMs: 6_606 },
];

describe('the schedule of a chaos run', () => {
  const all = Array.from({ length: 500 }, () => lanes);
  const named = (seed: number, orders: number) =>
    planFaults(seed, orders).map(({ kind, target }) => `${kind} ${target}`);

  it('is a pure function of the seed and the number of transactions', () => {
    assert.deepEqual(planFaults(7, 500), planFaults(7, 500));
    assert.deepEqual(planCalls(7, all, 'mixed'), planCalls(7, all, 'mixed'));
    assert.notDeepEqual(planFaults(7, 500), planFaults(8, 500));
    assert.notDeepEqual(planCalls(7, all, 'mixed'), planCalls(8, all, 'mixed'));
  });

  it('is the same on every machine and in every version of this program', () => {
    const [first, second] = planFaults(1, 500);
    assert.deepEqual([first, second], FIRST_OF_SEED_1);
  });

  it('has every kind of fault, however few orders there are, and every target of each in a long run', () => {
    for (let seed = 0; seed < 200; seed++) {
      for (const orders of [1, 60, 500]) {
        const plan = named(seed, orders);
        for (const kind of faultKinds)
          assert.ok(
            kind.some((each) => plan.includes(each)),
            kind.join(' or '),
          );
      }
      const plan = named(seed, 500);
      for (const each of faultKinds.flat()) assert.ok(plan.includes(each), each);
    }
  });

  it('spreads the faults over the orders, in order, each before the last order, none for longer than 8 s', () => {
    for (let seed = 0; seed < 200; seed++) {
      const plan = planFaults(seed, 500);
      assert.equal(plan.length, 31);
      let last = 0;
      for (const { kind, target, ms, afterEnded, orAfterMs } of plan) {
        assert.ok(afterEnded > last && afterEnded < 475, String(afterEnded));
        last = afterEnded;
        assert.ok(ms >= 0 && ms <= 8_000 && orAfterMs <= 7_000);
        if (kind === 'freeze') assert.ok(ms > 5_000, 'longer than a worker may be silent');
        if (kind === 'kill' && isProcess(target)) assert.equal(ms, 0);
      }
    }
  });

  it('gives every transaction a lane, retries and a deadline; one lane alone if that is asked', () => {
    const mixed = planCalls(3, all, 'mixed');
    for (const lane of lanes) {
      assert.ok(mixed.filter((call) => call.lane === lane).length > 90);
      assert.ok(planCalls(3, all, lane).every((call) => call.lane === lane && (call.rival ?? lane) === lane));
    }
  });

  it('gives a transaction only lanes that it has, whichever is chosen', () => {
    const durable = planCalls(3, [['durable', 'lean'], ['durable']], 'direct');
    assert.ok(durable.every(({ lane, rival }) => lane !== 'direct' && rival !== 'direct'));
    assert.equal(durable[1]?.lane, 'durable');
  });

  it('has some asked for twice, in every two lanes', () => {
    const mixed = planCalls(3, all, 'mixed');
    for (const lane of lanes) {
      for (const rival of lanes) assert.ok(mixed.some((call) => call.lane === lane && call.rival === rival));
    }
    assert.ok(mixed.filter(({ rival }) => rival === undefined).length > 300);
  });
});
