import type { Op } from '../branch.js';
import type { SagaDriver, Judgement } from './driver.js';
import { recall } from './kept.js';
import type { BranchRecord } from './ledger.js';

/** What an undo needs of its run. */
export interface UndoOf {
  readonly driver: SagaDriver;
  readonly order: 'newest-first' | 'parallel';
  readonly call: (record: BranchRecord, op: Op, args: unknown[]) => Promise<unknown>;
  /** Undefined for a defect, on which nothing may be decided. */
  readonly judge: (error: unknown) => Judgement | undefined;
  /** Told after each branch that was undone. */
  readonly progress: (undone: readonly string[]) => void;
}

/**
 * Asks every branch to undo: newest first, or all at once. One that fails does not keep the others from being undone.
 *
 * @returns the steps that were undone, in the order in which that was done
 */
export async function undoBranches(branches: readonly BranchRecord[], run: UndoOf): Promise<string[]> {
  const undone: string[] = [];
  const undo = async (record: BranchRecord): Promise<void> => {
    if (!(await compensate(record, run))) return;
    undone.push(record.step);
    run.progress(undone);
  };
  if (run.order === 'parallel') await Promise.all(branches.map(undo));
  else for (const record of branches) await undo(record);
  return undone;
}

/** @returns whether the branch has no effect any more */
async function compensate(record: BranchRecord, { driver, call, judge }: UndoOf): Promise<boolean> {
  const undo: NonNullable<BranchRecord['undo']> = { state: 'running', startedAt: driver.now() };
  record.undo = undo;
  try {
    const asked = call(record, 'compensation', [recall(record.input), recall(record.result)]);
    driver.changed();
    await asked;
    undo.state = 'undone';
  } catch (error) {
    const judgement = judge(error);
    if (judgement === undefined) return new Promise(() => undefined);
    undo.state = 'failed';
    undo.failure = { type: judgement.type, message: judgement.message };
  }
  undo.endedAt = driver.now();
  driver.changed();
  return undo.state === 'undone';
}
