import { cell } from '../../view.js';
import type { SagaRun } from '../run.js';

/** A member of a group, as it is shown. */
export interface ViewedMember {
  readonly gid: string;
  /** `running`, or what became of it. */
  state: string;
  note: string;
  /** As long as it runs here. */
  run?: Pick<SagaRun<unknown, unknown>, 'ledger'>;
}

/** Rows of the table at most. */
const ROWS = 100;
const NOTE = 200;

/** A group as Markdown, for the Web UI: how its members stand, and a line for each. */
export function describeGroup(members: readonly ViewedMember[]): string {
  const counts = new Map<string, number>();
  for (const { state } of members) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  const lines = [`**group** of ${members.length}: ${states}`, '', '| gid | state | note |', '| --- | --- | --- |'];
  for (const { gid, state, note, run } of members.slice(0, ROWS)) {
    const step = run?.ledger.branches.at(-1)?.step;
    lines.push(`| ${cell(gid)} | ${state} | ${cell(step === undefined ? note.slice(0, NOTE) : `at ${step}`)} |`);
  }
  if (members.length > ROWS) lines.push('', `and ${members.length - ROWS} more`);
  return lines.join('\n');
}
