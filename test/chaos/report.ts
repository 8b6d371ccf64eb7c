import type { Books } from '../../src/contracts/shop.js';
import { describeBooks } from '../../src/client/words.js';
import type { FoundState } from '../../src/kit/client/index.js';
import type { BusinessName, Wanted } from './business/index.js';
import type { Answer } from './customers.js';
import type { EndedByItself } from './crew.js';
import type { Fault, LaneChoice } from './faults.js';
import type { FaultRecord } from './inject.js';

/** What a run says of itself: `--json` prints it as it is. */
export interface RunReport {
  readonly seed: number;
  /** What was asked for. */
  readonly business: BusinessName;
  readonly transactions: number;
  readonly lane: LaneChoice;
  readonly passed: boolean;
  /** A line for each thing that is wrong. */
  readonly problems: readonly string[];
  /** The schedule, a pure function of the seed and the number of transactions. */
  readonly plan: readonly Fault[];
  /** What was done of it, in the order in which it was. */
  readonly faults: readonly FaultRecord[];
  /** Moments in the midst of the run at which everything was looked at. */
  readonly cuts: number;
  /** What the customers were told. */
  readonly told: Readonly<Record<Answer['told'] | 'nothing', number>>;
  /** Why they were undone. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Calls that a customer made again, as there was no definite answer. */
  readonly askedAgain: number;
  /** Transactions by the state that they ended in. */
  readonly states: Readonly<Record<string, number>>;
  /** The same of each kind of transaction. */
  readonly byTransaction: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly books?: Books;
  /** Workers and callers that ended though nobody had killed them; each was replaced. */
  readonly endedByThemselves: readonly EndedByItself[];
  /** The first transactions that have not come to their end. */
  readonly shown: readonly string[];
  /** The folder that keeps data and logs of a run that failed. */
  readonly state: string;
  readonly seconds: number;
}

/** Counts what the customers were told, and how the transactions ended. */
export function tally(
  answers: ReadonlyMap<string, Answer>,
  states: ReadonlyMap<string, FoundState | 'none'>,
  wanted: readonly Pick<Wanted, 'gid' | 'transaction'>[],
): Pick<RunReport, 'told' | 'reasons' | 'askedAgain' | 'states' | 'byTransaction'> {
  const told = { done: 0, undone: 0, stuck: 0, error: 0, nothing: states.size - answers.size };
  for (const answer of answers.values()) told[answer.told] += 1;
  const all = [...answers.values()];
  const names = [...new Set(wanted.map(({ transaction }) => transaction))].sort();
  const statesOf = (name: string) =>
    wanted.flatMap(({ gid, transaction }) => (transaction === name ? [states.get(gid) ?? 'not asked for'] : []));
  return {
    told,
    reasons: countOf(all.flatMap(({ told: how, reason }) => (how === 'undone' ? [reason ?? 'unknown'] : []))),
    askedAgain: all.reduce((sum, answer) => sum + answer.askedAgain, 0),
    states: countOf([...states.values()]),
    byTransaction: Object.fromEntries(names.map((name) => [name, countOf(statesOf(name))])),
  };
}

function countOf(values: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

/** Characters of a process's last line that are printed. */
const MAX_WHY = 150;

/** The report for people. */
export function describeRun(report: RunReport): string {
  const { seed, business, transactions, lane, seconds, told, reasons, askedAgain, states, latencyMs, books } = report;
  const kinds = Object.entries(report.byTransaction);
  const lines = [
    `chaos: seed ${seed}, ${transactions} ${business}, lane ${lane}, ${seconds} s`,
    '',
    faultTable(report),
    '',
    `customers   ${list(told)}; asked again ${askedAgain} times`,
    `undone for  ${list(reasons) || 'nothing'}`,
    `ended as    ${list(states)}`,
    ...(kinds.length > 1 ? kinds.map(([name, counts]) => `            ${name}: ${list(counts)}`) : []),
    `looked at   everything at one moment, ${report.cuts} times`,
    `latency     p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms, max ${latencyMs.max} ms`,
    '',
    ...(books === undefined ? [] : [describeBooks(books), '']),
  ];
  for (const { process, how, last } of report.endedByThemselves) {
    const why = last.split('\n').at(-1) ?? '';
    lines.push(`${process} ended by itself (${how}) and was replaced: ${why.slice(0, MAX_WHY)}`);
  }
  lines.push(...report.shown.flatMap((shown) => [shown, '']), verdictLine(report));
  if (!report.passed) lines.push(...report.problems.map((problem) => `  ${problem}`), `  evidence: ${report.state}`);
  return lines.join('\n');
}

/** The verdict in one line. */
export function verdictLine({ seed, passed, problems, business, transactions, lane }: RunReport): string {
  const repeat = `--seed ${seed} --${business} ${transactions} --lane ${lane}`;
  return passed
    ? `PASSED: nothing lost, nothing done twice (${repeat})`
    : `FAILED: ${problems.length} problems; the same faults again: ${repeat}`;
}

function faultTable({ plan, faults }: RunReport): string {
  const header = ['#', 'fault', 'target', 'lasts ms', 'due at', 'began at', 'began s', 'over s', 'by'];
  const seconds = (ms: number | undefined) => (ms === undefined ? '–' : (ms / 1000).toFixed(1));
  const rows = plan.map((planned, index) => {
    const { kind, target, ms, afterEnded } = planned;
    const done = faults.find(({ fault }) => fault === planned);
    return [
      ...[index + 1, kind, target, ms, afterEnded],
      ...(done ? [done.ended, seconds(done.beganMs), seconds(done.overMs), done.by] : ['–', '–', '–', 'not done']),
    ].map(String);
  });
  const widths = header.map((title, column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? title).length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(line).join('\n');
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
