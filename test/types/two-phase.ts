import { participant, prepare, twoPhaseCommit, type TwoPhase, type Undoable } from '../../src/kit/workflow/index.js';

/** What compiles, and what must not: `tsc` checks this file; nothing of it runs. */

interface Bank {
  move: TwoPhase<{ account: string; amount: number }>;
  debit: Undoable<string, string>;
}
const bank = participant<Bank>('bank');

export const transfer = twoPhaseCommit(
  { deadline: '5 seconds' },
  (amount: number) => [prepare(bank.move, { account: 'alice', amount })],
  (amount) => ({ amount }),
);

// @ts-expect-error the input is another one
prepare(bank.move, { account: 'alice', amount: '1' });
// @ts-expect-error it cannot be prepared
prepare(bank.debit, 'alice');
// @ts-expect-error its only lane is durable
twoPhaseCommit({ lane: 'lean' }, () => []);
