import { movesSchema, type BankName, type Moves } from '../../contracts/transfer.js';
import {
  Barred,
  Decided,
  DrivenElsewhere,
  Rejection,
  Suspended,
  type Database,
  type Operation,
  type Prepared,
  type Sql,
} from '../../kit/database/index.js';
import type { ThreePhase } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { refusal, type FoundAccount } from './refusal.js';
import { ANNOUNCE, DROP, LOOK, MOVE, MOVED } from './transfers-sql.js';

/**
 * All that a transfer moves at one bank, for a two-phase or a three-phase commit: one transaction, which is prepared with the
 * accounts locked.
 *
 * What is prepared nobody sees. So a row that says how much is to be moved is committed before: from the rows of all banks it can
 * be told at any moment how much of a transfer that one bank has committed, and another one not yet, is on its way. The row is
 * `announced`, until it is `moved` in the prepared transaction, or `dropped` once it is certain that nothing will be moved.
 *
 * Refused as `UnknownAccount`, `AccountFrozen`, `AccountClosed`, `InsufficientFunds`, `AccountFull` or `InvalidInput`: by the first account that
 * cannot do its part.
 */
export function createMove({ name, database, phase2 = database, prepared }: MoveOf): ThreePhase<Moves> {
  const drop = ({ gid, branch, timeoutMs }: Operation) => phase2.run(DROP, [gid, branch], timeoutMs);

  /** @throws a {@link Rejection}: why the first movement that cannot be made cannot */
  async function check(
    { gid }: Operation,
    { from, to }: Moves,
    find: (values: unknown[]) => Promise<Wrong[]>,
  ): Promise<void> {
    const legs = [
      ...from.map((each) => ({ ...each, kind: 'debit' as const })),
      ...to.map((each) => ({ ...each, kind: 'credit' as const })),
    ];
    const columns = ['leg', 'kind', 'account', 'amount'] as const;
    const wrong = await find([gid, ...columns.map((column) => legs.map((each) => each[column]))]);
    for (const each of legs) {
      const found = wrong.find(({ leg }) => leg === each.leg);
      if (found === undefined) continue;
      const { status } = found;
      throw refusal({ name, gid, ...each }, status === null ? undefined : { ...found, status });
    }
  }

  async function move(sql: Sql, operation: Operation, moves: Moves): Promise<void> {
    await check(operation, moves, (values) => sql<Wrong>(MOVE, values));
    const { gid, branch } = operation;
    const [moved] = await sql(MOVED, [gid, branch]);
    if (moved === undefined) throw new Error(`the transfer ${gid} is dropped at ${name}: try again, to hear why`);
  }

  return {
    /** Looks at the accounts as they are now, and locks nothing. */
    canCommit: (operation, input) =>
      check(operation, validInput(movesSchema, input), (values) =>
        database.run<Wrong>(LOOK, values, operation.timeoutMs),
      ),
    async prepare(operation, input) {
      const began = performance.now();
      const asked = movesSchema.safeParse(input);
      if (asked.success && operation.settle === undefined) {
        const { gid, branch, timeoutMs } = operation;
        const { from, to } = asked.data;
        await database.run(ANNOUNCE, [gid, branch, sumOf(from), sumOf(to)], timeoutMs);
      }
      try {
        // What announced it has had its part of the attempt's time.
        const rest = { ...operation, timeoutMs: operation.timeoutMs - (performance.now() - began) };
        return await prepared.prepare(rest, input, (sql) => move(sql, operation, validInput(movesSchema, input)));
      } catch (error) {
        if (NEVER.some((kind) => error instanceof kind)) await drop(operation);
        throw error;
      }
    },
    commit: (operation, input) => prepared.commit(operation, input),
    async rollback(operation, input) {
      await prepared.rollback(operation, input);
      await drop(operation);
    },
  };
}

/** What makes it certain that nothing will be moved: it was refused for good, or the gid is another transaction's. */
const NEVER = [Rejection, Suspended, Barred, Decided, DrivenElsewhere];

/** A movement that cannot be made, with its account as it is; without one, where there is none. */
interface Wrong {
  readonly leg: string;
  readonly status: FoundAccount['status'] | null;
  readonly available: string;
  readonly lockedBy: string | null;
}

interface MoveOf {
  readonly name: BankName;
  readonly database: Database;
  /** As in `PreparedOptions`. */
  readonly phase2?: Database;
  readonly prepared: Prepared;
}

/** Exact, however large. */
function sumOf(legs: Moves['from']): string {
  return String(legs.reduce((sum, { amount }) => sum + BigInt(amount), 0n));
}
