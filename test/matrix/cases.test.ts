import assert from 'node:assert/strict';
import { faultKinds, matrixCases, type MatrixSteps } from '../../src/kit/testing/index.js';
import { schemeOf } from '../../src/kit/testing/cases.js';
import { isInShare, SHARES } from './share.js';

const placeOrder: MatrixSteps = {
  'create-order': 'step',
  pay: 'step',
  'reserve-stock': 'step',
  ship: 'pivot',
  'complete-order': 'forward',
  notify: 'forward',
};
const names = (steps: MatrixSteps, options = {}) => matrixCases(steps, options).map(({ name }) => name);

describe('the cases of a crash matrix', () => {
  it('are every operation of every step with every kind of fault', () => {
    const cases = names(placeOrder);
    // Three steps with an undo, and three operations that only go forward.
    assert.equal(cases.length, (3 * 2 + 3) * faultKinds.length);
    assert.equal(new Set(cases).size, cases.length);
    for (const name of [
      'pay action: late',
      'pay compensation: refused',
      'ship pivot: hangs',
      'notify forward: fails',
    ]) {
      assert.ok(cases.includes(name), name);
    }
    assert.ok(!cases.some((name) => name.startsWith('ship compensation')));
  });

  it('ask for an undo by refusing the latest step that can be: the pivot', () => {
    const [undo] = matrixCases(placeOrder).filter(({ name }) => name === 'pay compensation: hangs');
    assert.deepEqual(undo?.triggers, [{ step: 'ship', operation: 'pivot', kind: 'refused', trigger: true }]);
    const [action] = matrixCases(placeOrder).filter(({ name }) => name === 'pay action: hangs');
    assert.deepEqual(action?.triggers, []);
  });

  it('ask for the undo of the last step by letting none of its replies come', () => {
    const steps: MatrixSteps = { a: 'step', b: 'amends' };
    const triggers = matrixCases(steps, { kinds: ['hangs'] }).map(({ triggers: [trigger] }) => trigger);
    assert.deepEqual(
      triggers.map((trigger) => trigger && `${trigger.step} ${trigger.operation}: ${trigger.kind}`),
      [undefined, 'b action: refused', undefined, 'b action: unheard'],
    );
  });

  it('refuse nothing where no guard could store it', () => {
    const steps: MatrixSteps = { a: 'step', b: 'step', turn: 'pivot' };
    const cases = matrixCases(steps, { probed: (step) => step === 'b' });
    assert.deepEqual(
      cases.filter(({ name }) => name.endsWith('refused')).map(({ name }) => name),
      ['b action: refused', 'b compensation: refused'],
    );
    const undo = cases.find(({ name }) => name === 'a compensation: hangs');
    assert.deepEqual(undo?.triggers, [{ step: 'b', operation: 'action', kind: 'refused', trigger: true }]);
  });

  it('of a three-phase commit bring an undo about by a bank that refuses to prepare, and it has no other faults than its own', () => {
    const steps: MatrixSteps = { a: 'canCommit', b: 'canCommit' };
    const cases = matrixCases(steps, { kinds: ['hangs'] });
    assert.deepEqual(
      cases.map(({ name, triggers: [trigger] }) => [
        name,
        trigger && `${trigger.step} ${trigger.operation} ${trigger.kind}`,
      ]),
      [
        ['a canCommit: hangs', undefined],
        ['a prepare: hangs', undefined],
        ['a commit: hangs', undefined],
        ['a rollback: hangs', 'b prepare refused'],
        ['b canCommit: hangs', undefined],
        ['b prepare: hangs', undefined],
        ['b commit: hangs', undefined],
        ['b rollback: hangs', 'b prepare unheard'],
      ],
    );
    assert.equal(schemeOf(steps), '3pc');
  });

  it('have pairs of different operations, each pair once, the same for the same seed', () => {
    const pairs = (seed: number) => names(placeOrder, { pairs: 300, seed }).slice(names(placeOrder).length);
    const first = pairs(1);
    assert.equal(first.length, 300);
    assert.equal(new Set(first).size, 300);
    assert.deepEqual(first, pairs(1));
    assert.notDeepEqual(first, pairs(2));
    for (const { faults, triggers } of matrixCases(placeOrder, { pairs: 300 })) {
      const struck = [...faults, ...triggers].map(({ step, operation }) => `${step} ${operation}`);
      assert.equal(new Set(struck).size, struck.length, 'no operation is struck by two faults');
    }
  });

  it('may be run by shares: each has every operation and every kind of fault, and all together are all', () => {
    const all = matrixCases(placeOrder, { pairs: 5 });
    const shares = Array.from({ length: SHARES }, (_, share) => all.filter(isInShare(share)));
    for (const share of shares) {
      const singles = share.flatMap(({ faults }) => (faults.length === 1 ? faults : []));
      assert.equal(share.length - singles.length, 5, 'pairs are in each');
      assert.ok(Math.abs(singles.length - (all.length - 5) / SHARES) <= 3, `${singles.length} of ${all.length}`);
      assert.equal(new Set(singles.map(({ step, operation }) => `${step} ${operation}`)).size, 9);
      assert.equal(new Set(singles.map(({ kind }) => kind)).size, faultKinds.length);
    }
    assert.deepEqual(new Set(shares.flat()), new Set(all));
    assert.equal(shares.flat().length, all.length + 5 * (SHARES - 1));
  });
});
