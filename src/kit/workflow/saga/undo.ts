import type { DeskAction } from '../desk.js';
import type { UndoOrder } from './definition.js';
import type { BranchRecord, Ledger } from './ledger.js';
import { ignore } from './promises.js';
import { bringToEnd, type SecondOf } from './second.js';

/** What an undo needs of its run. */
export interface UndoOf extends Omit<SecondOf, 'which' | 'fits'> {
  readonly order: UndoOrder;
  readonly ledger: Ledger;
  /** Whether the transaction could still go forward, as far as its cause is concerned. */
  readonly revocable: boolean;
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
  const second: SecondOf = { ...run, which: 'undo', fits };

  const settle = async (record: BranchRecord, onParked: () => void): Promise<void> => {
    const end = await bringToEnd(record, second, onParked);
    if (end === undefined) {
      way.forward = true;
      return;
    }
    run.ledger.endSecond(record, 'undo', end, run.now());
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
