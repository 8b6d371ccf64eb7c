import { accountOfSchema, type BankName, type OfBankAccount } from '../../contracts/transfer.js';
import { createSemanticLock, semanticLockSteps, type Guard } from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { AccountHeld, hindrance, type FoundAccount } from './refusal.js';

/**
 * The semantic lock of an account: a saga that takes it keeps all other transfers away from the account, from before its first
 * movement until it has ended.
 *
 * States: free → locked by a transfer → free, as the kit's semantic lock has it.
 *
 * An account with holds cannot be locked before they have ended: their confirms move its money. What a saga without a lock has moved
 * before it can be undone under the lock, as every undo can: the money has to be somewhere.
 *
 * Locks are taken in one order, by bank and account, so that no two sagas wait for each other.
 */
const lock = createSemanticLock({
  table: 'accounts',
  key: 'account',
  // One that this transfer has locked is locked, whatever holds others had on it before.
  only: `status = 'open' and (locked_by is not null or holds = 0)`,
  tells: 'status, balance - held as available, holds',
});

export function createLock({ name, guard }: { name: BankName; guard: Guard }) {
  const { lock: taking, unlock } = semanticLockSteps<OfBankAccount, FoundAccount & { holds: number }>({
    guard,
    lock,
    keyOf: (input) => validInput(accountOfSchema, input).account,
    nameOf: (account) => `account ${String(account)} of ${name}`,
    hindrance: ({ gid }, key, found) => {
      const account = String(key);
      return hindrance({ name, gid, account }, found) ?? new AccountHeld(name, account, found?.holds ?? 0);
    },
  });
  return {
    lock: taking,
    /** Lets it go when all is done. */
    unlock,
  };
}
