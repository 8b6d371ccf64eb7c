import type { BankName, Leg, Transfer } from '../../../src/contracts/transfer.js';
import type { Wanted } from './business.js';

/** A movement that was asked for. */
export interface AskedLeg {
  readonly bank: BankName;
  /** The bank and the account. */
  readonly at: string;
  readonly kind: 'debit' | 'credit';
  /** What the account gets, in cents: below 0 where it gives. */
  readonly amount: number;
}

/** What a transfer was asked to move, by the branch that a movement has in every scheme. No account is named twice. */
export function legsOf({ input }: Pick<Wanted, 'input'>): Map<string, AskedLeg> {
  const { from, to } = input as Transfer;
  const side = (name: string, kind: AskedLeg['kind'], legs: readonly Leg[]) =>
    legs.map(({ bank, account, amount }, index): [string, AskedLeg] => [
      `${name}-${index + 1}`,
      { bank, kind, at: `${bank}:${account}`, amount: kind === 'debit' ? -amount : amount },
    ]);
  return new Map([...side('from', 'debit', from), ...side('to', 'credit', to)]);
}
