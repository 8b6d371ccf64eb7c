import type { BankName, Transfer } from '../../src/contracts/transfer.js';

/** What every scheme is asked to do: to move money from an account at bank_a and one at bank_b to one at bank_c. */

/** Of each bank: more than are ever in use at a time, so that transfers wait for each other only where they are to. */
export const ACCOUNTS = 100;
/** The account at bank_a that transfers contend for. */
export const CONTENDED = 'contended';
/** What each account is opened with, in cents: more than all runs together can take. */
export const PLENTY = 1_000_000_000_000;

/** How many of a hundred transfers take from the same account. */
export const contentions = [0, 10, 50] as const;
export type Contention = (typeof contentions)[number];

const names = Array.from({ length: ACCOUNTS }, (_, index) => accountOf(index));

/** The accounts that each bank is to have. */
export const accounts: Readonly<Record<BankName, readonly string[]>> = {
  bank_a: [...names, CONTENDED],
  bank_b: names,
  bank_c: names,
};

/**
 * The transfers of one phase; `prefix` makes their ids unique. One after the other they go round all accounts.
 *
 * @param step takes only every so manyth account
 */
export function transfersOf(prefix: string, count: number, contention: Contention, step = 1): Transfer[] {
  return Array.from({ length: count }, (_, index) => {
    const account = accountOf(Math.floor(index * step));
    const source = isContended(index, contention) ? CONTENDED : account;
    return {
      id: `${prefix}-${index}`,
      from: [
        { bank: 'bank_a', account: source, amount: 3_000 },
        { bank: 'bank_b', account, amount: 5_000 },
      ],
      to: [{ bank: 'bank_c', account, amount: 8_000 }],
    };
  });
}

/** What transfers that are done have changed, in cents, by account. */
export function effectsOf(done: readonly Transfer[]): Map<string, number> {
  const effects = new Map<string, number>();
  for (const { from, to } of done) {
    for (const { bank, account, amount } of from) addTo(effects, `${bank} ${account}`, -amount);
    for (const { bank, account, amount } of to) addTo(effects, `${bank} ${account}`, amount);
  }
  return effects;
}

/** Adds a change of an account. */
export function addTo(effects: Map<string, number>, account: string, change: number): void {
  effects.set(account, (effects.get(account) ?? 0) + change);
}

/** The passes of all rounds: each round runs the schemes in an order and in the opposite one. */
export function passesOf<T>(schemes: readonly T[], rounds: number): T[] {
  return Array.from({ length: rounds }, () => [...schemes, ...schemes.toReversed()]).flat();
}

/** Spread evenly. */
function isContended(index: number, share: Contention): boolean {
  return Math.floor(((index + 1) * share) / 100) > Math.floor((index * share) / 100);
}

function accountOf(index: number): string {
  return `account-${index % ACCOUNTS}`;
}
