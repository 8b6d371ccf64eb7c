import { accountOfSchema, type BankName, type OfBankAccount } from '../../contracts/transfer.js';
import type { Guard, Operation, Sql } from '../../kit/database/index.js';
import type { Forward, Undoable } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { LOCK, UNLOCK } from './lock-sql.js';
import { AccountHeld, hindrance, type FoundAccount } from './refusal.js';

/**
 * The semantic lock of an account: a saga that takes it keeps all other transfers away from the account, from before its first
 * movement until it has ended, as its database cannot over several SQL transactions. It is a column of the account, and not a
 * lock of the database: it outlives processes, is seen by everybody, and holds up only who wants to move that account's money.
 *
 * States: free → locked by a transfer → free. Who finds it locked by another is not refused for good: it asks again, as long as
 * its own retries last. It is let go by the transfer's own steps: the last of a saga, or the undo of taking it; like every undo
 * that is done in the end, or waits for a person.
 *
 * An account with holds cannot be locked before they have ended: their confirms move its money. What a saga without a lock has moved
 * before it can be undone under the lock, as every undo can: the money has to be somewhere.
 *
 * Locks are taken in one order, by bank and account, so that no two sagas wait for each other.
 *
 * It is the "semantic lock" of Lars Frank and Torben Zahle ("Semantic ACID properties in multidatabases using remote procedure
 * calls and update propagations", 1998), as a countermeasure against the missing isolation of sagas.
 */
export function createLock({ name, guard }: { name: BankName; guard: Guard }) {
  const release =
    ({ gid }: Operation, { account }: OfBankAccount) =>
    async (sql: Sql) => {
      await sql(UNLOCK, [gid, account]);
    };
  return {
    lock: {
      action: (operation, input) =>
        guard.apply(operation, input, async (sql) => {
          const { account } = validInput(accountOfSchema, input);
          const { gid } = operation;
          const [found] = await sql<FoundAccount & { holds: number; done: boolean }>(LOCK, [gid, account]);
          if (found?.done === true) return;
          throw hindrance({ name, gid, account }, found) ?? new AccountHeld(name, account, found?.holds ?? 0);
        }),
      compensation: (operation, input) => guard.undo(operation, input, release(operation, input)),
    } satisfies Undoable<OfBankAccount, void>,

    /** Lets it go when all is done. */
    unlock: {
      action: (operation, input) => guard.apply(operation, input, release(operation, input)),
    } satisfies Forward<OfBankAccount, void>,
  };
}
