import type { BranchRecord, Ledger } from './ledger.js';
import { ignore } from './promises.js';
import { bringToEnd, type SecondOf } from './second.js';

/** What a confirm needs of its run. */
export interface ConfirmOf extends Omit<SecondOf, 'which' | 'fits' | 'closed'> {
  readonly ledger: Ledger;
}

/**
 * Asks every branch to confirm, all at once: it was decided that all of it stands, so each is asked until it is done. One that
 * keeps failing for its window waits for a person at the desk; nothing is undone any more.
 */
export async function confirmBranches(branches: readonly BranchRecord[], run: ConfirmOf): Promise<void> {
  const second: SecondOf = { ...run, which: 'confirm', closed: undefined, fits: () => ['retry', 'resolve', 'skip'] };
  await Promise.all(
    branches.map(async (record) => {
      const end = await bringToEnd(record, second, ignore);
      if (end === undefined) return;
      run.ledger.endSecond(record, 'confirm', end, run.now());
      run.changed();
    }),
  );
}
