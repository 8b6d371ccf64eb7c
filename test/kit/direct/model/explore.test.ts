import assert from 'node:assert/strict';
import { explore, type Model, type Move } from './explore.js';

/** A model of numbers: where one leads to, for certain or only perhaps. */
function numbers(
  certain: Readonly<Record<number, readonly number[]>>,
  perhaps: Readonly<Record<number, readonly number[]>> = {},
  isBroken: (state: number, atRest: boolean) => boolean = () => false,
): Model<number> {
  const toMove =
    (isCertain: boolean) =>
    (to: number): Move<number> => ({ name: `to ${to}`, certain: isCertain, to });
  return {
    initial: 0,
    key: String,
    moves: (state) => [...(certain[state] ?? []).map(toMove(true)), ...(perhaps[state] ?? []).map(toMove(false))],
    broken: (state, atRest) => (isBroken(state, atRest) ? `${state} is broken` : undefined),
    kind: (state) => (state < 10 ? 'small' : 'large'),
  };
}

describe('an exploration', () => {
  it('visits each state once, by whatever way it can be come to', () => {
    const explored = explore(numbers({ 0: [1, 2], 1: [3], 2: [3] }, { 3: [0, 11] }));
    assert.deepEqual(explored, {
      states: 5,
      moves: 6,
      atRest: new Map([
        ['small', 1],
        ['large', 1],
      ]),
    });
  });

  it('tells a shortest way to what is broken', () => {
    const explored = explore(numbers({ 0: [1, 4], 1: [2], 2: [3], 4: [3] }, {}, (state) => state === 3));
    assert.deepEqual(explored.violation, { broken: '3 is broken', trace: ['to 4', 'to 3'] });
  });

  it('knows a state at rest by nothing being certain to happen', () => {
    const explored = explore(numbers({ 0: [1] }, { 1: [2], 2: [1] }, (_, atRest) => atRest));
    assert.deepEqual(explored.violation, { broken: '1 is broken', trace: ['to 1'] });
  });

  it('finds what may go on for ever, unless it is only perhaps that it goes on', () => {
    const ring = { 0: [1], 1: [2], 2: [1] };
    assert.equal(explore(numbers(ring)).violation?.broken, 'it may go on for ever');
    assert.equal(explore(numbers({ 0: [1], 1: [2] }, { 2: [1] })).violation, undefined);
  });
});
