import { leftBy, type Desk, type DeskAction } from '../desk.js';
import type { FailureNote } from '../failure.js';
import type { UndoOrder } from './definition.js';
import type { Judgement } from './driver.js';
import type { Earlier } from './earlier.js';
import { keep, recall } from './kept.js';
import { inputOf, type BranchRecord, type Ledger, type UndoRecord } from './ledger.js';
import { ignore, never } from './promises.js';

/** What an undo needs of its run. */
export interface UndoOf {
  readonly order: UndoOrder;
  readonly desk: Desk;
  readonly ledger: Ledger;
  readonly now: () => number;
  /** Asks a branch to undo, for one window. */
  readonly call: (record: BranchRecord, args: unknown[]) => Promise<unknown>;
  /** Undefined where nothing may be decided: for a defect, and where another driver has the transaction. */
  readonly judge: (record: BranchRecord, error: unknown) => Judgement | undefined;
  /** What persons decided in earlier runs. */
  readonly earlier: Earlier;
  /** Why no program may undo any more, if so: everything waits for a person then. */
  readonly closed: FailureNote | undefined;
  /** Whether the transaction could still go forward, as far as its cause is concerned. */
  readonly revocable: boolean;
  /** Told after each change of a branch. */
  readonly changed: () => void;
}

/**
 * Asks every branch to undo: newest first, or all at once. One that keeps failing for its window waits for a person at
 * the desk; the others are undone meanwhile, unless the order is strict.
 *
 * @returns `undone` when nothing is left to do; `forward` if a person gave up the undo, of which nothing was done then
 */
export async function undoBranches(branches: readonly BranchRecord[], run: UndoOf): Promise<'undone' | 'forward'> {
  const way = { forward: false };
  const fits = (): readonly DeskAction[] => {
    const untouched = branches.every(({ undo }) => undo === undefined || undo.state === 'parked');
    return run.revocable && untouched ? ['retry', 'resolve', 'skip', 'forward'] : ['retry', 'resolve', 'skip'];
  };

  /** Brings one branch to its end. */
  const settle = async (record: BranchRecord, onParked: () => void): Promise<void> => {
    const undo: UndoRecord = { state: 'running', startedAt: run.now() };
    record.undo = undo;
    const before = run.earlier.endOf(record.step, 'undo');
    let end: 'undone' | 'resolved' | 'skipped' = 'undone';
    let failure: FailureNote | undefined;
    if (before !== undefined) {
      end = before.action === 'resolve' ? 'resolved' : 'skipped';
      if (end === 'skipped') undo.failure = leftBy(before);
    } else {
      record.corrected = run.earlier.correctionOf(record.step, 'undo') ?? record.corrected;
      failure = run.closed ?? (await attempt(record, run));
    }
    while (failure !== undefined) {
      undo.state = 'parked';
      undo.failure = failure;
      const decided = run.desk.park({
        branch: record.step,
        op: record.options.amends ? 'amends' : 'compensation',
        operation: record.operation,
        summary: `undo: ${record.summary}`,
        input: recall(inputOf(record)),
        failure,
        fits,
        takesInput: true,
      });
      onParked();
      const order = await decided;
      if (order === undefined || order.action === 'forward') {
        way.forward = true;
        return;
      }
      if (order.action !== 'retry') {
        end = order.action === 'resolve' ? 'resolved' : 'skipped';
        if (end === 'skipped') undo.failure = leftBy(order);
        break;
      }
      if ('input' in order) record.corrected = { input: keep(order.input) };
      undo.state = 'running';
      undo.failure = undefined;
      failure = await attempt(record, run);
    }
    run.ledger.endUndo(record, end, run.now());
    run.changed();
  };

  const parked: Promise<void>[] = [];
  if (run.order === 'parallel') parked.push(...branches.map((record) => settle(record, ignore)));
  else {
    for (const record of branches) {
      if (way.forward) break;
      if (run.order === 'strict') await settle(record, ignore);
      else {
        await new Promise<void>((resolve, reject) => {
          const settled = settle(record, resolve);
          parked.push(settled);
          settled.then(resolve, reject);
        });
      }
    }
  }
  await Promise.all(parked);
  return way.forward ? 'forward' : 'undone';
}

/** Asks a branch to undo. @returns why it was not done, after its whole window */
async function attempt(record: BranchRecord, run: UndoOf): Promise<FailureNote | undefined> {
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
