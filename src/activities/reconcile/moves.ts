import type { Database } from '../../kit/database/index.js';

/** Where an order with a lifecycle has been, within the orders database: its final state alone does not tell. */

/** That an order has come to a state, by its moves. */
export function wasIn(state: string): string {
  return `exists (select from order_moves where id = order_id and to_state = '${state}')`;
}

/** Refunded after its parcel had left. */
export const REFUNDED_AFTER_LEAVING = `status = 'REFUNDED' and ${wasIn('DELIVERED')}`;

/** Its refund says `refundDone`; a person who has seen to it by hand says `refunded`. */
const BY_HAND = `
select actor, reason from order_moves where id = $1 and event = 'refunded' order by version desc limit 1`;

/** Why nothing of an order is a program's to give back: a person has said that it is refunded, by hand. */
export async function refundedByHand(orders: Database, orderId: string): Promise<string | undefined> {
  const [move] = await orders.run<{ actor: string; reason: string | null }>(BY_HAND, [orderId]);
  return move && `${move.actor} has said that it is refunded, by hand: ${move.reason ?? ''}`;
}
