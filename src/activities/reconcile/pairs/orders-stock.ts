import { orderGid } from '../../../contracts/place-order.js';
import type { Database, Operation, Pair } from '../../../kit/database/index.js';
import type { Inventory } from '../../inventory/index.js';
import { endHold } from '../holds.js';
import { wasIn } from '../moves.js';
import { orderPair, SINCE, unlessLeft, type OrderDatabases } from '../orders.js';

const CAME_BACK = `select order_id from recalls where status = 'returned' and order_id = any ($1)`;

interface ReservationRow {
  readonly order_id: string;
  readonly sku: string;
  readonly units: number;
  readonly status: 'frozen' | 'reserved' | 'released';
  readonly branch: string | null;
}

/**
 * An order that stands has its stock; any other has none reserved or frozen, but for one that the state table has created, and one that was
 * refunded though its goods did not come back: these are its customer's, or lost, and for sale they are not.
 */
export function ordersStock(databases: OrderDatabases & { readonly inventory: Database }, inventory: Inventory): Pair {
  const release = {
    what: 'puts the units back',
    run: ({ key: orderId, data }: { key: string; data?: unknown }, operation: Operation) =>
      inventory.release.action(operation, [orderId, (data as { sku: string }).sku]),
  };
  const pair = orderPair<ReservationRow>(databases, {
    name: 'orders-stock',
    what: 'an order that stands has its stock, and no other has any',
    classes: {
      'placed-but-not-reserved': {
        what: 'the order stands, or was refunded and its goods did not come back, and no stock is reserved for it',
      },
      'reserved-but-cancelled': { what: 'the order is cancelled, and its stock was not released', repair: release },
      'occupied-but-no-order': { what: 'stock is reserved, and there is no order of its id', repair: release },
      'reserved-but-open': { what: 'the order is created and has its stock, and no transaction takes care of it' },
      'returned-but-not-restocked': { what: 'the parcel came back, and its stock was not released', repair: release },
      'reservation-differs': { what: 'the reservation is of other units than the order' },
      'reserved-twice': { what: 'an order has two reservations' },
      'stock-hold-forgotten': {
        what: 'units are frozen for an order whose transaction has ended, or that has none',
        repair: {
          what: 'reserves or thaws them, as its transaction has decided',
          run: ({ data }, operation) => {
            const { row, end } = data as { row: ReservationRow; end: 'confirm' | 'cancel' };
            const { order_id: orderId, sku, units } = row;
            const own = endHold(operation, { gid: orderGid(orderId), branch: row.branch ?? 'reserve-stock', op: end });
            return inventory.freeze[end](own, { orderId, sku, units });
          },
        },
      },
    },
    sides: [
      `select order_id as key, units || ' ' || sku as value from orders
      where (status in ('placed', 'lost', 'WAIT_PAY', 'PAID', 'WAIT_DELIVER', 'DELIVERED', 'REFUNDING', 'COMPLETED')
        or status = 'REFUNDED' and ${wasIn('REFUNDING.KEPT')}) and created_at >= ${SINCE}`,
      `select order_id as key, case status when 'frozen' then 'frozen ' else '' end || units || ' ' || sku as value
      from reservations where status in ('reserved', 'frozen') and reserved_at >= ${SINCE}`,
    ],
    database: databases.inventory,
    rows: `
select reservations.order_id, sku, units, status, guard.branch from reservations
left join backstitch.guard on status = 'frozen' and gid = 'order-' || order_id and phase = 1 and function = 'inventory.freeze.try'
where order_id = any ($1)`,
    judge(orderId, { order, rows, hasLeft, asked }) {
      const [reservation, second] = rows;
      if (second !== undefined) return { class: 'reserved-twice', detail: `it has ${rows.length} reservations` };
      const stands = order?.status === 'placed' || order?.status === 'lost';
      const words = reservation && `${reservation.units} ${reservation.sku} ${reservation.status}`;
      if (reservation?.status === 'frozen') {
        const known = order !== undefined && order.status !== 'created';
        return {
          ...{ class: 'stock-hold-forgotten', detail: `${words}, and the order is ${order?.status ?? 'not there'}` },
          data: { row: reservation, end: stands ? 'confirm' : 'cancel' },
          ...(known ? {} : { unsafe: 'what its transaction has decided is not known' }),
        };
      }
      const isReserved = reservation?.status === 'reserved';
      if (stands) {
        const due = `${order.units} ${order.sku} reserved`;
        if (!isReserved)
          return { class: 'placed-but-not-reserved', detail: `${due} are due, there is ${words ?? 'nothing'}` };
        return words === due
          ? undefined
          : { class: 'reservation-differs', detail: `${due} are due, there is ${words}` };
      }
      // It was refunded after its parcel had left: what is due depends on whether that came back.
      const isKept = order?.lifecycle === true && order.status === 'returned' && hasLeft;
      if (!isReserved && isKept) {
        const due = `${order.units} ${order.sku} reserved`;
        const detail = `its goods did not come back: ${due} are due, there is ${words ?? 'nothing'}`;
        return { class: 'placed-but-not-reserved', detail, data: { unlessBack: true } satisfies ByParcel };
      }
      if (!isReserved) return undefined;
      if (isKept) {
        const detail = `${words}, the order was refunded, and its parcel came back`;
        return {
          class: 'returned-but-not-restocked',
          detail,
          data: { sku: reservation.sku, ifBack: true } satisfies ByParcel,
        };
      }
      const detail = `${words}, and the order is ${order?.status ?? 'not there'}`;
      const found = {
        detail,
        data: { sku: reservation.sku } satisfies ByParcel,
        ...unlessLeft(hasLeft && order?.status !== 'returned'),
      };
      if (order === undefined) return { class: 'occupied-but-no-order', ...found };
      // Created by the state table it waits for its payment, for as long as that takes.
      if (order.status === 'created') return asked === 'success' ? undefined : { class: 'reserved-but-open', detail };
      return {
        class: order.status === 'cancelled' ? 'reserved-but-cancelled' : 'returned-but-not-restocked',
        ...found,
      };
    },
  });
  return {
    ...pair,
    async judge(keys, look) {
      const drifts = await pair.judge(keys, look);
      const doubtful = drifts.filter(({ data }) => isByParcel(data)).map(({ key }) => key);
      if (doubtful.length === 0) return drifts;
      const back = new Set(
        (await databases.shipping.run<{ order_id: string }>(CAME_BACK, [doubtful])).map(({ order_id }) => order_id),
      );
      return drifts.filter(({ key, data }) => !isByParcel(data) || (data.ifBack ?? false) === back.has(key));
    },
  };
}

/** What its repair needs, and whether it is none if its parcel came back, or did not. */
interface ByParcel {
  readonly sku?: string;
  readonly ifBack?: true;
  readonly unlessBack?: true;
}

function isByParcel(data: unknown): data is ByParcel {
  const { ifBack, unlessBack } = (data ?? {}) as ByParcel;
  return ifBack === true || unlessBack === true;
}
