import type { StepNeeds } from '../kit/client/index.js';
import { orderGid } from './place-order.js';
import { lostGid, recallGid, returnedGid } from './recall-order.js';
import { transferGid } from './transfer.js';

/** What is known of a kind of transaction beside what the guards tell. */
interface Known {
  /** How its ids begin. */
  readonly gids: string;
  /** Which steps have to come before a step. */
  readonly needs: StepNeeds;
}

/** The kinds of transactions of the shop, as their ids tell them. What is done for an order needs the order. */
export const knownTransactions = {
  order: {
    gids: orderGid(''),
    needs: { announce: ['create-order'], pay: ['create-order'], 'reserve-stock': ['create-order'] },
  },
  transfer: { gids: transferGid(''), needs: {} },
  recall: { gids: recallGid(''), needs: {} },
  returned: { gids: returnedGid(''), needs: {} },
  lost: { gids: lostGid(''), needs: {} },
} as const satisfies Record<string, Known>;

export type KnownTransaction = keyof typeof knownTransactions;
