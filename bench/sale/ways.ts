import { createSaleOrders } from '../../src/activities/orders/sale.js';
import { createOccupancy, type Database } from '../../src/kit/database/index.js';
import type { SaleWay } from './options.js';

/** A way to buy one unit. */
export interface Way {
  /** Makes the units of a sale. */
  open(sale: string, units: number): Promise<void>;
  /** Takes one of them; nothing of the order is done yet. */
  deduct(sale: string, id: string): Promise<boolean>;
  /** Submits the order of a purchase that has its unit. */
  submit(sale: string, id: string): Promise<void>;
}

/** Units taken from a row, and what is occupied, in one statement: the row is locked until it is committed. */
const TAKE = `
with taken as (
  update backstitch.occupancy_pools set free = free - 1 where pool = $1 and free >= 1 returning hold_ms
)
insert into backstitch.occupancy (id, pool, holder, units, occupied_at, due_at)
select $2, $1, $2, 1, clock_timestamp(), clock_timestamp() + hold_ms * interval '1 millisecond' from taken
returning id`;

/** The same of a row a unit, whichever nobody else has just locked. */
const TAKE_UNIT = `
with free as (
  select unit from sale_units where sale = $1 and not taken limit 1 for update skip locked
), taken as (
  update sale_units u set taken = true from free where u.sale = $1 and u.unit = free.unit returning u.unit
)
insert into backstitch.occupancy (id, pool, holder, units, occupied_at, due_at)
select $2, $1, $2, 1, clock_timestamp(), clock_timestamp() + interval '30 minutes' from taken
returning id`;
const UNITS_LEFT = 'select from sale_units where sale = $1 and not taken limit 1';

const SUBMIT = `insert into sale_orders (order_id, sale, customer_id, units, cents) values ($1, $2, $1, 1, 100)`;

/** Tables of ways that the shop does not have. */
export const BENCH_TABLES = `
create table sale_units (sale text not null, unit integer not null, taken boolean not null default false, primary key (sale, unit));
create index sale_units_free on sale_units (sale, unit) where not taken`;

export function waysOf(inventory: Database, orders: Database, stripes: number): Record<SaleWay, Way> {
  const occupancy = createOccupancy(inventory);
  const saleOrders = createSaleOrders(orders);
  const open = (sale: string, units: number, mostPerHolder?: number) =>
    inventory.transaction(async (sql) => {
      await occupancy.open(sql, { pool: sale, units, mostPerHolder });
    });
  const submit = async (sale: string, id: string) => {
    await saleOrders.submit({ id, sale, customerId: id, units: 1 }, 100);
  };
  const row: Way = { open, submit, deduct: async (sale, id) => (await inventory.run(TAKE, [sale, id])).length > 0 };
  const together: Way = {
    ...row,
    async deduct(sale, id) {
      const { answer } = await occupancy.occupy({ pool: sale, id, holder: id, units: 1 });
      if (answer !== 'occupied' && answer !== 'gone') throw new Error(answer);
      return answer === 'occupied';
    },
  };
  const stripe = (sale: string, n: number) => `${sale}/${n % stripes}`;
  return {
    'one-by-one': {
      ...row,
      async submit(sale, id) {
        await orders.run(SUBMIT, [id, sale]);
      },
    },
    row,
    stripes: {
      ...row,
      async open(sale, units) {
        const shares = Array.from({ length: stripes }, (_, n) => Math.floor((units + n) / stripes));
        for (const [n, share] of shares.entries()) await open(stripe(sale, n), share);
      },
      // Only when every one of them was seen empty there is none.
      async deduct(sale, id) {
        const first = Math.floor(Math.random() * stripes);
        for (let n = 0; n < stripes; n++) {
          if ((await inventory.run(TAKE, [stripe(sale, first + n), id])).length > 0) return true;
        }
        return false;
      },
    },
    units: {
      ...row,
      async open(sale, units) {
        await inventory.run(`insert into sale_units (sale, unit) select $1, n from generate_series(1, $2::int) n`, [
          sale,
          units,
        ]);
        await inventory.run('analyze sale_units');
      },
      async deduct(sale, id) {
        for (;;) {
          if ((await inventory.run(TAKE_UNIT, [sale, id])).length > 0) return true;
          // All that are left may be locked, by somebody who may yet not take them.
          if ((await inventory.run(UNITS_LEFT, [sale])).length === 0) return false;
        }
      },
    },
    together,
    'together-limited': { ...together, open: (sale, units) => open(sale, units, 2) },
  };
}
