import assert from 'node:assert/strict';
import { distinctPoints, keyOf, ordersOf, pointsOf, sagasOf, usual } from '../../../bench/growth/plan.js';
import { NOTHING, stepsOf } from '../../../bench/growth/saga.js';

describe('the plan of growth', () => {
  it('grows one thing at a time', () => {
    assert.deepEqual(pointsOf('steps').map(keyOf), ['1-50-10', '3-50-10', '10-50-10', '30-50-10']);
    assert.deepEqual(pointsOf('clients').map(keyOf), ['3-1-10', '3-50-10', '3-500-10']);
    assert.deepEqual(pointsOf('undone').map(keyOf), ['3-50-0', '3-50-10', '3-50-50']);
  });

  it('measures a point once where axes meet', () => {
    const keys = distinctPoints(['steps', 'clients', 'undone']).map(keyOf);
    assert.equal(keys.length, 8);
    assert.equal(new Set(keys).size, 8);
    assert.deepEqual(distinctPoints(['undone']), pointsOf('undone'));
  });

  it('runs fewer sagas the longer they are, and enough to keep every client at work', () => {
    assert.equal(sagasOf(usual, 600), 600);
    assert.equal(sagasOf({ ...usual, steps: 1 }, 600), 1_200);
    assert.equal(sagasOf({ ...usual, steps: 30 }, 600), 150);
    assert.equal(sagasOf({ ...usual, clients: 1 }, 600), 120);
    assert.equal(sagasOf({ ...usual, clients: 500 }, 600), 1_500);
  });

  for (const share of [0, 10, 50]) {
    it(`has ${share} % undone, evenly spread, each saga with a gid of its own`, () => {
      const orders = ordersOf('t', { ...usual, undone: share }, 200);
      assert.equal(orders.filter(({ undone }) => undone).length, share * 2);
      assert.equal(orders.slice(0, 100).filter(({ undone }) => undone).length, share);
      assert.equal(new Set(orders.map(({ saga }) => saga)).size, 200);
    });
  }

  it('spreads the steps over three databases, and refuses the last one of a saga that is undone', () => {
    const [order] = ordersOf('t', { ...usual, steps: 4 }, 1);
    assert.ok(order);
    assert.deepEqual(
      stepsOf(order).map(({ service, take }) => [service, take.step, take.account]),
      [
        ['orders', 'step-1', 'account-0'],
        ['payments', 'step-2', 'account-0'],
        ['inventory', 'step-3', 'account-0'],
        ['orders', 'step-4', 'account-0'],
      ],
    );
    assert.deepEqual(
      stepsOf({ ...order, undone: true }).map(({ take }) => take.account),
      ['account-0', 'account-0', 'account-0', NOTHING],
    );
  });
});
