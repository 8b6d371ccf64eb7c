import type { Finding, PairReport, ReconcileReport } from '../../kit/client/index.js';
import { table } from '../words.js';

/** A reconciliation as text: a table of the pairs, then what does not agree. */

/** Findings that are shown; all are in the JSON. */
const SHOWN = 50;

export const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** What became of a finding, for people. */
export const stateWords: Readonly<Record<Finding['state'], string>> = {
  told: 'nothing was done',
  repairable: 'can be repaired',
  repaired: 'repaired',
  'not-repaired': 'NOT repaired',
  'at-desk': 'waits at the desk',
  left: 'left as it is by a person',
};

/** All pairs together. */
export function totalsOf({ pairs }: ReconcileReport) {
  const total = (of: (pair: PairReport) => number) => pairs.reduce((sum, pair) => sum + of(pair), 0);
  return {
    rows: total(({ rows: [one, other] }) => one + other),
    candidates: total(({ candidates }) => candidates),
    agreed: total(({ agreed }) => agreed),
    inFlight: total(({ inFlight }) => inFlight),
    drift: total(({ drift }) => sumOf(drift)),
    repaired: total(({ repaired }) => repaired),
    tookMs: total(({ tookMs }) => tookMs),
  };
}

export function describeReconciliation(report: ReconcileReport): string {
  const { pairs, findings, isClean, opened } = report;
  const { drift, inFlight, repaired } = totalsOf(report);
  const rows = pairs.map(({ pair, rows: [one, other], candidates, agreed, inFlight, drift, repaired, tookMs }) => [
    pair,
    `${one} / ${other}`,
    String(candidates),
    String(agreed),
    String(inFlight),
    String(sumOf(drift)),
    String(repaired),
    `${tookMs} ms`,
  ]);
  const heads = ['pair', 'rows', 'differed', 'agreed then', 'in flight', 'drift', 'repaired', 'took'];
  const lines = [table(heads, rows)];
  for (const { pair, failure } of pairs)
    if (failure !== undefined) lines.push(`${pair} could NOT be compared: ${failure}`);
  for (const { class: name, key, detail, state, note } of findings.slice(0, SHOWN)) {
    const more = note === undefined ? '' : `: ${note}`;
    lines.push(`${name}  ${key}  ${detail} (${stateWords[state]}${more})`);
  }
  if (drift > SHOWN) lines.push(`… ${drift} in all: --json and --html name the first ${findings.length}`);
  if (opened > 0) lines.push(`${opened} cases were opened: see desk list`);
  const flying = inFlight === 0 ? '' : `; ${inFlight} are in flight, and will be looked at by the next run`;
  const then = repaired === 0 ? '' : `, ${repaired} repaired`;
  lines.push(isClean && drift === 0 ? `all agree${flying}` : `${drift} do not agree${then}${flying}`);
  return lines.join('\n');
}
