import assert from 'node:assert/strict';
import type { Bank } from '../../src/activities/banks/index.js';
import type { Move } from '../../src/contracts/transfer.js';
import { Rejection } from '../../src/kit/database/index.js';
import type { Op, Operation, Scheme } from '../../src/kit/workflow/branch.js';
import { operation, type TestShop } from './support.js';

/** Transfers operation by operation, so that a test can have those of several come in any order. */

/** What each account begins with, in cents. */
export const OPENING = 10_000;
/** An attempt that meets another's lock ends so soon, in milliseconds. */
const ATTEMPT_MS = 400;

let opened = 0;
/** New accounts for each run: nothing has to be removed. */
export async function openAccounts({ shop }: TestShop): Promise<Accounts> {
  const own = ++opened;
  const accounts = { x: `x${own}`, y: `y${own}`, z: `z${own}` };
  const open = (bank: 'bank_a' | 'bank_b', names: string[]) =>
    shop.plain['banks.openAccounts']({ bank, accounts: names, cents: OPENING });
  await open('bank_a', [accounts.x, accounts.z]);
  await open('bank_b', [accounts.y]);
  return accounts;
}

/** Three accounts: x and z at bank_a, y at bank_b. */
export interface Accounts {
  readonly x: string;
  readonly y: string;
  readonly z: string;
}

/** A transfer from one of them to another, by their places. */
export interface Drawn {
  readonly from: number;
  readonly step: number;
  readonly amount: number;
  /** It is undone after all, though everything could be done. */
  readonly isGivenUp: boolean;
}

/** The schemes that prepare. */
export const commits = [
  ['two-phase commit', '2pc'],
  ['three-phase commit', '3pc'],
] as const;

export type Scenario = 'saga' | 'saga with a semantic lock' | 'TCC' | (typeof commits)[number][0];

interface BankLeg extends Move {
  readonly bank: 'bank_a' | 'bank_b';
}

export function placesOf({ from, step }: Drawn): { from: number; to: number } {
  return { from, to: (from + step) % 3 };
}

export function legsOf(drawn: Drawn, { x, y, z }: Accounts): { from: BankLeg; to: BankLeg } {
  const { from, to } = placesOf(drawn);
  const leg = (place: number): BankLeg => ({
    bank: place === 1 ? 'bank_b' : 'bank_a',
    account: [x, y, z][place] ?? '',
    amount: drawn.amount,
  });
  return { from: leg(from), to: leg(to) };
}

/** A transfer that gives way after each of its operations; returns whether it has committed. */
type Steps = AsyncGenerator<undefined, boolean>;
type StepsOf = (test: TestShop, gid: string, legs: { from: BankLeg; to: BankLeg }, isGivenUp: boolean) => Steps;

const SCHEMES: Readonly<Record<string, Scheme>> = {
  try: 'tcc',
  confirm: 'tcc',
  cancel: 'tcc',
  prepare: '2pc',
  commit: '2pc',
  rollback: '2pc',
};

/** The operation of a function; those of one account or bank are one branch. */
export function op(name: string, gid: string, call: Partial<Operation> = {}): Operation {
  const kind = name.slice(name.lastIndexOf('.') + 1) as Op;
  return operation(name, gid, { scheme: SCHEMES[kind] ?? 'saga', timeoutMs: ATTEMPT_MS * 5, ...call });
}

export const stepsOf: Readonly<Record<Scenario, StepsOf>> = {
  saga: (test, gid, legs, isGivenUp) => sagaSteps(test, gid, legs, isGivenUp),

  async *'saga with a semantic lock'(test, gid, { from, to }, isGivenUp) {
    const accounts = [from, to].sort((a, b) => (`${a.bank}:${a.account}` < `${b.bank}:${b.account}` ? -1 : 1));
    const of = ({ bank, account }: BankLeg, name: 'lock' | 'unlock', what: Op, attempt: number) =>
      op(`${bank}.${name}.${what}`, gid, { branch: `${name}-${account}`, attempt });
    for (const leg of accounts) {
      yield* untilDone((attempt) =>
        bankOf(test, leg).lock.action(of(leg, 'lock', 'action', attempt), { account: leg.account }),
      );
    }
    const hasCommitted = yield* sagaSteps(test, gid, { from, to }, isGivenUp);
    for (const leg of accounts) {
      const { lock, unlock } = bankOf(test, leg);
      const { account } = leg;
      await (hasCommitted
        ? unlock.action(of(leg, 'unlock', 'action', 1), { account })
        : lock.compensation(of(leg, 'lock', 'compensation', 1), { account }));
      yield;
    }
    return hasCommitted;
  },

  async *TCC(test, gid, { from, to }, isGivenUp) {
    const sides = [
      { ...from, ...nameAndInput(from), name: 'withdraw' },
      { ...to, ...nameAndInput(to), name: 'deposit' },
    ] as const;
    const of = ({ bank, name }: (typeof sides)[number], what: Op) =>
      op(`${bank}.${name}.${what}`, gid, { branch: name });
    let isTried = true;
    for (const side of sides) {
      try {
        await bankOf(test, side)[side.name].try(of(side, 'try'), side.input);
      } catch (error) {
        assert.ok(error instanceof Rejection, String(error));
        isTried = false;
      }
      yield;
      if (!isTried) break;
    }
    const stands = isTried && !isGivenUp;
    for (const side of sides) {
      const { confirm, cancel } = bankOf(test, side)[side.name];
      await (stands ? confirm(of(side, 'confirm'), side.input) : cancel(of(side, 'cancel'), side.input));
      yield;
    }
    return stands;
  },

  'two-phase commit': (test, gid, legs, isGivenUp) => preparedSteps('2pc', test, gid, legs, isGivenUp),
  'three-phase commit': (test, gid, legs, isGivenUp) => preparedSteps('3pc', test, gid, legs, isGivenUp),
};

/** Each bank prepares, then all commit or roll back; in three phases each looks first whether it could. */
async function* preparedSteps(
  scheme: '2pc' | '3pc',
  test: TestShop,
  gid: string,
  { from, to }: { from: BankLeg; to: BankLeg },
  isGivenUp: boolean,
): Steps {
  const moves = (['bank_a', 'bank_b'] as const).flatMap((bank) => {
    const at = (leg: BankLeg, name: string) =>
      leg.bank === bank ? [{ leg: name, account: leg.account, amount: leg.amount }] : [];
    const input = { from: at(from, 'from-1'), to: at(to, 'to-1') };
    return input.from.length + input.to.length === 0 ? [] : [{ bank, input }];
  });
  const of = (bank: string, what: Op, attempt = 1) =>
    op(`${bank}.move.${what}`, gid, { branch: bank, attempt, scheme, timeoutMs: ATTEMPT_MS });
  let isPrepared = true;
  for (const { bank, input } of scheme === '3pc' ? moves : []) {
    try {
      await test.shop.participants[bank].move.canCommit(of(bank, 'canCommit'), input);
    } catch (error) {
      assert.ok(error instanceof Rejection, String(error));
      isPrepared = false;
    }
    yield;
  }
  for (const { bank, input } of isPrepared ? moves : []) {
    const { move } = test.shop.participants[bank];
    try {
      // Who waits for long is rolled back: two that wait for each other would wait for ever.
      yield* untilDone((attempt) => move.prepare(of(bank, 'prepare', attempt), input), MAX_ATTEMPTS);
    } catch {
      isPrepared = false;
      break;
    }
  }
  const stands = isPrepared && !isGivenUp;
  for (const { bank, input } of moves) {
    const { move } = test.shop.participants[bank];
    await (stands
      ? move.commit(of(bank, 'commit'), input, 'yes')
      : move.rollback({ ...of(bank, 'rollback'), timeoutMs: 5_000 }, input, undefined));
    yield;
  }
  return stands;
}

const MAX_ATTEMPTS = 3;

function nameAndInput({ account, amount }: BankLeg): { input: Move } {
  return { input: { account, amount } };
}

function bankOf(test: TestShop, { bank }: BankLeg): Bank {
  return test.shop.participants[bank];
}

/** Asks again, after the others have had a turn, until it is done or refused for good. */
async function* untilDone(
  ask: (attempt: number) => Promise<unknown>,
  attempts = Infinity,
): AsyncGenerator<undefined, void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await ask(attempt);
      yield;
      return;
    } catch (error) {
      if (error instanceof Rejection || attempt === attempts) throw error;
      yield;
    }
  }
}

/** A debit and a credit; undone, newest first, if one is refused or it is given up. */
async function* sagaSteps(
  test: TestShop,
  gid: string,
  { from, to }: { from: BankLeg; to: BankLeg },
  isGivenUp: boolean,
): Steps {
  const sides = [
    { ...from, ...nameAndInput(from), name: 'debit' },
    { ...to, ...nameAndInput(to), name: 'credit' },
  ] as const;
  const of = ({ bank, name }: (typeof sides)[number], what: Op) => op(`${bank}.${name}.${what}`, gid, { branch: name });
  const done: (typeof sides)[number][] = [];
  let stands = !isGivenUp;
  for (const side of sides) {
    try {
      await bankOf(test, side)[side.name].action(of(side, 'action'), side.input);
      done.unshift(side);
    } catch (error) {
      assert.ok(error instanceof Rejection, String(error));
      stands = false;
    }
    yield;
    if (done[0] !== side) break;
  }
  if (stands) return true;
  for (const side of done) {
    const { name, input } = side;
    await bankOf(test, side)[name].compensation(of(side, 'compensation'), input);
    yield;
  }
  return false;
}
