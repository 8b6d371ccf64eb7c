import { formatCents } from '../../contracts/money.js';
import { moveSchema, type BankName, type Move } from '../../contracts/transfer.js';
import {
  Rejection,
  type Database,
  type Guard,
  type Operation,
  type Prepared,
  type Sql,
  type Statement,
} from '../../kit/database/index.js';
import type { TryConfirmCancel, Undoable } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { safeInteger } from '../integers.js';
import { createLock } from './lock.js';
import { createSending } from './messages.js';
import { createMove } from './move.js';
import { createBuying } from './purchases.js';
import { refusal, type FoundAccount } from './refusal.js';
import * as statements from './sql.js';

/**
 * A bank: accounts, each moved by two entries at a time.
 *
 * What a saga asks moves money at once: `debit` and `credit`. What TCC asks, `withdraw` and `deposit`, holds it first: a held
 * part of a balance stays where it is, and can be spent by nothing else until its hold is confirmed or cancelled. What two-phase
 * and three-phase commit ask, `move`, moves all that a transfer moves at this bank, in one transaction that waits to be committed.
 *
 * All are refused as `UnknownAccount`, `AccountFrozen`, `AccountClosed` or `InvalidInput`, what takes money as
 * `InsufficientFunds`, and what gives some to an account that would then have 2^53 cents or more as `AccountFull`; while another transfer has locked the account it fails as `AccountLocked`, and can be asked again. Undoing is done whatever the account's status has become: the money has to be somewhere.
 *
 * @param name whose accounts these are, for what is said
 */
export function createBank({ name, database, phase2, guard, prepared }: BankOf) {
  /** Does what can be done to one account, or says why it cannot. */
  const doing =
    <Result>({ kind, statement, atOnce, resultOf }: Doing<Result>) =>
    (operation: Operation, input: Move): Promise<Result> =>
      guard.apply(
        operation,
        input,
        async (sql) => {
          const move = validInput(moveSchema, input);
          const [found] = await sql<Found>(statement, valuesOf(operation, move));
          if (found?.done !== true) throw refusal({ name, gid: operation.gid, kind, ...move }, found);
          return resultOf(move.amount);
        },
        () => ({ statement: atOnce, values: valuesOf(operation, validInput(moveSchema, input)) }),
      );
  const about = ({ gid, branch }: Operation) => `branch '${branch}' of ${gid} at ${name}`;

  /** Takes money out of an account. */
  const debit = {
    action: doing({
      kind: 'debit',
      statement: statements.DEBIT,
      atOnce: statements.DEBIT_AT_ONCE,
      resultOf: (debited) => ({ debited }),
    }),
    /** Pays it back. */
    compensation: (operation, input) =>
      guard.undo(
        operation,
        input,
        async (sql) => {
          const [row] = await sql<{ paidBack: string }>(statements.PAY_BACK, idOf(operation));
          if (row) return { paidBack: safeInteger(row.paidBack, 'the amount') };
          throw new Rejection('NotDebited', `${about(operation)} debited nothing that could be paid back`);
        },
        () => ({ statement: statements.PAY_BACK_AT_ONCE, values: idOf(operation) }),
      ),
  } satisfies Undoable<Move, { debited: number }>;

  /** Pays money into an account. It can be spent from then on. */
  const credit = {
    action: doing({
      kind: 'credit',
      statement: statements.CREDIT,
      atOnce: statements.CREDIT_AT_ONCE,
      resultOf: (credited) => ({ credited }),
    }),
    /** Takes it back. Where it was spent meanwhile, or is held, that fails as `AlreadySpent`, and can be asked again. */
    compensation: (operation, input) =>
      guard.undo(
        operation,
        input,
        (sql) => takeBack(sql, operation),
        () => ({ statement: statements.TAKE_BACK_AT_ONCE, values: idOf(operation) }),
      ),
  } satisfies Undoable<Move, { credited: number }>;

  async function takeBack(sql: Sql, operation: Operation): Promise<{ takenBack: number }> {
    type Row = { account: string; available: string; amount: string; done: boolean };
    const [row] = await sql<Row>(statements.TAKE_BACK, idOf(operation));
    if (row === undefined)
      throw new Rejection('NotCredited', `${about(operation)} credited nothing that could be taken back`);
    const amount = safeInteger(row.amount, 'the amount');
    if (row.done) return { takenBack: amount };
    const available = formatCents(row.available);
    throw new Rejection(
      'AlreadySpent',
      `account ${row.account} of ${name} has ${available} left of the ${formatCents(amount)} that are to be taken back`,
    );
  }

  /** What is done with a hold in phase 2. */
  const ending = (operation: Operation, statement: string) => async (sql: Sql) => {
    const [row] = await sql<{ amount: string }>(statement, idOf(operation));
    if (row) return safeInteger(row.amount, 'the amount');
    throw new Rejection('NotHeld', `${about(operation)} holds nothing`);
  };

  /** Holds money of an account, then takes it out. */
  const withdraw = {
    try: doing({
      kind: 'debit',
      statement: statements.FREEZE,
      atOnce: statements.FREEZE_AT_ONCE,
      resultOf: (held) => ({ held }),
    }),
    confirm: (operation, input) =>
      guard.confirm(operation, input, async (sql) => ({
        debited: await ending(operation, statements.CONFIRM_DEBIT)(sql),
      })),
    cancel: (operation, input) =>
      guard.undo(operation, input, async (sql) => ({
        released: await ending(operation, statements.RELEASE_DEBIT)(sql),
      })),
  } satisfies TryConfirmCancel<Move, { held: number }>;

  /** Sees to it that an account can be paid, then pays money into it. It can be spent once that is confirmed. */
  const deposit = {
    try: doing({
      kind: 'credit',
      statement: statements.EXPECT,
      atOnce: statements.EXPECT_AT_ONCE,
      resultOf: (held) => ({ held }),
    }),
    confirm: (operation, input) =>
      guard.confirm(operation, input, async (sql) => ({
        credited: await ending(operation, statements.CONFIRM_CREDIT)(sql),
      })),
    cancel: (operation, input) =>
      guard.undo(operation, input, async (sql) => ({
        released: await ending(operation, statements.RELEASE_CREDIT)(sql),
      })),
  } satisfies TryConfirmCancel<Move, { held: number }>;

  return {
    ...{ debit, credit, withdraw, deposit },
    ...createLock({ name, guard }),
    ...createSending({ name, guard }),
    ...createBuying({ name, guard }),
    move: createMove({ name, database, phase2, prepared }),
  };
}

/** What a bank is made of: its database, and what sees to it that everything happens once there. */
interface BankOf {
  readonly name: BankName;
  readonly database: Database;
  /** As in `PreparedOptions`. */
  readonly phase2?: Database;
  readonly guard: Guard;
  readonly prepared: Prepared;
}

export type Bank = ReturnType<typeof createBank>;

/** How phase 1 is done: alone, and with the guard's row in one statement. Both come to the same result. */
interface Doing<Result> {
  readonly kind: 'debit' | 'credit';
  readonly statement: string;
  readonly atOnce: Statement;
  readonly resultOf: (amount: number) => Result;
}

/** An account as phase 1 found it. */
interface Found extends FoundAccount {
  readonly done: boolean;
}

function idOf({ gid, branch }: Operation): string[] {
  return [gid, branch];
}

function valuesOf(operation: Operation, { account, amount }: Move): unknown[] {
  return [...idOf(operation), account, amount];
}
