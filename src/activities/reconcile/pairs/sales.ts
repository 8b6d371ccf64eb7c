import type { SaleOrderStatus } from '../../../contracts/sale.js';
import {
  haveForgotten,
  type Database,
  type Drift,
  type Guard,
  type OccupiedRow,
  type Pair,
} from '../../../kit/database/index.js';
import { createSaleOrders } from '../../orders/sale.js';
import { sidedPair } from '../local.js';
import { SINCE } from '../orders.js';

/**
 * Flash sales: what is occupied of a sale and the orders of its purchases, in two databases; and what a sale has with what was occupied of
 * it and what the stock has given to it, in one.
 */

interface UnitsRow extends OccupiedRow {
  readonly isOverdue: boolean;
}

interface OrderRow extends Pick<OccupiedRow, 'id' | 'pool' | 'holder' | 'units'> {
  readonly status: SaleOrderStatus;
}

type Of = Readonly<Record<'orders' | 'inventory', Database>>;

/** After how long it is drift that nobody has reclaimed what is due: some rounds of the reclaim, and a moment. */
const OVERDUE_MINUTES = 15;

const OVERDUE = `state = 'occupied' and due_at < now() - interval '${OVERDUE_MINUTES} minutes'`;

const ms = (column: string, name: string) => `(extract(epoch from ${column}) * 1000)::float8 as "${name}"`;
const UNITS = `
select id, pool, holder, units, state, ${ms('occupied_at', 'occupiedAt')}, ${ms('due_at', 'dueAt')}, ${ms('ended_at', 'endedAt')},
  ${OVERDUE} as "isOverdue"
from backstitch.occupancy where id = any ($1)`;
const ORDERS = `
select order_id as id, sale as pool, customer_id as holder, units, status
from sale_orders where order_id = any ($1)`;

/** What of the units stands beside what of the order, when nothing is under way. */
const ENDS = `case status when 'paid' then 'consumed' when 'unpaid' then 'occupied' else 'released' end`;

/** Units of a sale are consumed for an order that is paid, and released only after their order was kept out. */
export function salesOrders({ orders, inventory }: Of, guard: Guard): Pair {
  const saleOrders = createSaleOrders(orders);
  return {
    name: 'sales-orders',
    what: 'units of a sale are consumed for an order that is paid, and released only when none can stand',
    by: 'ranges',
    classes: {
      'paid-but-released': { what: 'the purchase is paid, and its units were released: they may be sold twice' },
      'consumed-but-not-paid': { what: 'the units are consumed, and their order is not paid' },
      'released-but-not-barred': {
        what: 'the units were released, and their order waits for its payment, or may still come',
        repair: {
          what: 'cancels it, or keeps it out',
          run: ({ data }, operation) => {
            const units = data as UnitsRow;
            return guard.apply(operation, { id: units.id }, async () => {
              const barred = await saleOrders.bar([units]);
              if (barred.get(units.id) !== 'barred') throw new Error('it was paid meanwhile, and its units are gone');
              return { barred: true };
            });
          },
        },
      },
      'order-without-units': { what: 'there is an order of a sale, and nothing was ever occupied for it' },
      'occupied-overdue': { what: 'the units were to be paid or reclaimed long ago, and nobody has done so' },
      'sale-order-differs': { what: 'the order of a sale is of other units, another sale or another customer' },
    },
    sides: [
      {
        parts: [
          {
            database: inventory,
            rows: `select id as key, case when ${OVERDUE} then 'overdue' else state end || ' ' || units || ' ' || pool || ' ' || holder as value
            from backstitch.occupancy where occupied_at >= ${SINCE}`,
          },
        ],
      },
      {
        parts: [
          {
            database: orders,
            rows: `select order_id as key, ${ENDS} || ' ' || units || ' ' || sale || ' ' || customer_id as value
            from sale_orders where submitted_at >= ${SINCE}`,
          },
        ],
      },
    ],
    // No transaction has them: what is on its way is told by the sequence in which they are read, and by what they are due.
    gidsOf: () => [],
    async judge(keys) {
      // The order comes after its units, is paid before they are consumed, and barred before they are released. So, read later, it is as
      // far as they were; only what was not occupied yet may be by then.
      const before = await inventory.run<UnitsRow>(UNITS, [keys]);
      const found = new Map((await orders.run<OrderRow>(ORDERS, [keys])).map((order) => [order.id, order]));
      const occupied = new Map(before.map((row) => [row.id, row]));
      const alone = [...found.keys()].filter((id) => !occupied.has(id));
      const late = alone.length === 0 ? [] : await inventory.run<UnitsRow>(UNITS, [alone]);
      const since = new Set(late.map(({ id }) => id));
      // Units are forgotten before their orders are.
      const sales = alone.flatMap((id) => found.get(id)?.pool ?? []);
      const past = sales.length === 0 ? new Set<string>() : await haveForgotten(inventory, sales);
      const isPast = (key: string) => !occupied.has(key) && past.has(found.get(key)?.pool ?? '');
      return keys.flatMap((key) =>
        since.has(key) || isPast(key) ? [] : (judge(key, occupied.get(key), found.get(key)) ?? []),
      );
    },
  };
}

function judge(key: string, units: UnitsRow | undefined, order: OrderRow | undefined): Drift | undefined {
  const detail = `units: ${units ? `${wordsOf(units)}, ${units.state}` : 'none'}; order: ${order ? `${wordsOf(order)}, ${order.status}` : 'none'}`;
  if (units === undefined) return order === undefined ? undefined : { class: 'order-without-units', key, detail };
  if (order !== undefined && wordsOf(units) !== wordsOf(order)) return { class: 'sale-order-differs', key, detail };
  const status = order?.status ?? 'none';
  if (units.state === 'consumed')
    return status === 'paid' ? undefined : { class: 'consumed-but-not-paid', key, detail };
  if (units.state === 'released') {
    if (status === 'paid') return { class: 'paid-but-released', key, detail };
    if (status === 'barred' || status === 'cancelled') return undefined;
    return { class: 'released-but-not-barred', key, detail, data: units };
  }
  return units.isOverdue ? { class: 'occupied-overdue', key, detail } : undefined;
}

function wordsOf({ units, pool, holder }: UnitsRow | OrderRow): string {
  return `${units} of ${pool} for ${holder}`;
}

/** A sale has given away what was occupied of it and not released, but for what was consumed and forgotten: read at one moment. */
export function salesUnits({ inventory }: Pick<Of, 'inventory'>): Pair {
  return sidedPair({
    ...ofOneDatabase(inventory, [
      `select pool as key, (units - free - returned - past_consumed)::text as value from backstitch.occupancy_pools
      where units <> free + returned + past_consumed`,
      `select pool as key, sum(units)::text as value from backstitch.occupancy where state <> 'released' group by pool`,
    ]),
    name: 'sales-units',
    what: 'what a sale has given away is what was occupied of it and not released',
    nouns: ['given away', 'occupied'],
    classes: {
      missing: ['sale-units-gone', 'units of a sale are gone, and nobody has any'],
      surplus: ['sale-units-not-deducted', 'units of a sale are occupied, and it has given away none'],
      differs: ['sale-units-differ', 'a sale has given away more, or fewer units than were occupied'],
    },
  });
}

/** The stock has given to sales what they were opened with, and got back what they have returned: read at one moment. */
export function salesStock({ inventory }: Pick<Of, 'inventory'>): Pair {
  return sidedPair({
    ...ofOneDatabase(inventory, [
      `select terms ->> 'sku' as key, sum(units - returned)::text as value from backstitch.occupancy_pools
      group by 1 having sum(units - returned) <> 0`,
      `select sku as key, (-sum(amount))::text as value from stock_entries where kind in ('sale', 'unsold')
      group by sku having sum(amount) <> 0`,
    ]),
    name: 'sales-stock',
    what: 'the units of sales are those that the stock has given to them and not got back',
    nouns: ['sales', 'stock'],
    classes: {
      missing: ['sale-without-stock', 'sales have units of an article, and the stock has given them none'],
      surplus: ['stock-without-sale', 'the stock has given units of an article to sales, and none has any'],
      differs: ['sale-stock-differs', 'sales have more, or fewer units of an article than the stock has given them'],
    },
  });
}

function ofOneDatabase(database: Database, [one, other]: readonly [string, string]) {
  const side = (rows: string) => ({ parts: [{ database, rows }] });
  return { by: 'buckets' as const, gidsOf: () => [], sides: [side(one), side(other)] as const };
}
