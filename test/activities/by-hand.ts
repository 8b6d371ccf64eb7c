import type { Shop } from '../../src/activities/index.js';
import type { LifecycleOrder, OpenedLifecycle } from '../../src/contracts/lifecycle.js';
import type { Moved, MoveOrder } from '../../src/kit/workflow/index.js';
import { operation } from './support.js';

/** An order that lives for weeks, moved by hand, and what belongs to its moves done by hand: what its machine and its sagas would do. */
export class OrderByHand {
  readonly order: LifecycleOrder;
  readonly #parts: Shop['participants'];
  version = 0;
  /** How long ago it is done, in milliseconds. */
  agoMs = 0;

  constructor({ participants }: Pick<Shop, 'participants'>, order: LifecycleOrder) {
    this.#parts = participants;
    this.order = order;
  }

  get #asked() {
    const { orderId, customerId } = this.order;
    return { orderId, customerId };
  }

  get #coupon() {
    return { code: this.order.coupon ?? '', orderId: this.order.orderId };
  }

  /** The operation of a step that is done by hand: once an order. */
  of(name: string, gid = `by-hand-${this.order.orderId}`) {
    return operation(name, gid, { branch: name });
  }

  async open(): Promise<OpenedLifecycle> {
    const { orders, coupons, inventory } = this.#parts;
    const { coupon, ...order } = this.order;
    const { orderId, customerId, sku, units } = order;
    await orders.create.action(this.of('orders.create.action'), order);
    const held = { ...this.#coupon, customerId };
    const { amountOff } =
      coupon === undefined ? { amountOff: 0 } : await coupons.hold.action(this.of('coupons.hold.action'), held);
    await inventory.reserve.action(this.of('inventory.reserve.action'), [orderId, sku, units]);
    const opened = { orderId, coupon, amountOff, at: Date.now() - this.agoMs };
    return orders.openLifecycle.action(this.of('orders.openLifecycle.action'), opened);
  }

  /** The guarded move of the row. */
  moveOrder(event: string, from: string, to: string, more: Partial<MoveOrder> = {}): MoveOrder {
    const { version } = this;
    const id = `order-${this.order.orderId}`;
    return { id, event, requestId: `${event}.${version}`, from, to, version, at: Date.now() - this.agoMs, ...more };
  }

  async move(event: string, from: string, to: string, more: Partial<MoveOrder> = {}): Promise<Moved> {
    const order = this.moveOrder(event, from, to, more);
    const moved = await this.#parts.orders.move.action(
      operation('orders.move.action', `${order.id}.${order.requestId}`),
      order,
    );
    this.version = moved.version;
    return moved;
  }

  async pay(amount: number): Promise<void> {
    await this.#parts.payments.charge.action(this.of('payments.charge.action'), { ...this.#asked, amount });
    await this.move('pay', 'WAIT_PAY', 'PAID');
    if (this.order.coupon !== undefined)
      await this.#parts.coupons.use.action(this.of('coupons.use.action'), this.#coupon);
  }

  async pack(): Promise<void> {
    const path = ['PAID', 'PAID.WAIT_PICK', 'PAID.PICKING', 'PAID.WAIT_PACK', 'PAID.PACKING', 'WAIT_DELIVER'];
    const events = ['received', 'pick', 'picked', 'pack', 'packed'];
    for (const [at, event] of events.entries()) await this.move(event, path[at] ?? '', path[at + 1] ?? '');
  }

  async ship(): Promise<void> {
    const { sku, units } = this.order;
    await this.move('ship', 'WAIT_DELIVER', 'DELIVERED');
    await this.#parts.shipping.dispatch.action(this.of('shipping.dispatch.action'), { ...this.#asked, sku, units });
    await this.#parts.notifications.orderPlaced.action(this.of('notifications.orderPlaced.action'), this.#asked);
  }

  async recall(): Promise<void> {
    const { orderId } = this.order;
    await this.move('recall', 'DELIVERED', 'REFUNDING.RECALLED');
    await this.#parts.shipping.recall.action(this.of('shipping.recall.action'), {
      orderId,
      reason: 'scratched',
      actor: 'ann',
    });
    await this.#parts.notifications.orderRecalled.action(this.of('notifications.orderRecalled.action'), this.#asked);
  }

  /** Money, stock and coupon of an order that was paid. */
  async giveBack(): Promise<void> {
    const { orderId, sku, coupon } = this.order;
    await this.#parts.payments.refund.action(this.of('payments.refund.action'), this.#asked);
    await this.#parts.inventory.release.action(this.of('inventory.release.action'), [orderId, sku]);
    if (coupon !== undefined)
      await this.#parts.coupons.giveBack.action(this.of('coupons.giveBack.action'), this.#coupon);
  }
}
