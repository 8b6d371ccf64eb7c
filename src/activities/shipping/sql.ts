/** The statements of the shipping database. */

/** Dispatches an order. No row: it was dispatched before. */
export const DISPATCH = {
  text: `
insert into shipments (order_id, customer_id, sku, units) values ($1, $2, $3, $4::integer)
on conflict (order_id) do nothing
returning shipment_id as "shipmentId"`,
};

/** Asks the carrier for a parcel. No row: no parcel of that order has left. `recalled` false: it was asked before. */
export const RECALL = `
with parcel as materialized (
  select order_id, customer_id from shipments where order_id = $1
), asked as (
  insert into recalls (order_id, reason, actor) select order_id, $2, $3 from parcel
  on conflict (order_id) do nothing
  returning order_id
)
select parcel.customer_id, asked.order_id is not null as recalled from parcel left join asked on true`;

/** Moves a recall to what the carrier says. No row: there is none, or it was moved before. */
export const TAKE_BACK = `
with moved as (
  update recalls set status = 'returned', ended_at = now() where order_id = $1 and status = 'requested'
  returning order_id
)
select customer_id, sku from moved join shipments using (order_id)`;

/** The same where the parcel is lost, with the log row of an amends that could not be done. */
export const LOSE = `
with moved as (
  update recalls set status = 'lost', ended_at = now() where order_id = $1 and status = 'requested'
  returning order_id
)
insert into amends_log (order_id, amends, who, why) select order_id, 'recall', $2, $3 from moved
returning order_id`;

export const RECALL_STATUS = `select status from recalls where order_id = $1`;

/** Whether the parcel of an order has left. No row: it has not. */
export const PARCEL_LEFT = `select 1 from shipments where order_id = $1`;
