import { leftBy, type Desk, type DeskAction } from '../desk.js';
import type { FailureNote } from '../failure.js';
import type { Judgement } from './driver.js';
import type { Earlier } from './earlier.js';
import { keep, recall } from './kept.js';
import { inputOf, type BranchRecord, type EndState, type SecondRecord } from './ledger.js';
import { never } from './promises.js';
import { undoOp, type Ops } from './scheme.js';

/** What the second operations of a run's branches share with it: its undos, or its confirms. */
export interface SecondOf {
  readonly which: 'undo' | 'confirm';
  readonly ops: Ops;
  readonly desk: Desk;
  readonly now: () => number;
  /** Asks for it, for one window. */
  readonly call: (record: BranchRecord, args: unknown[]) => Promise<unknown>;
  /** Undefined where nothing may be decided: for a defect, and where another driver has the transaction. */
  readonly judge: (record: BranchRecord, error: unknown) => Judgement | undefined;
  /** What persons decided in earlier runs. */
  readonly earlier: Earlier;
  /** Why no program may do it any more, if so: it waits for a person then. */
  readonly closed: FailureNote | undefined;
  /** What a person may decide, as things stand. */
  readonly fits: () => readonly DeskAction[];
  /** Told after each change of a branch. */
  readonly changed: () => void;
}

/**
 * Brings the second operation of one branch to its end: asked for a window, and then as often as a person says.
 *
 * @returns undefined if the whole transaction takes another way
 */
export async function bringToEnd(
  record: BranchRecord,
  run: SecondOf,
  onParked: () => void,
): Promise<EndState | undefined> {
  const op = run.which === 'undo' ? undoOp(run.ops, record.options) : (run.ops.confirm ?? 'confirm');
  const second: SecondRecord = { op, state: 'running', startedAt: run.now() };
  record[run.which] = second;
  const before = run.earlier.endOf(record.step, run.which);
  if (before !== undefined) {
    if (before.action === 'resolve') return 'resolved';
    second.failure = leftBy(before);
    return 'skipped';
  }
  record.corrected = run.earlier.correctionOf(record.step, run.which) ?? record.corrected;
  let failure = run.closed ?? (await attempt(record, run));
  while (failure !== undefined) {
    second.state = 'parked';
    second.failure = failure;
    const decided = run.desk.park({
      branch: record.step,
      op,
      operation: record.operation,
      summary: `${run.which}: ${record.summary}`,
      input: recall(inputOf(record)),
      failure,
      fits: run.fits,
      // What is confirmed is what was tried.
      takesInput: run.which === 'undo',
    });
    onParked();
    const order = await decided;
    if (order === undefined || order.action === 'forward') return undefined;
    if (order.action === 'resolve') return 'resolved';
    if (order.action === 'skip') {
      second.failure = leftBy(order);
      return 'skipped';
    }
    if ('input' in order) record.corrected = { input: keep(order.input) };
    second.state = 'running';
    second.failure = undefined;
    failure = await attempt(record, run);
  }
  return 'done';
}

/** Asks for it once. @returns why it was not done, after its whole window */
async function attempt(record: BranchRecord, run: SecondOf): Promise<FailureNote | undefined> {
  try {
    const asked = run.call(record, [recall(inputOf(record)), recall(record.result)]);
    run.changed();
    await asked;
    return undefined;
  } catch (error) {
    const judgement = run.judge(record, error);
    if (judgement === undefined) return never();
    return { type: judgement.type, message: judgement.message };
  }
}
