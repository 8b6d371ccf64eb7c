import { formatCents } from '../../contracts/money.js';
import type { BankName } from '../../contracts/transfer.js';
import { Rejection } from '../../kit/database/index.js';

/** What an account may have after a credit, in cents: a number holds it exactly. An undo and a confirm may bring it beyond that. */
export const MOST = Number.MAX_SAFE_INTEGER;

/** An account as a movement found it. */
export interface FoundAccount {
  readonly status: 'open' | 'frozen' | 'closed';
  readonly available: string;
  /** The transfer that has locked it, if one has. */
  readonly lockedBy: string | null;
}

/** Another transfer has locked the account, until it has ended. Nothing was done: ask again. */
export class AccountLocked extends Error {
  constructor(bank: BankName, account: string, lockedBy: string) {
    super(`account ${account} of ${bank} is locked until ${lockedBy} has ended: it will be asked again`);
    this.name = 'AccountLocked';
  }
}

/** Transfers hold a part of the account, so that it cannot be locked until they have ended. Nothing was done: ask again. */
export class AccountHeld extends Error {
  constructor(bank: BankName, account: string, holds: number) {
    super(
      `account ${account} of ${bank} cannot be locked until ${holds} holds on it have ended: it will be asked again`,
    );
    this.name = 'AccountHeld';
  }
}

/** Says why an account cannot be used by a transfer, if so. @param gid of that transfer */
export function hindrance(
  { name, gid, account }: { name: BankName; gid: string; account: string },
  found: FoundAccount | undefined,
): Error | undefined {
  const which = `account ${account} of ${name}`;
  if (found === undefined) return new Rejection('UnknownAccount', `${name} has no account ${account}`);
  // Before anything else: what is the matter with it may be so only until that transfer has ended.
  if (found.lockedBy !== null && found.lockedBy !== gid) return new AccountLocked(name, account, found.lockedBy);
  if (found.status === 'frozen') return new Rejection('AccountFrozen', `${which} is frozen`);
  if (found.status === 'closed') return new Rejection('AccountClosed', `${which} is closed`);
  return undefined;
}

/** Says why an amount cannot be moved to or from an account. */
export function refusal(
  of: { name: BankName; gid: string; account: string; amount: number; kind: 'debit' | 'credit' },
  found: FoundAccount | undefined,
): Error {
  const hindered = hindrance(of, found);
  if (hindered !== undefined) return hindered;
  if (of.kind === 'credit') {
    const line = `account ${of.account} of ${of.name} is full: with ${formatCents(of.amount)} more it had more than ${formatCents(MOST)}`;
    return new Rejection('AccountFull', line);
  }
  const available = formatCents(found?.available ?? 0);
  return new Rejection(
    'InsufficientFunds',
    `account ${of.account} of ${of.name} has ${available} to spend, ${formatCents(of.amount)} are asked`,
  );
}
