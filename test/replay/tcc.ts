import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { transferSagaLockedTransaction, transferTransactions } from '../../src/contracts/transactions.js';
import { demoAccounts, type Transfer } from '../../src/contracts/transfer.js';
import { runJob } from '../../src/kit/client/index.js';
import { atTheDesk, ended, whenStep, type Path, type Way } from './ways.js';

/** The paths of transfers, and of orders by TCC. */

export const tccOrders: Readonly<Record<string, Path>> = {
  'tcc-placed': {},
  'tcc-stock-short': { order: { units: 100_000 } },
  'tcc-shipped-after-retries': { fault: 'shipping.dispatch.action:fail=2' },
  'tcc-notify-skipped': { fault: 'notifications.orderPlaced.action:refuse', then: atTheDesk('notify', 'skip') },
  'tcc-order-settled': { fault: 'shipping.dispatch.action:hang=1', then: ended('shipping.dispatch.action') },
};

/** A transfer by each scheme, and by a saga with a semantic lock. */
export const transferWays = { ...transferTransactions, locked: transferSagaLockedTransaction } as const;

/** A way that a transfer can go. */
export interface TransferWay extends Way {
  readonly scheme: keyof typeof transferWays;
  readonly input: (id: string) => Transfer;
}

/** A transfer of so many cents from each of two accounts to a third. */
export const amounts =
  (amount: number) =>
  (id: string): Transfer => ({
    id,
    from: [
      { bank: 'bank_a', account: 'alice', amount },
      { bank: 'bank_b', account: 'bob', amount },
    ],
    to: [{ bank: 'bank_c', account: 'carol', amount: 2 * amount }],
  });
const saga = { scheme: 'saga', input: amounts(100) } as const;
const locked = { scheme: 'locked', input: amounts(100) } as const;
const tcc = { scheme: 'tcc', input: amounts(100) } as const;
const short = { scheme: 'tcc', input: amounts(1_000_000) } as const;

export const transfers: Readonly<Record<string, TransferWay>> = {
  transferred: saga,
  'transfer-refused': { ...saga, fault: 'bank_c.credit.action:refuse' },
  'locked-transferred': locked,
  'locked-refused': { ...locked, fault: 'bank_c.credit.action:refuse' },
  'locked-settled': { ...locked, fault: 'bank_c.credit.action:hang=1', then: ended('bank_c.credit.action') },
  'tcc-transferred': tcc,
  'tcc-lean-transferred': { ...tcc, call: { lane: 'lean' } },
  'tcc-refused': short,
  'tcc-lean-refused': { ...short, call: { lane: 'lean' } },
  'tcc-try-unknown': { ...tcc, fault: 'bank_b.withdraw.try:die-after-commit=10' },
  'tcc-deadline-exceeded': { ...tcc, fault: 'bank_c.deposit.try:hang=4', call: { deadline: '5 seconds' } },
  'tcc-cancelled': { ...tcc, fault: 'bank_c.deposit.try:hang=4', then: whenStep('bank_c.deposit.try') },
  'tcc-cancelled-while-it-confirms': {
    ...tcc,
    fault: 'bank_c.deposit.confirm:hang=1',
    then: whenStep('bank_c.deposit.confirm'),
  },
  'tcc-confirmed-after-retries': { ...tcc, fault: 'bank_a.withdraw.confirm:fail=2' },
  'tcc-confirm-resolved': {
    ...tcc,
    fault: 'bank_a.withdraw.confirm:fail=1000',
    call: { forwardWindow: '2 seconds' },
    then: atTheDesk('from-1', 'resolve'),
  },
  'tcc-confirm-skipped': {
    ...tcc,
    fault: 'bank_a.withdraw.confirm:fail=1000',
    call: { forwardWindow: '2 seconds' },
    then: atTheDesk('from-1', 'skip'),
  },
  'tcc-cancel-skipped': {
    ...tcc,
    // It is held, and nobody hears of it: all is cancelled.
    fault: 'bank_a.withdraw.try:die-after-commit=10,bank_b.withdraw.cancel:fail=1000',
    call: { compensationWindow: '2 seconds' },
    then: atTheDesk('from-2', 'skip'),
  },
  'tcc-settled-and-confirmed': {
    ...tcc,
    fault: 'bank_a.withdraw.confirm:hang=1',
    then: ended('bank_a.withdraw.confirm'),
  },
  'tcc-settled-and-cancelled': { ...tcc, fault: 'bank_c.deposit.try:hang=1', then: ended('bank_c.deposit.try') },
};

export function openAccounts(client: Client, where: { readonly taskQueue: string }): Promise<void> {
  const another = { bank: 'bank_a', accounts: ['anton'], cents: 0 } as const;
  return runJob(client, where, 'openBanks', `open-banks-${randomUUID()}`, [[...demoAccounts, another]]);
}
