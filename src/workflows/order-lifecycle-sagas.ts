import type { Coupons } from '../activities/coupons/index.js';
import type { Inventory } from '../activities/inventory/index.js';
import type { Lifecycle } from '../activities/lifecycle/index.js';
import type { Notifications } from '../activities/notifications/index.js';
import type { Orders } from '../activities/orders/index.js';
import type { Payments } from '../activities/payments/index.js';
import type { Shipping } from '../activities/shipping/index.js';
import type { LifecycleOrder, OpenedLifecycle } from '../contracts/lifecycle.js';
import { formatCents } from '../contracts/money.js';
import { participant, saga, type EffectOrder, type RunOrder, type Tx } from '../kit/workflow/index.js';

/**
 * What belongs to the moves of an order's life in other services. The pivot of each is the guarded move of the order's row: whoever loses
 * it gives back what was taken before, and has not begun what follows. So money, stock, a coupon and a parcel go where the order went.
 */

const orders = participant<Orders & Lifecycle>('orders');
const payments = participant<Payments>('payments');
const inventory = participant<Inventory>('inventory');
const shipping = participant<Shipping>('shipping');
const notifications = participant<Notifications>('notifications');
const coupons = participant<Coupons>('coupons');

type Effect = EffectOrder<LifecycleOrder>;

/** The guarded move of the row. */
function move(tx: Tx, { move: order, data: { orderId }, from, to }: Effect) {
  return tx.pivot('move', orders.move, order, { summary: `order ${orderId}: ${from} to ${to}` });
}

/** Opens an order: it is created and takes its points, then its coupon and its stock are held. Then it waits for its payment. */
export const openOrder = saga({}, async (tx, { data }: RunOrder<LifecycleOrder>): Promise<OpenedLifecycle> => {
  const { orderId, customerId, sku, units, amount, coupon } = data;
  const order = { orderId, customerId, sku, units, amount };
  await tx.run('create-order', orders.create, order, { summary: `create order ${orderId} of customer ${customerId}` });
  let amountOff = 0;
  if (coupon !== undefined) {
    const held = { code: coupon, orderId, customerId };
    const summary = `hold coupon ${coupon} for order ${orderId}`;
    ({ amountOff } = await tx.run('hold-coupon', coupons.hold, held, { summary }));
  }
  await tx.run('reserve-stock', inventory.reserve, [orderId, sku, units], {
    summary: `reserve ${units} ${sku} for order ${orderId}`,
  });
  // By this clock, as all moves are: the time in which it is to be paid runs from here, whatever becomes of its machine.
  const opened = { orderId, ...(coupon !== undefined && { coupon }), amountOff, at: Date.now() };
  return tx.pivot('open-order', orders.openLifecycle, opened, { summary: `open order ${orderId}` });
});

/** Takes the money, and then the order is paid, if it still waits for that; then its coupon is used. */
export const payForOrder = saga({}, async (tx, effect: Effect): Promise<{ paymentId: string; paid: number }> => {
  const { orderId, customerId, coupon } = effect.data;
  const { toPay } = await tx.run('price', orders.price, { orderId }, { summary: `what order ${orderId} costs` });
  const { paymentId } = await tx.run(
    'pay',
    payments.charge,
    { orderId, customerId, amount: toPay },
    { summary: `pay ${formatCents(toPay)} for order ${orderId}` },
  );
  await move(tx, effect);
  if (coupon !== undefined) {
    await tx.forward('use-coupon', coupons.use, { code: coupon, orderId }, { summary: `use coupon ${coupon}` });
  }
  return { paymentId, paid: toPay };
});

/** An order that was not paid comes to nothing: its points go back with the move, then its stock and its coupon. */
export const cancelUnpaidOrder = saga({}, async (tx, effect: Effect): Promise<{ released: number }> => {
  const { orderId, coupon } = effect.data;
  await move(tx, effect);
  const letGo = async () => {
    if (coupon === undefined) return;
    const summary = `let go of coupon ${coupon}`;
    await tx.forward('release-coupon', coupons.release, { code: coupon, orderId }, { summary });
  };
  const [{ released }] = await each(() => restock(tx, effect.data), letGo);
  return { released };
});

/** An order that was paid and has not left comes to nothing: money, stock and coupon go back; its points with the move. */
export const cancelPaidOrder = saga({}, async (tx, effect: Effect) => {
  await move(tx, effect);
  const [{ refunded }, { released }] = await each(
    () => refund(tx, effect.data),
    () => restock(tx, effect.data),
    () => giveCouponBack(tx, effect.data),
  );
  return { refunded, released };
});

/** The order leaves the house, and its customer is told. */
export const shipOrder = saga({}, async (tx, effect: Effect): Promise<{ shipmentId: string }> => {
  const { orderId, customerId, sku, units } = effect.data;
  await move(tx, effect);
  const { shipmentId } = await tx.forward(
    'ship',
    shipping.dispatch,
    { orderId, customerId, sku, units },
    { summary: `ship ${units} ${sku} of order ${orderId}` },
  );
  await tx.forward(
    'notify',
    notifications.orderPlaced,
    { orderId, customerId },
    { summary: `tell customer ${customerId} that order ${orderId} is on its way` },
  );
  return { shipmentId };
});

/** The carrier is asked for the parcel, and the customer is corrected. No money moves yet. */
export const recallParcel = saga({}, async (tx, effect: Effect): Promise<{ orderId: string }> => {
  const { orderId, customerId } = effect.data;
  await move(tx, effect);
  await tx.forward('ask-carrier', shipping.recall, said(effect), {
    summary: `ask the carrier for the parcel of order ${orderId}`,
  });
  await tx.forward(
    'correct',
    notifications.orderRecalled,
    { orderId, customerId },
    { summary: `tell customer ${customerId} that order ${orderId} is recalled` },
  );
  return { orderId };
});

/** The parcel came back: the order is refunded next. */
export const takeParcelBack = saga({}, async (tx, effect: Effect): Promise<{ orderId: string }> => {
  const { orderId } = effect.data;
  await move(tx, effect);
  await tx.forward(
    'take-back',
    shipping.takeBack,
    { orderId },
    { summary: `the parcel of order ${orderId} came back` },
  );
  return { orderId };
});

/** The carrier has lost the parcel: what becomes of the money is for people to decide. */
export const loseParcel = saga({}, async (tx, effect: Effect): Promise<{ orderId: string }> => {
  const { orderId } = effect.data;
  await move(tx, effect);
  await tx.forward('lose', shipping.lose, said(effect), { summary: `the parcel of order ${orderId} is lost` });
  return { orderId };
});

/**
 * The refund: the money goes back, then the stock, where the goods come back, then the coupon. Whatever begins it, there is no way back, so
 * the money is the pivot. The points go back with the move that ends the order; earned it has none, as those come with COMPLETED.
 */
export const refundOrder = saga({}, async (tx, { state, data }: RunOrder<LifecycleOrder>) => {
  const { refunded } = await refund(tx, data, true);
  const [{ released }] = await each(
    () => (state === 'REFUNDING' ? restock(tx, data) : Promise.resolve({ released: 0 })),
    () => giveCouponBack(tx, data),
  );
  return { refunded, released };
});

/**
 * One after the other, each whatever a person has left of those before: what is left of one is no reason to keep the next from the customer.
 *
 * @throws what the first of them has thrown, when all are over
 */
async function each<Steps extends readonly (() => Promise<unknown>)[]>(
  ...steps: Steps
): Promise<{ -readonly [Index in keyof Steps]: Awaited<ReturnType<Steps[Index]>> }> {
  const results: unknown[] = [];
  const left: unknown[] = [];
  for (const step of steps) {
    try {
      results.push(await step());
    } catch (error) {
      left.push(error);
    }
  }
  if (left.length > 0) throw left[0];
  return results as { -readonly [Index in keyof Steps]: Awaited<ReturnType<Steps[Index]>> };
}

/** Who has said it, and why: the machine's guard has looked that both are there. */
function said({ data: { orderId }, by }: Effect) {
  return { orderId, actor: by?.actor ?? '', reason: by?.reason ?? '' };
}

function refund(tx: Tx, { orderId, customerId }: LifecycleOrder, decides = false): Promise<{ refunded: number }> {
  const step = decides ? tx.pivot.bind(tx) : tx.forward.bind(tx);
  return step('refund', payments.refund, { orderId, customerId }, { summary: `refund order ${orderId}` });
}

function restock(tx: Tx, { orderId, sku, units }: LifecycleOrder): Promise<{ released: number }> {
  const summary = `put ${units} ${sku} of order ${orderId} back in stock`;
  return tx.forward('restock', inventory.release, [orderId, sku], { summary });
}

async function giveCouponBack(tx: Tx, { orderId, coupon }: LifecycleOrder): Promise<void> {
  if (coupon === undefined) return;
  const summary = `give coupon ${coupon} back`;
  await tx.forward('give-coupon-back', coupons.giveBack, { code: coupon, orderId }, { summary });
}
