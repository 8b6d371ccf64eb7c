import { Rejection, type Guard } from '../../src/kit/database/index.js';
import type { Undoable } from '../../src/kit/workflow/index.js';
import { REFUSED, type Take } from './saga.js';
import { GIVE_BACK, TAKE } from './sql.js';

/** What takes from the accounts of one database, and gives back: one statement each, as the shop's services do. */
export function createTaker({ guard }: { guard: Guard }) {
  /** Rejections: `TooLittle`. */
  const take = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { saga, step, account, amount } = input;
        const [taken] = await sql<{ balance: number }>(TAKE, [saga, step, account, amount]);
        if (!taken) throw new Rejection(REFUSED, `${account} has less than ${amount} (${saga}, ${step})`);
        return { left: taken.balance };
      }),
    compensation: (operation, input) =>
      guard.undo(operation, input, async (sql) => {
        const { saga, step, account, amount } = input;
        const [given] = await sql(GIVE_BACK, [saga, step, account, amount]);
        if (!given) throw new Error(`there is no account ${account} (${saga}, ${step})`);
      }),
  } satisfies Undoable<Take, { left: number }>;
  return { take };
}

export type Taker = ReturnType<typeof createTaker>;
