import type { LifecycleOrder } from '../../src/contracts/lifecycle.js';
import type { MatrixOptions } from '../../src/kit/testing/index.js';
import type { EffectOrder, RunOrder } from '../../src/kit/workflow/index.js';
import { OrderByHand } from '../activities/by-hand.js';
import type { MatrixShop } from './shop.js';

/** The transitions of an order's life, each as a matrix has it: how an order comes to where it begins, and what is left of it. */

type Lifted = Pick<MatrixOptions, 'workflow' | 'steps' | 'input' | 'prepare' | 'effects'>;

const CUSTOMERS = 50;
const PRICE = 2_500;

export const orderOf = (orderId: string): LifecycleOrder => {
  const customerId = `c${Number(orderId.replace(/^.*-/, '')) % CUSTOMERS}`;
  return { orderId, customerId, sku: 'cd', units: 2, amount: 2_933, coupon: `coupon-${orderId}` };
};

/** Where each begins, and with what it is asked. */
const transitions = {
  openOrder: {
    steps: { 'create-order': 'step', 'hold-coupon': 'step', 'reserve-stock': 'step', 'open-order': 'pivot' },
  },
  payForOrder: {
    move: ['pay', 'WAIT_PAY', 'PAID'],
    steps: { price: 'step', pay: 'step', move: 'pivot', 'use-coupon': 'forward' },
  },
  cancelUnpaidOrder: {
    move: ['cancel', 'WAIT_PAY', 'CANCELLED'],
    steps: { move: 'pivot', restock: 'forward', 'release-coupon': 'forward' },
  },
  cancelPaidOrder: {
    move: ['cancel', 'WAIT_DELIVER', 'CANCELLED'],
    steps: { move: 'pivot', refund: 'forward', restock: 'forward', 'give-coupon-back': 'forward' },
  },
  shipOrder: {
    move: ['ship', 'WAIT_DELIVER', 'DELIVERED'],
    steps: { move: 'pivot', ship: 'forward', notify: 'forward' },
  },
  recallParcel: {
    move: ['recall', 'DELIVERED', 'REFUNDING.RECALLED'],
    steps: { move: 'pivot', 'ask-carrier': 'forward', correct: 'forward' },
  },
  takeParcelBack: {
    move: ['returned', 'REFUNDING.RECALLED', 'REFUNDING'],
    steps: { move: 'pivot', 'take-back': 'forward' },
  },
  loseParcel: {
    move: ['lost', 'REFUNDING.RECALLED', 'REFUNDING.LOST'],
    steps: { move: 'pivot', lose: 'forward' },
  },
  refundOrder: { steps: { refund: 'pivot', restock: 'forward', 'give-coupon-back': 'forward' } },
} as const satisfies Record<string, { move?: readonly [string, string, string]; steps: MatrixOptions['steps'] }>;

export const lifecycleWorkflows = Object.keys(transitions) as (keyof typeof transitions)[];

/** How often the order has moved before each. */
const versions: Readonly<Record<string, number>> = {
  WAIT_PAY: 0,
  WAIT_DELIVER: 6,
  DELIVERED: 7,
  'REFUNDING.RECALLED': 8,
};

export function lifted(shop: MatrixShop, workflow: (typeof lifecycleWorkflows)[number]): Lifted {
  const { steps, move } = transitions[workflow] as {
    steps: MatrixOptions['steps'];
    move?: readonly [string, string, string];
  };
  const from = move?.[1];
  const { databases } = shop;
  return {
    workflow,
    steps,
    input: (gid) => {
      const data = orderOf(gid);
      const id = `order-${gid}`;
      if (move === undefined) {
        const run: RunOrder<LifecycleOrder> = { id, why: workflow, state: 'REFUNDING', version: 0, round: 1, data };
        return run;
      }
      const [event, source, to] = move;
      const asked = { id, event, requestId: `${event}.1`, from: source, to, by: { actor: 'ann', reason: 'scratched' } };
      const order: EffectOrder<LifecycleOrder> = {
        ...{ ...asked, input: undefined, data },
        move: { ...asked, version: versions[source] ?? 0, at: 0 },
      };
      return order;
    },
    async prepare(gid) {
      const order = orderOf(gid);
      const { customerId, coupon } = order;
      const text = 'insert into coupons (code, customer_id, amount_off) values ($1, $2, $3)';
      await databases.coupons.run(text, [coupon, customerId, order.amount - PRICE]);
      if (workflow === 'openOrder') return;
      const hand = new OrderByHand(shop.shop, order);
      await hand.open();
      if (from === 'WAIT_PAY') return;
      await hand.pay(PRICE);
      await hand.pack();
      if (workflow === 'refundOrder') await hand.move('refund', 'WAIT_DELIVER', 'REFUNDING');
      if (workflow === 'refundOrder' || from === 'WAIT_DELIVER') return;
      await hand.ship();
      if (from === 'REFUNDING.RECALLED') await hand.recall();
    },
    async effects(gid) {
      const count = async (service: keyof typeof databases, text: string): Promise<number> => {
        const [row] = await databases[service].run<{ count: number }>(`select (${text})::float8 as count`, [gid]);
        return row?.count ?? Number.NaN;
      };
      const coupon = (status: string) =>
        count('coupons', `select count(*) from coupons where code = 'coupon-' || $1 and status = '${status}'`);
      const recall = (status: string) =>
        count('shipping', `select count(*) from recalls where order_id = $1 and status = '${status}'`);
      const told = (kind: string) =>
        count('notifications', `select count(*) from notifications where order_id = $1 and kind = '${kind}'`);
      const all: Readonly<Record<string, () => Promise<number>>> = {
        'create-order': () =>
          count(
            'orders',
            `select count(*) - count(*) filter (where status = 'cancelled') +
          coalesce((select sum(amount) from point_entries where order_id = $1), 0) + coalesce(sum(points_spent) filter (where status <> 'cancelled'), 0)
          from orders where order_id = $1`,
          ),
        'hold-coupon': () => coupon('HELD'),
        'reserve-stock': () =>
          count('inventory', 'select coalesce(-sum(amount), 0) / 2 from stock_entries where order_id = $1'),
        'open-order': () => count('orders', `select count(*) from orders where order_id = $1 and status = 'WAIT_PAY'`),
        // It has no effect but its own row.
        price: () =>
          count(
            'orders',
            `select count(*) filter (where phase = 1 and outcome = 'applied') - count(*) filter (where phase = 2 and outcome = 'applied')
          from backstitch.guard where gid = $1 and branch = 'price'`,
          ),
        pay: () =>
          count('payments', `select coalesce(-sum(amount), 0) / ${PRICE} from wallet_entries where order_id = $1`),
        move: () => count('orders', `select count(*) from order_moves where id = $1 and event = '${move?.[0]}'`),
        'use-coupon': () => coupon('USED'),
        restock: () =>
          count('inventory', `select count(*) from stock_entries where order_id = $1 and kind = 'released'`),
        'release-coupon': () => coupon('AVAILABLE'),
        'give-coupon-back': () => coupon('AVAILABLE'),
        refund: () => count('payments', `select count(*) from wallet_entries where order_id = $1 and kind = 'refund'`),
        ship: () => count('shipping', 'select count(*) from shipments where order_id = $1'),
        notify: () => told('order-placed'),
        'ask-carrier': () => recall('requested'),
        correct: () => told('order-recalled'),
        'take-back': () => recall('returned'),
        lose: () => recall('lost'),
      };
      const found = await Promise.all(Object.keys(steps).map(async (step) => [step, await all[step]?.()] as const));
      return Object.fromEntries(found.map(([step, times]) => [step, times ?? Number.NaN]));
    },
  };
}
