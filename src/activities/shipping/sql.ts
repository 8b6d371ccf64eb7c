/** The statements of the shipping database. */

/** Dispatches an order. No row: it was dispatched before. */
export const DISPATCH = `
insert into shipments (order_id, customer_id, sku, units) values ($1, $2, $3, $4)
on conflict (order_id) do nothing
returning shipment_id`;
