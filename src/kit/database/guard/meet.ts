import type { Announcement, Operation } from '../../workflow/branch.js';
import type { Fate } from '../../workflow/fate.js';
import { announce } from '../announcement/statements.js';
import { Decided, DrivenElsewhere } from '../rejection.js';
import type { Sql } from '../sql.js';
import { fromJson, toLog } from './json.js';
import { limitsOf } from './limits.js';
import { firstOf, readRows, storedRejection, type rowOf, type StoredRow } from './rows.js';

/**
 * Where drivers of one transaction meet: on the row of its first step. One is the driver; the others hear that they are not.
 */

/**
 * Claims the first step's row for a transaction that the caller's process drives, together with its announcement.
 *
 * @throws StoredRejection if it was refused before: that answers every caller alike
 * @throws {@link DrivenElsewhere} if anything else is there: nothing of this call may commit
 */
export async function claimAnnounced(sql: Sql, operation: Operation, row: ReturnType<typeof rowOf>): Promise<void> {
  const { announcement } = operation;
  if (announcement === undefined) throw new TypeError('it has no announcement');
  const claimed = await sql(announce, [...row, ...limitsOf(operation), ...announcedOf(announcement)]);
  if (claimed.length === 0) throw await elsewhere(sql, operation, row[3]);
  announcement.written();
}

/** The values of an announcement. */
export function announcedOf({ start, takeOverMs }: Announcement): [string, number] {
  return [toLog(start), takeOverMs];
}

/** What the caller's process hears of a first step that it could not claim: the rejection that is stored, or that it is not the driver. */
export async function elsewhere(sql: Sql, operation: Operation, inputHash: string): Promise<Error> {
  const rows = await readRows(sql, operation);
  const { first } = rows;
  try {
    if (firstOf(rows, operation, inputHash).outcome === 'rejected' && first?.fate === null)
      return storedRejection(first);
  } catch {
    // Undone, barred, another input, or gone: the other driver knows why.
  }
  return new DrivenElsewhere(operation, first?.driver);
}

/**
 * A driver found the row of a branch.
 *
 * @throws {@link Decided} if the transaction has come to its end
 * @throws {@link DrivenElsewhere} if the transaction is announced, and this driver has not taken it over
 */
export function meet(operation: Operation, first: StoredRow | undefined): void {
  if (first === undefined || first.driver === operation.driver) return;
  if (first.fate !== null) throw new Decided(operation, fromJson(first.fate) as Fate);
  // Whoever owns it by now: another workflow may have been meant to have it, and this one does not know of that.
  if (first.announced && operation.adopted !== true) throw new DrivenElsewhere(operation, first.driver);
}
