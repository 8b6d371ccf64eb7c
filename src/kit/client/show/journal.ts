import type { FailureNote, TransactionReport } from '../../workflow/failure.js';
import { isGroupDriver, type Fate } from '../../workflow/fate.js';
import type { Journal, JournalRow } from '../../workflow/journal.js';
import type { FoundState } from '../list.js';
import { shownState } from './state.js';
import type { ShownBranch, ShownCall, ShownDriver, ShownTransaction } from './shown.js';

/**
 * A transaction as it is shown, from what the participants' databases hold of it. A call under way is not in there: it is
 * when its SQL transaction has committed.
 *
 * @returns nothing, if no process and no group drives or drove it
 */
export function shownJournal(journal: Journal): ShownTransaction | undefined {
  const { gid, rows, announced, fate, fateAt, stateRow } = journal;
  if (stateRow !== undefined) return shownState(journal, stateRow, callOf);
  const state = stateOf(journal);
  if (state === undefined) return undefined;
  const ended = state !== 'running' && state !== 'compensating';
  const endedFate = ended ? (fate as Fate | undefined) : undefined;
  const refused = endedFate === undefined && ended ? refusalOf(gid, rows) : undefined;
  const startedAt = [announced?.beganAt, ...rows.map((row) => row.beganAt)].filter((at) => at !== undefined).sort()[0];
  const promoted = announced?.promoted ?? endedFate?.promoted;
  const driver = driverOf(journal);
  return {
    gid,
    scheme: 'saga',
    state,
    transaction: fate?.transaction ?? announced?.transaction ?? '',
    summary: announced?.summary,
    lane: fate?.lane ?? laneOf(driver.owner),
    driver,
    startedAt: startedAt ?? '',
    endedAt: ended ? (fateAt ?? rows.findLast(({ endedAt }) => endedAt !== undefined)?.endedAt) : undefined,
    branches: branchesOf(rows, ended),
    desk: [],
    decisions: [],
    operations: promoted === undefined ? [] : [{ action: 'promote', ...promoted }],
    report: endedFate !== undefined && 'report' in endedFate ? endedFate.report : refused,
    result: endedFate?.state === 'committed' ? resultOf(endedFate) : undefined,
    workerAnswered: true,
  };
}

function resultOf({ result, unstored }: Extract<Fate, { state: 'committed' }>): unknown {
  return unstored === undefined ? result : `(could not be kept: ${unstored})`;
}

function stateOf({ rows, announced, fate }: Journal): FoundState | undefined {
  if (fate !== undefined) {
    if (fate.state === 'running') return 'running';
    return fate.state === 'undoing' ? 'compensating' : fate.state;
  }
  if (announced !== undefined) return announced.state === 'undoing' ? 'compensating' : 'running';
  // What was applied was announced with it: here is only what was refused.
  return rows.some(({ driver }) => isOutside(driver)) ? 'compensated' : undefined;
}

/** Whether the driver of a guard's row is no workflow of its transaction. */
function isOutside(driver: string): boolean {
  return driver.startsWith('direct:') || isGroupDriver(driver);
}

function laneOf(owner: string): string {
  if (isGroupDriver(owner)) return 'grouped';
  return owner.startsWith('direct:') ? 'direct' : 'workflow';
}

type OutsideDriver = Exclude<ShownDriver, { kind: 'workflow' }>;

function driverOf({ rows, announced, home }: Journal): OutsideDriver {
  const outside = rows.find(({ driver }) => isOutside(driver));
  const owner = announced?.owner ?? outside?.driver ?? 'workflow';
  return {
    kind: isGroupDriver(owner) ? 'group' : 'process',
    owner,
    ...{ who: outside?.who, home, takeOverAt: announced?.takeOverAt },
  };
}

/** Why nothing came of a transaction whose first step was refused: that was stored, and nothing else. */
function refusalOf(gid: string, rows: readonly JournalRow[]): TransactionReport {
  const refused = rows.findLast(({ outcome }) => outcome === 'rejected');
  const cause = refused && { step: refused.branch, knowledge: 'rejected' as const, ...failureOf(refused) };
  return {
    gid,
    scheme: 'saga',
    state: 'compensated',
    cause: cause ?? { type: 'Unknown', message: 'nothing of it was done' },
    undone: [],
    notUndone: [],
  };
}

function branchesOf(rows: readonly JournalRow[], ended: boolean): ShownBranch[] {
  return [...new Set(rows.map(({ branch }) => branch))].map((branch) => {
    const own = rows.filter((row) => row.branch === branch);
    const [any] = own;
    const first = own.find(({ phase }) => phase === 1);
    const second = own.find(({ phase }) => phase === 2);
    const operation = any?.function.slice(0, any.function.lastIndexOf('.')) ?? '';
    const known = first === undefined ? 'unknown' : callState(first, ended);
    return {
      branch,
      seq: any?.seq ?? 0,
      operation,
      summary: operation,
      state: known === 'waiting' ? 'running' : known,
      then: second && { op: second.op, state: callState(second, ended) === 'succeeded' ? 'done' : 'running' },
      calls: own.map((row) => callOf(row, ended)),
    };
  });
}

function callOf(row: JournalRow, ended: boolean): ShownCall {
  const { op, function: name, attempt, beganAt, endedAt, who } = row;
  const state = callState(row, ended);
  return {
    op,
    function: name,
    state,
    attempts: attempt,
    startedAt: beganAt,
    endedAt,
    failure: state === 'rejected' ? failureOf(row) : undefined,
    worker: who,
  };
}

function callState({ outcome }: JournalRow, ended: boolean): ShownCall['state'] {
  switch (outcome) {
    case 'applied':
    case 'empty':
      return 'succeeded';
    case 'rejected':
    case 'barred':
      return 'rejected';
    case 'intent':
      return ended ? 'unknown' : 'running';
  }
}

function failureOf({ outcome, failure }: JournalRow): FailureNote {
  if (outcome === 'barred') return { type: 'Barred', message: 'it was not done, and cannot be any more' };
  return failure ?? { type: 'Rejected', message: '' };
}
