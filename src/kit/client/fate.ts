import type { Fate, Opened, StartOrder } from '../workflow/fate.js';
import { GidConflict, ResultNotKept, TransactionCompensated, TransactionFailed } from './errors.js';

/** What the callers of a transaction hear of its end, where no workflow of its own tells them. */

/** @throws what the caller of a transaction hears that did not commit */
export function outcomeOfFate(gid: string, fate: Fate): unknown {
  switch (fate.state) {
    case 'committed':
      if (fate.unstored !== undefined) throw new ResultNotKept(gid, fate.unstored);
      return fate.result;
    case 'compensated':
      throw new TransactionCompensated(fate.message, { ...fate.report, gid });
    case 'failed':
      throw new TransactionFailed(fate.message, { ...fate.report, gid });
  }
}

/** @throws {@link GidConflict} if what has the gid is something else */
export function refuseConflict(
  gid: string,
  { transaction, inputHash }: Pick<StartOrder, 'transaction' | 'inputHash'>,
  found: Pick<Fate | Opened, 'transaction' | 'inputHash'>,
): void {
  if (found.transaction !== transaction) throw new GidConflict(gid, `as a run of '${found.transaction}'`);
  if (found.inputHash !== inputHash) throw new GidConflict(gid, 'with other content');
}
