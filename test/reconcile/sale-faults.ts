import type { Fault } from './faults-of.js';

/** Damage of flash sales. A base is what there is of the units and of the order: each half is that of a purchase that was really made. */
type Half = 'paid' | 'unpaid' | 'reclaimed' | 'none';
export type SaleFault = Fault<`${Half}/${Half}`>;

export const saleFaults: readonly SaleFault[] = [
  { base: 'reclaimed/paid', expect: ['paid-but-released'] },
  { base: 'paid/unpaid', expect: ['consumed-but-not-paid'] },
  { base: 'paid/reclaimed', expect: ['consumed-but-not-paid'] },
  { base: 'reclaimed/none', expect: ['released-but-not-barred'], repaired: ['released-but-not-barred'] },
  { base: 'reclaimed/unpaid', expect: ['released-but-not-barred'], repaired: ['released-but-not-barred'] },
  { base: 'none/paid', expect: ['order-without-units'] },
  {
    base: 'unpaid/unpaid',
    expect: ['occupied-overdue'],
    sql: { inventory: `update backstitch.occupancy set due_at = now() - interval '1 hour' where id = ':id'` },
  },
  {
    base: 'paid/paid',
    expect: ['sale-order-differs'],
    sql: { orders: `update sale_orders set units = units + 1 where order_id = ':id'` },
  },
];

/** The stock has given units of an article to sales. */
const given = (sku: string, units: number) =>
  `insert into stock (sku, available) values ('${sku}', 0);
  insert into stock_entries (sku, kind, amount) values ('${sku}', 'delivered', ${units}), ('${sku}', 'sale', ${-units});`;
/** A sale of five units of an article that is called like it. */
const sale = (name: string, free: number) =>
  `insert into backstitch.occupancy_pools (pool, units, free, hold_ms, terms)
  values ('${name}', 5, ${free}, 3600000, '{"sku":"${name}","cents":1}');`;
const occupied = (name: string, units: number) =>
  `insert into backstitch.occupancy (id, pool, holder, units, occupied_at, due_at)
  values ('of-${name}', '${name}', 'c1', ${units}, now(), now() + interval '1 hour');`;

/** Of sales by themselves: they come last, as until then the figures of sales are kept right. */
export const poolFaults = [
  { expect: ['sale-units-gone', 'sale-w1'], sql: `${sale('sale-w1', 0)} ${given('sale-w1', 5)}` },
  {
    expect: ['sale-units-not-deducted', 'sale-w2'],
    sql: `${sale('sale-w2', 5)} ${occupied('sale-w2', 2)} ${given('sale-w2', 5)}`,
  },
  {
    expect: ['sale-units-differ', 'sale-w3'],
    sql: `${sale('sale-w3', 2)} ${occupied('sale-w3', 2)} ${given('sale-w3', 5)}`,
  },
  { expect: ['sale-without-stock', 'sale-w4'], sql: sale('sale-w4', 5) },
  { expect: ['stock-without-sale', 'sale-w5'], sql: given('sale-w5', 5) },
  { expect: ['sale-stock-differs', 'sale-w6'], sql: `${sale('sale-w6', 5)} ${given('sale-w6', 6)}` },
].map((fault) => ({ service: 'inventory' as const, ...fault }));
