import assert from 'node:assert/strict';
import type { MatrixCase, MatrixReport, MatrixResult } from '../../src/kit/testing/index.js';

/** The cases that are wrong, each with its reasons and how it ended: what somebody who reads only a failed assertion has to know. */
export function wrongCases(
  { results }: Pick<MatrixReport, 'results'>,
  which: (matrixCase: MatrixCase) => boolean = () => true,
): string[] {
  return results.filter((result) => result.verdict === 'wrong' && which(result.case)).map(told);
}

/** Of single faults, or of pairs. */
export function ofFaults(count: 1 | 2): (matrixCase: MatrixCase) => boolean {
  return ({ faults }) => faults.length === count;
}

/** @throws AssertionError that tells of each wrong case why it is wrong */
export function assertNoneWrong(
  report: Pick<MatrixReport, 'results'>,
  which?: (matrixCase: MatrixCase) => boolean,
): void {
  assert.deepEqual(wrongCases(report, which), []);
}

function told({ case: { name }, gid, state, reasons, missed, strayed }: MatrixResult): string {
  const beside = [
    ...missed.map((fault) => `never struck: ${fault}`),
    ...strayed.map((fault) => `struck another driver: ${fault}`),
  ];
  return `${name} (${[gid, state, ...beside].join('; ')}): ${reasons.join('; ')}`;
}
