import type { Announcement, Opening, Operation } from '../../workflow/branch.js';
import { isEnd, isGroupDriver, type Fate, type Opened } from '../../workflow/fate.js';
import { announce } from '../announcement/statements.js';
import { Decided, DrivenElsewhere, InputMismatch } from '../rejection.js';
import type { Sql } from '../sql.js';
import { fromJson, toLog } from './json.js';
import { limitsOf } from './limits.js';
import { firstOf, readRows, storedRejection, type MetRows, type rowOf } from './rows.js';
import * as statements from './statements.js';

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
  const values = [...row, ...limitsOf(operation), ...announcedOf(announcement)];
  announcement.sending?.();
  const claimed = await sql(announce, values);
  if (claimed.length === 0) throw await elsewhere(sql, operation, row[3]);
  announcement.written();
}

/** The values of an announcement. */
export function announcedOf({ start, takeOverMs }: Announcement): [string, number] {
  return [start, takeOverMs];
}

/** What stands in the place of the fate of a transaction that a group has opened. */
export function openedOf({ transaction, inputHash }: Opening): string {
  const opened: Opened = { state: 'running', transaction, inputHash, lane: 'grouped' };
  return toLog(opened);
}

/** Claims the row of a step; that of a group's first one says that the group has the transaction. */
export async function claim(sql: Sql, operation: Operation, row: ReturnType<typeof rowOf>): Promise<boolean> {
  const { opening } = operation;
  const values = [...row, ...limitsOf(operation)];
  const claimed =
    opening === undefined
      ? await sql(statements.claim, values)
      : await sql(statements.open, [...values, openedOf(opening)]);
  if (claimed.length === 0) return false;
  opening?.written('now');
  return true;
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
 * A driver found the row of a branch, or of another one of its transaction.
 *
 * @throws {@link Decided} if the transaction has come to its end
 * @throws {@link DrivenElsewhere} if the transaction is announced or a group has opened it, and this driver has not taken it
 * over, or not since
 * @throws {@link InputMismatch} to a group, if another one has the gid for another transaction, or with another input
 */
export function meet(operation: Operation, rows: Pick<MetRows, 'first' | 'home'>): void {
  const { first, home } = rows;
  const fate = fromJson(home?.fate ?? null) as Fate | Opened | undefined;
  if (isGroupDriver(operation.driver)) {
    meetAsGroup(operation, rows, fate);
    return;
  }
  if (first === undefined || first.driver === operation.driver) return;
  if (fate !== undefined && isEnd(fate)) throw new Decided(operation, fate);
  // Whoever owns it by now: another workflow may have been meant to have it, and this one does not know of that.
  const isDriven = first.announced || fate !== undefined;
  // A group may have opened it after this workflow had taken over what was there: it has to take over again.
  const isGroups = home !== undefined && isGroupDriver(home.driver);
  if (isDriven && (operation.adopted !== true || isGroups)) throw new DrivenElsewhere(operation, first.driver);
}

/** A group goes on only where nobody else has been: on its own rows, and past what was refused to whomever. */
function meetAsGroup(
  operation: Operation,
  { first, home }: Pick<MetRows, 'first' | 'home'>,
  fate?: Fate | Opened,
): void {
  const { opening, driver } = operation;
  if (fate !== undefined && isEnd(fate)) throw new Decided(operation, fate);
  if (first?.driver === driver) {
    if (first.fate !== null) opening?.written('before');
    return;
  }
  const isFree = home === undefined || home.driver === driver;
  if (first?.outcome === 'rejected' && isFree) return;
  const isOther =
    fate !== undefined &&
    opening !== undefined &&
    (fate.inputHash !== opening.inputHash || fate.transaction !== opening.transaction);
  if (isOther) throw new InputMismatch(operation);
  throw new DrivenElsewhere(operation, (home ?? first)?.driver);
}
