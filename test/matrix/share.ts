import type { MatrixCase } from '../../src/kit/testing/index.js';

/** Whether all cases are run: `MATRIX_EVERY=1`. */
export const EVERY = process.env.MATRIX_EVERY === '1';

/** Only the cases with this in their names are run, in whichever share they are: `MATRIX_ONLY=…` */
export const ONLY = process.env.MATRIX_ONLY ?? '';

/** In so many days every single fault is run. */
export const SHARES = 3;

/** Which share of the single faults is run today. `MATRIX_SHARE=0`, `1` or `2` asks for one of them. */
export function shareOfToday(): number {
  const day = Math.floor(Date.now() / 86_400_000);
  return Number(process.env.MATRIX_SHARE ?? day) % SHARES;
}

/**
 * A third of the single faults, as diagonals of a chessboard: every operation with each third kind of fault, and every kind at each third
 * operation; the other shares have the rest. Of other cases all.
 */
export function isInShare(share: number): (matrixCase: MatrixCase) => boolean {
  if (ONLY !== '') return () => true;
  const operations: string[] = [];
  const kinds: string[] = [];
  return ({ faults: [fault, ...others] }) => {
    if (fault === undefined || others.length > 0) return true;
    const row = placeIn(operations, `${fault.step} ${fault.operation}`);
    return (row + placeIn(kinds, fault.kind)) % SHARES === share % SHARES;
  };
}

/** How many single faults a share has at least, of so many: not every kind of fault is there for every operation. */
export function leastOf(all: number): number {
  return ONLY === '' ? Math.floor(all / (SHARES + 1)) : 1;
}

function placeIn(known: string[], name: string): number {
  return known.includes(name) ? known.indexOf(name) : known.push(name) - 1;
}
