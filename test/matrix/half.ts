import type { MatrixCase } from '../../src/kit/testing/index.js';

/** Whether all cases are run: `MATRIX_EVERY=1`. */
export const EVERY = process.env.MATRIX_EVERY === '1';

/** Which half of the single faults is run today: both in two days. `MATRIX_HALF=0` or `1` asks for one of them. */
export function halfOfToday(): 0 | 1 {
  const day = Math.floor(Date.now() / 86_400_000);
  return Number(process.env.MATRIX_HALF ?? day) % 2 === 0 ? 0 : 1;
}

/**
 * Half of the single faults, like one colour of a chessboard: every operation with each second kind of fault, and every kind at each
 * second operation; the other half has the rest. Of other cases all.
 */
export function halfOf(half: 0 | 1): (matrixCase: MatrixCase) => boolean {
  const operations: string[] = [];
  const kinds: string[] = [];
  return ({ faults: [fault, ...others] }) => {
    if (fault === undefined || others.length > 0) return true;
    const row = placeIn(operations, `${fault.step} ${fault.operation}`);
    return (row + placeIn(kinds, fault.kind)) % 2 === half;
  };
}

function placeIn(known: string[], name: string): number {
  return known.includes(name) ? known.indexOf(name) : known.push(name) - 1;
}
