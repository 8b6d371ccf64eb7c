import { cell, type TransactionView } from '../view.js';
import { mainOf, subOf } from './mermaid.js';
import type { MachineCore } from './core.js';
import type { MachineView, UnderWay } from './protocol.js';

/** How many transitions and refused messages are shown. */
const SHOWN = 50;

/** What the workflow adds to what a machine knows of itself. */
export interface ViewedRun {
  readonly hasBegun: boolean;
  readonly underWay: UnderWay | undefined;
  readonly waiting: number;
  readonly running: readonly string[];
  readonly runs: number;
}

export function viewOfMachine(core: MachineCore, run: ViewedRun): MachineView {
  const { answers, since, version, refused, resynced, deadlines } = core.kept;
  const { hasBegun, ...rest } = run;
  return {
    ...{ id: core.id, machine: core.machine.name },
    ...(hasBegun && { state: core.state, mainState: mainOf(core.state), subState: subOf(core.state) }),
    ...{ version, since, final: hasBegun && core.isFinal, legal: hasBegun ? core.legal : [] },
    ...{ deadlines: core.deadlines.view(), moved: deadlines.moved },
    ...rest,
    ...{ transitions: answers.slice(-SHOWN), refused: refused.slice(-SHOWN), resynced },
  };
}

/** The view as Markdown, for the Web UI. */
export function describeMachine(view: MachineView): string {
  const { machine, id, state = 'not begun', version, legal, underWay, running, waiting } = view;
  const when = (at: number) => new Date(at).toISOString();
  const lines = [`**${state}** · ${machine}, move ${version} · ${id}`, ''];
  lines.push(view.final ? 'Final.' : `Legal: ${legal.join(', ') || 'nothing'}`, '');
  if (underWay)
    lines.push(
      `Under way since ${when(underWay.since)}: **${underWay.event}** to ${underWay.to} ${underWay.gid ?? ''}`,
      '',
    );
  if (waiting > 0) lines.push(`${waiting} waiting`, '');
  if (running.length > 0) lines.push(`Running: ${running.join(', ')}`, '');
  for (const { name, at, then } of view.deadlines) lines.push(`- ${name}: ${when(at)}, ${then}`);
  for (const { name, to, actor, reason } of view.moved) {
    lines.push(`- ${name} was moved to ${when(to)} by ${cell(actor)}: ${cell(reason)}`);
  }
  lines.push('', '| # | event | to | when | request |', '| --- | --- | --- | --- | --- |');
  for (const { version: number, event, to, at, requestId } of view.transitions.slice(-10)) {
    lines.push(`| ${number} | ${event} | ${to} | ${when(at)} | ${cell(requestId)} |`);
  }
  for (const { event, state: in_, message } of view.refused.slice(-5)) {
    lines.push('', `Refused in ${in_}: ${event}: ${cell(message)}`);
  }
  return lines.join('\n');
}

/** The same as a transaction's view, so that what shows transactions shows it: each move is a branch. */
export function asTransaction(view: MachineView, startedAt: number): TransactionView {
  const branches = view.transitions.map(({ event, requestId, version, from, to, at }) => ({
    ...{ branch: requestId, seq: version, operation: event, summary: `${from} to ${to}` },
    ...({ state: 'succeeded', startedAt: at, endedAt: at } as const),
  }));
  const { underWay } = view;
  const open = underWay && {
    ...{ branch: underWay.requestId, seq: view.version + 1, operation: underWay.event },
    ...({ summary: `${underWay.from} to ${underWay.to}`, state: 'running', startedAt: underWay.since } as const),
  };
  return {
    ...{ gid: view.id, scheme: 'machine', state: view.final ? 'committed' : 'running', lane: 'durable', startedAt },
    ...{ branches: open === undefined ? branches : [...branches, open], desk: [], decisions: [], operations: [] },
  };
}
