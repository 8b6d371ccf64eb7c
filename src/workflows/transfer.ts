import { formatCents } from '../contracts/money.js';
import type { BankName, Leg, Moves, Transfer, Transferred } from '../contracts/transfer.js';
import {
  canCommit,
  halfMessage,
  localTransaction,
  prepare,
  saga,
  subscriber,
  tcc,
  threePhaseCommit,
  twoPhaseCommit,
  type Tx,
} from '../kit/workflow/index.js';
import { banks } from './bank-participants.js';

/**
 * Moves money between banks as a saga: every debit in its order, then every credit in its order. There is no pivot: what was
 * moved is moved back, newest first.
 *
 * It is not isolated: between a debit and the last credit everybody sees balances that may yet change back, and a credit that
 * is to be undone may have been spent; its undo is then asked again, and waits for a person.
 */
export const transferSaga = saga({ deadline: '10 minutes' }, moveStepByStep);

/**
 * The same, isolated from other transfers by a semantic lock: every account is locked before the first movement, and let go after
 * the last, or when all is undone: strictly, as a lock may not be let go before what was moved under it is back. Others wait for
 * their turn, or are undone. That all is moved is the pivot.
 */
export const transferSagaLocked = saga({ deadline: '10 minutes', undo: 'strict' }, async (tx, transfer: Transfer) => {
  const accounts = [...transfer.from, ...transfer.to].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const [index, { bank, account }] of accounts.entries()) {
    await tx.run(`lock-${index + 1}`, banks[bank].lock, { account }, { summary: `lock ${bank}:${account}` });
  }
  const transferred = await moveStepByStep(tx, transfer);
  for (const [index, { bank, account }] of accounts.entries()) {
    const unlock = index === 0 ? tx.pivot.bind(tx) : tx.forward.bind(tx);
    await unlock(`unlock-${index + 1}`, banks[bank].unlock, { account }, { summary: `unlock ${bank}:${account}` });
  }
  return transferred;
});

async function moveStepByStep(tx: Tx, { id, from, to }: Transfer): Promise<Transferred> {
  for (const [index, { bank, account, amount }] of from.entries()) {
    const summary = `debit ${formatCents(amount)} from ${bank}:${account}`;
    await tx.run(`from-${index + 1}`, banks[bank].debit, { account, amount }, { summary });
  }
  for (const [index, { bank, account, amount }] of to.entries()) {
    const summary = `credit ${formatCents(amount)} to ${bank}:${account}`;
    await tx.run(`to-${index + 1}`, banks[bank].credit, { account, amount }, { summary });
  }
  return { id, amount: sumOf(from) };
}

/**
 * Moves money between banks by try, confirm and cancel: every account is tried at once. What is to leave is held where it is,
 * and can be spent by nobody else; what is to come in is noted. All tried: all is moved. Anything else: all is released, and no
 * balance has changed.
 */
export const transferTcc = tcc({}, async (tx, { id, from, to }: Transfer): Promise<Transferred> => {
  await tx.parallel(
    ...from.map(({ bank, account, amount }, index) => () => {
      const summary = `hold ${formatCents(amount)} at ${bank}:${account}`;
      return tx.try(`from-${index + 1}`, banks[bank].withdraw, { account, amount }, { summary });
    }),
    ...to.map(({ bank, account, amount }, index) => () => {
      const summary = `expect ${formatCents(amount)} at ${bank}:${account}`;
      return tx.try(`to-${index + 1}`, banks[bank].deposit, { account, amount }, { summary });
    }),
  );
  return { id, amount: sumOf(from) };
});

/**
 * Moves money between banks by two-phase commit: each bank prepares all that is to be moved there, in one transaction that keeps
 * the accounts locked; all prepared: all commit. Anything else: all roll back, and nobody has seen anything of it. One bank alone
 * commits at once.
 */
export const transfer2pc = twoPhaseCommit(
  {},
  (transfer: Transfer) =>
    partsOf(transfer).map(({ bank, moves, summary }) => prepare(banks[bank].move, moves, { summary })),
  ({ id, from }): Transferred => ({ id, amount: sumOf(from) }),
);

/**
 * Moves money between banks by three-phase commit: each bank looks whether it could; then each prepares all that is to be moved
 * there; then all commit. A bank that hears nothing for too long decides by itself.
 */
export const transfer3pc = threePhaseCommit(
  {},
  (transfer: Transfer) =>
    partsOf(transfer).map(({ bank, moves, summary }) => canCommit(banks[bank].move, moves, { summary })),
  ({ id, from }): Transferred => ({ id, amount: sumOf(from) }),
);

/**
 * Moves money from one account by a message: whoever sends it debits the account, in a local transaction of its bank; the banks of the
 * others are its subscribers, and credit theirs. What was debited is not given back: a credit that is refused waits for a person.
 * Its branches are those of the saga: a transfer is one for the guards, whichever of the two was asked for it first.
 */
export const transferMessage = halfMessage(
  {},
  ({ from: [source], to }: Transfer) => {
    if (source === undefined) throw new TypeError('a transfer has an account that gives');
    const { bank, account, amount } = source;
    const summary = `debit ${formatCents(amount)} from ${bank}:${account}`;
    return {
      local: localTransaction(banks[bank].debit, { account, amount }, { branch: 'from-1', summary }),
      to: to.map((target, index) => {
        const { bank, account, amount } = target;
        const summary = `credit ${formatCents(amount)} to ${bank}:${account}`;
        return subscriber(`to-${index + 1}`, banks[bank].credit, { account, amount }, { summary });
      }),
    };
  },
  ({ id, from }): Transferred => ({ id, amount: sumOf(from) }),
);

/**
 * Moves money from one account by messages of its bank's outbox: the bank debits it and adds a message for each account that gets something,
 * in one transaction, which is all of this; its relay delivers them. What was debited is not given back: a credit that is refused is
 * a dead letter, and waits for a person.
 */
export const transferOutbox = saga({ deadline: '10 minutes' }, async (tx, { id, from, to }: Transfer) => {
  const [source] = from;
  if (source === undefined) throw new TypeError('a transfer has an account that gives');
  const { bank, account, amount } = source;
  const summary = `debit ${formatCents(amount)} from ${bank}:${account}, and tell the others' banks`;
  await tx.pivot('from-1', banks[bank].send, { account, amount, to }, { summary });
  return { id, amount } satisfies Transferred;
});

/** What each bank is asked. */
function partsOf({ from, to }: Transfer) {
  return (Object.keys(banks) as BankName[]).flatMap((bank) => {
    const moves: Moves = { from: movesOf('from', from, bank), to: movesOf('to', to, bank) };
    const [out, into] = [moves.from.length, moves.to.length];
    return out + into === 0 ? [] : [{ bank, moves, summary: `${bank}: ${out} debits, ${into} credits` }];
  });
}

/** What is moved at one bank, each under the name that it has in every scheme. */
function movesOf(side: 'from' | 'to', legs: readonly Leg[], at: BankName): Moves['from'] {
  return legs.flatMap(({ bank, account, amount }, index) =>
    bank === at ? [{ leg: `${side}-${index + 1}`, account, amount }] : [],
  );
}

/** The order in which accounts are locked, the same for all transfers. */
function keyOf({ bank, account }: Leg): string {
  return `${bank}:${account}`;
}

function sumOf(legs: readonly Leg[]): number {
  return legs.reduce((sum, { amount }) => sum + amount, 0);
}
