import { parserOf } from '../kit/client/index.js';
import type { PlaceOrder } from './place-order.js';
import { transferSchema, type Transfer, type Transferred } from './transfer.js';

/** What callers of the state table give and get: nothing between them and the services, and nothing is undone. */

/** A transfer by the state table: one account gives, another one gets. */
const transferByStateTableSchema = transferSchema.superRefine(({ from, to }, context) => {
  for (const [side, { length }] of Object.entries({ from, to })) {
    const message = `${side}: ${length} accounts: must be 1 by the state table, as nothing of it is undone`;
    if (length > 1) context.addIssue({ code: 'custom', message, path: [] });
  }
});
export const parseTransferByStateTable = parserOf(transferByStateTableSchema);

/** What an order answers that was created by the state table: it waits for its payment. */
export interface CreatedByStateTable {
  orderId: string;
  pointsSpent: number;
}

/** How it is asked for. */
export interface AskedOfCaller {
  /** How long it may take, in milliseconds. */
  readonly withinMs: number;
  /** The id was made for this call: nobody can have asked for it before. Default: false */
  readonly isNew?: boolean;
}

/**
 * What asks for it, in a process of its own. Each throws what a transaction of any scheme does: TransactionCompensated where it was
 * refused and nothing happened, TransactionPending where it is not known yet or a person has it, TransactionFailed where a person
 * has left it; ConfigError if the callers' database cannot be used and the id is new: nothing was begun then.
 */
export interface StateTableCaller {
  /** @throws InvalidInput for an account that is not there, or cannot be paid */
  transfer(transfer: Transfer, asked: AskedOfCaller): Promise<Transferred>;
  /** @throws InvalidInput for a customer that is not there */
  placeOrder(order: PlaceOrder, asked: AskedOfCaller): Promise<CreatedByStateTable>;
  close(): Promise<void>;
}
