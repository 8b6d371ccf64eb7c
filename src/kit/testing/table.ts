import { SPLIT } from '../workflow/three-phase/split.js';
import { matrixRows } from './cases.js';
import type { FaultKind } from './faults.js';
import { rowName, type MatrixReport, type MatrixResult } from './result.js';

/** What a column is called, in two lines. */
const headings: Readonly<Record<FaultKind, readonly [string, string]>> = {
  'dies-before': ['dies', 'before'],
  'dies-after': ['dies', 'after'],
  'no-reply': ['no', 'reply'],
  unheard: ['never', 'heard'],
  hangs: ['hangs', ''],
  late: ['late', ''],
  refused: ['refused', ''],
  'fails-twice': ['fails', 'twice'],
  fails: ['fails', ''],
  'cancelled-before': ['cancel', 'before'],
  'cancelled-after': ['cancel', 'after'],
  'deadline-before': ['deadline', 'before'],
  'deadline-after': ['deadline', 'after'],
  'killed-before': ['killed', 'before'],
  'killed-after': ['killed', 'after'],
  'terminated-before': ['ended', 'before'],
  'terminated-after': ['ended', 'after'],
  'taken-over-before': ['taken', 'before'],
  'taken-over-after': ['taken', 'after'],
  'raced-before': ['raced', 'before'],
  'raced-after': ['raced', 'after'],
  'rival-before': ['rival', 'before'],
  'rival-after': ['rival', 'after'],
  'rival-direct-before': ['direct', 'before'],
  'rival-direct-after': ['direct', 'after'],
  'rival-group-before': ['group', 'before'],
  'rival-group-after': ['group', 'after'],
  'rival-undone-before': ['undone', 'before'],
  'rival-undone-after': ['undone', 'after'],
  'caller-killed-before': ['caller', 'before'],
  'caller-killed-after': ['caller', 'after'],
  'agent-ended-before': ['agent', 'before'],
  'agent-ended-after': ['agent', 'after'],
};

const words = { ok: 'ok', desk: 'desk', split: 'split', wrong: 'WRONG' } as const;

/**
 * The report as text: rows are the steps' operations, columns the faults; then the pairs in numbers; then the runs that do
 * not count, as their case was run again with longer times; then what is wrong, each with its reasons. `–`: no such case.
 */
export function matrixTable(report: Omit<MatrixReport, 'table'>): string {
  const { steps, kinds, results, redone, wrong, seed } = report;
  const single = results.filter(({ case: { faults } }) => faults.length === 1);
  const pairs = results.filter(({ case: { faults } }) => faults.length > 1);
  const cells = new Map(single.map((result) => [result.case.name, words[result.verdict]]));
  const rows = matrixRows(steps).map((row) => [
    rowName(row),
    ...kinds.map((kind) => cells.get(`${rowName(row)}: ${kind}`) ?? '–'),
  ]);
  const [first, second] = [0, 1].map((line) => ['', ...kinds.map((kind) => headings[kind][line as 0 | 1])]);
  const lines = [first ?? [], second ?? [], ...rows];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  text.splice(2, 0, widths.map((width) => '─'.repeat(width)).join('──'));
  text.push('', `${count(single)}: ${tally(single)}`);
  if (pairs.length > 0) text.push(`${pairs.length} pairs of faults (seed ${seed}): ${tally(pairs)}`);
  if (redone.length > 0) text.push('', ...redone.map(describeRedone));
  for (const result of wrong) text.push('', describe(result));
  return text.join('\n');
}

function count(results: readonly MatrixResult[]): string {
  return `${results.length} single fault${results.length === 1 ? '' : 's'}`;
}

function tally(results: readonly MatrixResult[]): string {
  const of = (verdict: MatrixResult['verdict']) => results.filter((result) => result.verdict === verdict).length;
  const split = of('split') > 0 ? `, ${of('split')} split and told so` : '';
  return `${of('ok')} ok, ${of('desk')} by way of the desk${split}, ${of('wrong')} WRONG`;
}

function describeRedone({ case: { name }, gid, verdict, reasons, desk }: MatrixResult): string {
  const split = desk.filter(({ type }) => type === SPLIT).map(({ message }) => message);
  const how = verdict === 'split' ? 'split, and run' : 'run';
  return `${how} again with longer times: ${name} (${gid}): ${[...new Set([...split, ...reasons])].join('; ')}`;
}

function describe({ case: { name, triggers }, gid, state, reasons, effects }: MatrixResult): string {
  const by = triggers.map(({ step, kind }) => ` (undone as ${step} is ${kind})`).join('');
  const found = Object.entries(effects).map(([step, effect]) => `${step} ${effect}`);
  return [
    `WRONG ${name}${by}`,
    ...reasons.map((reason) => `  ${reason}`),
    `  ${gid}: ${state}; effects: ${found.join(', ') || 'not read'}`,
  ].join('\n');
}
