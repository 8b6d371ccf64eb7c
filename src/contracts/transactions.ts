import { parserOf, type MessageContract, type TransactionContract } from '../kit/client/index.js';
import { purchaseGid, purchaseSchema, type Purchase, type Purchased } from './bookstore.js';
import {
  choreographedOrderSchema,
  type ChoreographedOrder,
  type ChoreographedOrderInput,
  type OpenedOrder,
} from './events.js';
import { lifecycleOrderSchema, type LifecycleOrder } from './lifecycle.js';
import { formatCents } from './money.js';
import { orderLifecycleMachine } from './order-lifecycle.js';
import {
  orderGid,
  placeOrderSchema,
  placeOrderTccSchema,
  type PlacedOrder,
  type PlaceOrder,
  type PlaceOrderInput,
} from './place-order.js';
import {
  closeLostSchema,
  lostGid,
  recallGid,
  recallOrderSchema,
  refundRecalledSchema,
  returnedGid,
  type CloseLost,
  type CloseLostInput,
  type RecalledOrder,
  type RecallOrder,
  type RefundedOrder,
  type RefundRecalled,
} from './recall-order.js';
import {
  transferGid,
  transferMessageSchema,
  transferSchema,
  type Leg,
  type Transfer,
  type Transferred,
} from './transfer.js';

/** Accounts of one side of a transfer that its summary names. */
const SHOWN_LEGS = 3;

/** Every business transaction of the shop, for its callers. Workflows and activities do not load this module. */

export type PlaceOrderTransaction = TransactionContract<PlaceOrderInput, PlaceOrder, PlacedOrder>;

/** Places an order; see the workflow `placeOrder`. */
export const placeOrderTransaction: PlaceOrderTransaction = {
  workflow: 'placeOrder',
  scheme: 'saga',
  parse: parserOf(placeOrderSchema),
  gid: (order) => orderGid(order.orderId),
  summary: ({ orderId, customerId, units, sku, amount }) =>
    `order ${orderId}: ${units} ${sku} for ${formatCents(amount)}, customer ${customerId}`,
  details: ({ orderId, customerId, sku, units, amount, sequence }) =>
    [
      '| order | customer | what | units | amount | sequence |',
      '| --- | --- | --- | --- | --- | --- |',
      `| ${orderId} | ${customerId} | ${sku} | ${units} | ${formatCents(amount)} | ${sequence} |`,
    ].join('\n'),
};

/**
 * Places an order by try, confirm and cancel; see the workflow `placeOrderTcc`. Nobody is told before it
 * stands: it takes neither a sequence nor an announcement.
 */
export const placeOrderTccTransaction: PlaceOrderTransaction = {
  ...placeOrderTransaction,
  workflow: 'placeOrderTcc',
  scheme: 'tcc',
  parse: parserOf(placeOrderTccSchema),
};

/**
 * Opens an order that no orchestrator has: it is created, and the services are told, who then react to each other's events; see the
 * workflow `placeOrderChoreographed`. It has ended when that is done: what becomes of the order the projection tells.
 */
export const placeOrderChoreographedTransaction: TransactionContract<
  ChoreographedOrderInput,
  ChoreographedOrder,
  OpenedOrder
> = {
  workflow: 'placeOrderChoreographed',
  scheme: 'saga',
  parse: parserOf(choreographedOrderSchema),
  gid: ({ orderId }) => orderGid(orderId),
  summary: ({ orderId, customerId, units, sku, amount }) =>
    `order ${orderId}: ${units} ${sku} for ${formatCents(amount)}, customer ${customerId}, choreographed`,
};

/**
 * An order that lives for weeks; see the workflow `orderLifecycle`. Its gid is that of every other scheme: the id of an order is one order in
 * all of them.
 */
export const orderLifecycleContract = {
  workflow: 'orderLifecycle',
  machine: orderLifecycleMachine,
  // Only where one is opened: one that has such an id goes on.
  parse: parserOf(
    lifecycleOrderSchema.refine(({ orderId }) => !orderId.includes('.'), {
      path: ['orderId'],
      error: 'must have no dots in an order with a lifecycle: what it begins has ids that are made with them',
    }),
  ),
  gid: orderGid,
  summary: ({ orderId, customerId, units, sku, amount }: LifecycleOrder) =>
    `order ${orderId}: ${units} ${sku} for ${formatCents(amount)}, customer ${customerId}, with its whole life`,
};

/** An order by each scheme: the id of an order is one transaction in all of them. */
export const placeOrderTransactions = { saga: placeOrderTransaction, tcc: placeOrderTccTransaction } as const;

/** Recalls a placed order; see the workflow `recallOrder`. */
export const recallOrderTransaction: TransactionContract<RecallOrder, RecallOrder, RecalledOrder> = {
  workflow: 'recallOrder',
  scheme: 'saga',
  parse: parserOf(recallOrderSchema),
  gid: ({ orderId }) => recallGid(orderId),
  summary: ({ orderId, actor, reason }) => `recall order ${orderId}, asked by ${actor}: ${reason}`,
};

/** Refunds a recalled order whose parcel came back; see the workflow `refundRecalled`. */
export const refundRecalledTransaction: TransactionContract<RefundRecalled, RefundRecalled, RefundedOrder> = {
  workflow: 'refundRecalled',
  scheme: 'saga',
  parse: parserOf(refundRecalledSchema),
  gid: ({ orderId }) => returnedGid(orderId),
  summary: ({ orderId }) => `order ${orderId} came back: refund it`,
};

/** Closes a recalled order whose parcel is lost; see the workflow `closeLost`. */
export const closeLostTransaction: TransactionContract<CloseLostInput, CloseLost, { orderId: string }> = {
  workflow: 'closeLost',
  scheme: 'saga',
  parse: parserOf(closeLostSchema),
  gid: ({ orderId }) => lostGid(orderId),
  summary: ({ orderId, actor, reason }) => `the parcel of order ${orderId} is lost, says ${actor}: ${reason}`,
};

const transfer = {
  parse: parserOf(transferSchema),
  gid: ({ id }: Transfer) => transferGid(id),
  summary: ({ id, from, to }: Transfer) => `transfer ${id}: from ${legsOf(from)} to ${legsOf(to)}`,
  details: ({ from, to }: Transfer) =>
    [
      '| side | bank | account | amount |',
      '| --- | --- | --- | --- |',
      ...Object.entries({ from, to }).flatMap(([side, legs]) =>
        legs.map(({ bank, account, amount }) => `| ${side} | ${bank} | ${account} | ${formatCents(amount)} |`),
      ),
    ].join('\n'),
};

/** Moves money between banks as a saga; see the workflow `transferSaga`. */
export const transferSagaTransaction: TransactionContract<Transfer, Transfer, Transferred> = {
  workflow: 'transferSaga',
  scheme: 'saga',
  ...transfer,
};

/** Moves money between banks as a saga that locks their accounts; see the workflow `transferSagaLocked`. */
export const transferSagaLockedTransaction: TransactionContract<Transfer, Transfer, Transferred> = {
  workflow: 'transferSagaLocked',
  scheme: 'saga',
  ...transfer,
};

/** Moves money between banks by try, confirm and cancel; see the workflow `transferTcc`. */
export const transferTccTransaction: TransactionContract<Transfer, Transfer, Transferred> = {
  workflow: 'transferTcc',
  scheme: 'tcc',
  ...transfer,
};

/** Moves money between banks by two-phase commit; see the workflow `transfer2pc`. */
export const transfer2pcTransaction: TransactionContract<Transfer, Transfer, Transferred> = {
  workflow: 'transfer2pc',
  scheme: '2pc',
  ...transfer,
};

/** Moves money between banks by three-phase commit; see the workflow `transfer3pc`. */
export const transfer3pcTransaction: TransactionContract<Transfer, Transfer, Transferred> = {
  workflow: 'transfer3pc',
  scheme: '3pc',
  ...transfer,
};

/**
 * Moves money from one bank's account by a message to the others' banks; see the workflow `transferMessage`. Who calls it does the debit
 * itself, by `transactionalMessage`.
 */
export const transferMessageTransaction: MessageContract<Transfer, Transfer, Transferred> = {
  workflow: 'transferMessage',
  scheme: 'message',
  ...transfer,
  parse: parserOf(transferMessageSchema),
  local: ({ from: [source] }) => {
    if (source === undefined) throw new TypeError('a transfer has an account that gives');
    const { bank, account, amount } = source;
    return { operation: `${bank}.debit`, input: { account, amount }, branch: 'from-1' };
  },
};

/**
 * Debits one account and tells the others' banks, by messages of its bank's outbox, to credit theirs; see the workflow `transferOutbox`. It
 * is made when that is decided: the credits follow.
 */
export const transferOutboxTransaction: TransactionContract<Transfer, Transfer, Transferred> = {
  workflow: 'transferOutbox',
  scheme: 'saga',
  ...transfer,
  parse: parserOf(transferMessageSchema),
};

/** A transfer by each scheme: the id of a transfer is one transfer in all of them that are workflows. */
export const transferTransactions = {
  saga: transferSagaTransaction,
  tcc: transferTccTransaction,
  '2pc': transfer2pcTransaction,
  '3pc': transfer3pcTransaction,
  message: transferMessageTransaction,
  outbox: transferOutboxTransaction,
} as const;

/**
 * Buys copies of a book; see the workflow `buyBook`. It is made when the account is debited: the book and the merchant's money follow.
 */
export const buyBookTransaction: TransactionContract<Purchase, Purchase, Purchased> = {
  workflow: 'buyBook',
  scheme: 'saga',
  parse: parserOf(purchaseSchema),
  gid: ({ id }) => purchaseGid(id),
  summary: ({ id, from: { bank, account }, book, copies, cents }) =>
    `purchase ${id}: ${copies} of ${book} for ${formatCents(cents)} from ${bank}:${account}`,
};

/** The accounts of one side; of many the first ones, as it is a part of one line. */
function legsOf(legs: readonly Leg[]): string {
  const shown = legs
    .slice(0, SHOWN_LEGS)
    .map(({ bank, account, amount }) => `${bank}:${account} ${formatCents(amount)}`);
  const more = legs.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
