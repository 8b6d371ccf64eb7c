import {
  halfMessage,
  localTransaction,
  participant,
  subscriber,
  type Forward,
} from '../../../src/kit/workflow/index.js';

/** What the message is about. */
export interface Order {
  readonly id: string;
  readonly n: number;
}

type Does = Forward<Order, { n: number }>;

const producer = participant<{ pay: Does }>('producer');
const [one, two] = [participant<{ note: Does }>('one'), participant<{ note: Does }>('two')];

export { deliverAlarms } from '../../../src/kit/workflow/index.js';

/** A payment that two others are told of. */
export const paid = halfMessage(
  {},
  (order: Order) => ({
    local: localTransaction(producer.pay, order),
    to: [subscriber('one', one.note, order), subscriber('two', two.note, order)],
  }),
  ({ n }) => n,
);
