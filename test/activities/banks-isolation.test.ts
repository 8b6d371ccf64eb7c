import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Bank } from '../../src/activities/banks/index.js';
import type { Move } from '../../src/contracts/transfer.js';
import { createPrepared, Rejection } from '../../src/kit/database/index.js';
import type { Op, Operation, Scheme } from '../../src/kit/workflow/branch.js';
import { openTestShop, operation, type TestShop } from './support.js';

/**
 * Two transfers at the same time, operation by operation, in every order that is drawn. Those of one end as if they had come one
 * after the other; those of another scheme do not, and the tests say so too.
 */

const OPENING = 10_000;
/** An attempt that meets another's lock ends so soon, in milliseconds. */
const ATTEMPT_MS = 400;

/** The schemes that prepare. */
const commits = [
  ['two-phase commit', '2pc'],
  ['three-phase commit', '3pc'],
] as const;

describe('two transfers at the same time', function () {
  this.timeout(240_000);
  let test: TestShop;

  before(async () => {
    test = await openTestShop();
  });
  after(() => test.close());

  let run = 0;
  /** New accounts for each run: nothing has to be removed. */
  async function openAccounts(): Promise<Accounts> {
    const own = ++run;
    const accounts = { x: `x${own}`, y: `y${own}`, z: `z${own}` };
    await test.shop.plain['banks.openAccounts']({
      bank: 'bank_a',
      accounts: [accounts.x, accounts.z],
      cents: OPENING,
    });
    await test.shop.plain['banks.openAccounts']({ bank: 'bank_b', accounts: [accounts.y], cents: OPENING });
    return accounts;
  }

  async function balancesOf({ x, y, z }: Accounts): Promise<number[]> {
    const at = async (bank: 'bank_a' | 'bank_b', account: string) => {
      const state = await test.shop.plain['banks.account']({ bank, account });
      assert.deepEqual([state?.held, state?.holds, state?.lockedBy], [0, 0, null], 'nothing is held, nor locked');
      return state?.balance ?? NaN;
    };
    return [await at('bank_a', x), await at('bank_b', y), await at('bank_a', z)];
  }

  describe('that compute what they move from what they have read (lost updates)', () => {
    const balance = async (account: string) =>
      (await test.shop.plain['banks.account']({ bank: 'bank_a', account }))?.balance ?? NaN;
    const bank = () => test.shop.participants.bank_a;
    const credit = (gid: string, account: string, amount: number) =>
      bank().credit.action(op('bank_a.credit.action', gid), { account, amount });

    it('(saga) lose one: 10 % interest twice is 20.00, and not 21.00, when both have read before either writes', async () => {
      const { x } = await openAccounts();
      const read = [await balance(x), await balance(x)];
      for (const [n, was] of read.entries()) await credit(`interest-${x}-${n}`, x, was / 10);
      assert.equal(await balance(x), 12_000);
    });

    it('(saga with a semantic lock) lose none: the second cannot begin before the first has ended', async () => {
      const { x } = await openAccounts();
      const [first, second] = [`interest-${x}-1`, `interest-${x}-2`];
      const lock = (gid: string, attempt = 1) =>
        bank().lock.action(op('bank_a.lock.action', gid, { attempt }), { account: x });
      const unlock = (gid: string) => bank().unlock.action(op('bank_a.unlock.action', gid), { account: x });
      await lock(first);
      const was = await balance(x);
      await assert.rejects(lock(second), {
        name: 'AccountLocked',
        message: new RegExp(`locked until ${first} has ended`),
      });
      await credit(first, x, was / 10);
      await unlock(first);
      await lock(second, 2);
      await credit(second, x, (await balance(x)) / 10);
      await unlock(second);
      assert.equal(await balance(x), 12_100);
    });

    it('(saga with a semantic lock) wait for what TCC holds there: its confirm moves the money, and comes before the lock', async () => {
      const { x } = await openAccounts();
      const [held, gid] = [`held-${x}`, `locked-${x}`];
      const input = { account: x, amount: 1_000 };
      const lock = (attempt: number) => bank().lock.action(op('bank_a.lock.action', gid, { attempt }), { account: x });
      await bank().withdraw.try(op('bank_a.withdraw.try', held), input);
      await assert.rejects(lock(1), {
        name: 'AccountHeld',
        message: /cannot be locked until 1 holds on it have ended/,
      });
      await bank().withdraw.confirm(op('bank_a.withdraw.confirm', held), input);
      await lock(2);
      await assert.rejects(bank().withdraw.try(op('bank_a.withdraw.try', `late-${x}`), input), {
        name: 'AccountLocked',
      });
      await bank().unlock.action(op('bank_a.unlock.action', gid), { account: x });
      assert.equal(await balance(x), 9_000);
    });

    for (const [name, scheme] of commits) {
      it(`(${name}) lose none: what is prepared keeps the second from reading for update until it is decided`, () =>
        losesNone(scheme));
    }

    async function losesNone(scheme: '2pc' | '3pc'): Promise<void> {
      const { x } = await openAccounts();
      const prepared = createPrepared({ database: test.databases.bank_a });
      const interest = (gid: string, attempt: number) =>
        prepared.prepare(op('bank_a.interest.prepare', gid, { attempt, scheme }), { account: x }, async (sql) => {
          const [row] = await sql<{ balance: string }>('select balance from accounts where account = $1 for update', [
            x,
          ]);
          const tenth = Number(row?.balance) / 10;
          await sql(
            `insert into entries (gid, branch, kind, account, amount) values ($1, 'i', 'credit', $2, $3), ($1, 'i', 'credit', 'clearing', -$3::bigint)`,
            [gid, x, tenth],
          );
        });
      const commit = (gid: string) => prepared.commit(op('bank_a.interest.commit', gid, { scheme }), { account: x });
      const [first, second] = [`interest-${x}-1`, `interest-${x}-2`];
      assert.equal(await interest(first, 1), 'yes');
      await assert.rejects(interest(second, 1), { code: '55P03' });
      await commit(first);
      assert.equal(await interest(second, 2), 'yes');
      await commit(second);
      assert.equal(await balance(x), 12_100);
    }

    it('(TCC) is kept from more than one thing only: what is held; an amount that was read before is still old', async () => {
      const { x } = await openAccounts();
      const read = [await balance(x), await balance(x)];
      for (const [n, was] of read.entries()) {
        const [gid, input] = [`interest-${x}-${n}`, { account: x, amount: was / 10 }];
        await bank().deposit.try(op('bank_a.deposit.try', gid), input);
        await bank().deposit.confirm(op('bank_a.deposit.confirm', gid), input);
      }
      assert.equal(await balance(x), 12_000);
    });
  });

  describe('in any order of their operations', () => {
    /** What a transfer moves: from one account to another, of x and z at bank_a and y at bank_b, by their places. */
    const transfer = fc.record({
      from: fc.integer({ min: 0, max: 2 }),
      step: fc.integer({ min: 1, max: 2 }),
      amount: fc.integer({ min: 1, max: 1.5 * OPENING }),
      /** It is undone after all, though everything could be done. */
      isGivenUp: fc.boolean(),
    });
    const both = fc.tuple(transfer, transfer);
    /** Whose operation comes next. */
    const turns = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 0, maxLength: 24 });

    /** Runs both, turn by turn, to their ends. @returns who has committed, and the balances */
    async function play(scheme: Scenario, transfers: readonly Drawn[], order: readonly number[]) {
      const accounts = await openAccounts();
      const parties = transfers.map((drawn, place) => {
        const gid = `${scheme}-${accounts.x}-${place}`;
        return {
          ended: undefined as boolean | undefined,
          steps: stepsOf[scheme](test, gid, legsOf(drawn, accounts), drawn.isGivenUp),
        };
      });
      const turn = async (place: number) => {
        const party = parties[place];
        if (party === undefined || party.ended !== undefined) return;
        const next = await party.steps.next();
        if (next.done === true) party.ended = next.value;
      };
      for (const place of order) await turn(place);
      while (parties.some(({ ended }) => ended === undefined)) for (const place of parties.keys()) await turn(place);
      return { committed: parties.map(({ ended }) => ended === true), balances: await balancesOf(accounts) };
    }

    /** Whether the balances are what those that have committed come to, one after the other in some order, each with enough money. */
    function isSerial(
      transfers: readonly Drawn[],
      committed: readonly boolean[],
      balances: readonly number[],
    ): boolean {
      const standing = transfers.filter((_, place) => committed[place]);
      return [standing, standing.toReversed()].some((order) => {
        const serial = [OPENING, OPENING, OPENING];
        const isPossible = order.every((drawn) => {
          const { from, to } = placesOf(drawn);
          serial[from] = (serial[from] ?? 0) - drawn.amount;
          serial[to] = (serial[to] ?? 0) + drawn.amount;
          return (serial[from] ?? 0) >= 0;
        });
        return isPossible && serial.every((balance, place) => balance === balances[place]);
      });
    }

    for (const scheme of ['saga with a semantic lock', 'TCC', 'two-phase commit', 'three-phase commit'] as const) {
      it(`(${scheme}) end as those that are committed would have, one after the other`, async () => {
        await fc.assert(
          fc.asyncProperty(both, turns, async (transfers, order) => {
            const { committed, balances } = await play(scheme, transfers, order);
            for (const [place, { isGivenUp }] of transfers.entries())
              if (isGivenUp) assert.equal(committed[place], false);
            assert.ok(isSerial(transfers, committed, balances), JSON.stringify({ committed, balances }));
          }),
          { numRuns: RUNS[scheme] },
        );
      });
    }

    it('(saga) may end as in no order: one spends what the other has brought and cannot take back', async () => {
      // The first brings 100.00 to y, which the second spends before the first takes it back.
      const transfers = [
        { from: 0, step: 1, amount: OPENING, isGivenUp: true },
        { from: 1, step: 1, amount: 1.5 * OPENING, isGivenUp: false },
      ];
      const accounts = await openAccounts();
      const [first, second] = transfers.map((drawn, place) =>
        stepsOf.saga(test, `saga-${accounts.x}-${place}`, legsOf(drawn, accounts), drawn.isGivenUp),
      );
      await first?.next();
      await first?.next();
      while ((await second?.next())?.done !== true);
      await assert.rejects(async () => first?.next(), { type: 'AlreadySpent' });
    });
  });
});

interface Accounts {
  readonly x: string;
  readonly y: string;
  readonly z: string;
}

interface Drawn {
  readonly from: number;
  readonly step: number;
  readonly amount: number;
  readonly isGivenUp: boolean;
}

type Scenario = 'saga' | 'saga with a semantic lock' | 'TCC' | (typeof commits)[number][0];

/** Runs of a property; what waits for a lock of the database takes long. */
const RUNS = {
  ...{ 'saga with a semantic lock': 150, TCC: 150 },
  ...{ 'two-phase commit': 30, 'three-phase commit': 30 },
} as const;

interface BankLeg extends Move {
  readonly bank: 'bank_a' | 'bank_b';
}

function placesOf({ from, step }: Drawn): { from: number; to: number } {
  return { from, to: (from + step) % 3 };
}

function legsOf(drawn: Drawn, { x, y, z }: Accounts): { from: BankLeg; to: BankLeg } {
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
function op(name: string, gid: string, call: Partial<Operation> = {}): Operation {
  const kind = name.slice(name.lastIndexOf('.') + 1) as Op;
  return operation(name, gid, { scheme: SCHEMES[kind] ?? 'saga', timeoutMs: ATTEMPT_MS * 5, ...call });
}

const stepsOf: Readonly<Record<Scenario, StepsOf>> = {
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
