/** Where an order with a lifecycle has been, within the orders database: its final state alone does not tell. */

/** That an order has come to a state, by its moves. */
export function wasIn(state: string): string {
  return `exists (select from order_moves where id = order_id and to_state = '${state}')`;
}

/** Refunded after its parcel had left. */
export const REFUNDED_AFTER_LEAVING = `status = 'REFUNDED' and ${wasIn('DELIVERED')}`;
