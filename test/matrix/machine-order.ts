import type { Outbox } from '../../src/kit/database/index.js';
import type { LifecycleOrder, WorkAtWarehouse } from '../../src/contracts/lifecycle.js';
import type { createShop } from '../../src/activities/index.js';
import { OrderByHand } from '../activities/by-hand.js';
import { operation } from '../activities/support.js';
import { orderOf } from './lifecycle.js';
import type { MachineCase } from './machine-cases.js';
import type { MatrixShop } from './shop.js';

const MINUTE_MS = 60_000;
/** How long ago an order came to its state whose deadline is to have passed. */
const OVERDUE_MS: Readonly<Record<string, number>> = {
  cancel: 31 * MINUTE_MS,
  complete: 15 * 24 * 60 * MINUTE_MS,
  refund: 25 * 60 * MINUTE_MS,
};
const PRICE = 2_500;
const AT_WAREHOUSE = ['PAID', 'PAID.WAIT_PICK', 'PAID.PICKING', 'PAID.WAIT_PACK', 'PAID.PACKING', 'WAIT_DELIVER'];
const STEPS = ['received', 'pick', 'picked', 'pack', 'packed'];

/** An order of a case: it is brought by hand to where its transition begins, and its messages are delivered by hand. */
export class CaseOrder {
  readonly order: LifecycleOrder;
  readonly #hand: OrderByHand;
  readonly #matrix: MatrixShop;
  readonly #shop: ReturnType<typeof createShop>;
  readonly #delivered = new Set<string>();

  /** @param shop the one whose messages go to machines */
  constructor(matrix: MatrixShop, shop: ReturnType<typeof createShop>, orderId: string) {
    this.#matrix = matrix;
    this.#shop = shop;
    this.order = orderOf(orderId);
    this.#hand = new OrderByHand(shop, this.order);
  }

  get version(): number {
    return this.#hand.version;
  }

  /** Brings it to where a case begins. */
  async prepare({ by, event, from }: MachineCase): Promise<void> {
    const { orderId, customerId, coupon, amount } = this.order;
    const text = 'insert into coupons (code, customer_id, amount_off) values ($1, $2, $3)';
    await this.#matrix.databases.coupons.run(text, [coupon, customerId, amount - PRICE]);
    if (by === 'begin') return;
    if (by === 'deadline') this.#hand.agoMs = OVERDUE_MS[event] ?? 0;
    await this.#bring(from);
    const { payments, coupons } = this.#shop.participants;
    // The refund will be refused, as the money went back by another way.
    if (event === 'refundRefused') {
      await payments.refund.action(operation('payments.refund.action', `past-${orderId}`), { orderId, customerId });
    }
    if (event === 'refunded' && by === 'update') {
      if (from === 'REFUNDING.REFUSED') await this.#hand.giveBack();
      else {
        await payments.refund.action(operation('payments.refund.action', `past-${orderId}`), { orderId, customerId });
        const held = { code: coupon ?? '', orderId };
        await coupons.giveBack.action(operation('coupons.giveBack.action', `past-${orderId}`), held);
      }
    }
    await this.deliver('orders');
  }

  async #bring(state: string): Promise<void> {
    const hand = this.#hand;
    await hand.open();
    if (state === 'WAIT_PAY') return;
    await hand.pay(PRICE);
    const place = AT_WAREHOUSE.indexOf(state);
    for (const [at, event] of STEPS.slice(0, place < 0 ? STEPS.length : place).entries())
      await hand.move(event, AT_WAREHOUSE[at] ?? '', AT_WAREHOUSE[at + 1] ?? '');
    if (place >= 0) return;
    if (state === 'REFUNDING' || state === 'REFUNDING.REFUSED') {
      await hand.move('refund', 'WAIT_DELIVER', 'REFUNDING');
      if (state !== 'REFUNDING') await hand.move('refundRefused', 'REFUNDING', state);
      return;
    }
    await hand.ship();
    if (state === 'DELIVERED.ARRIVED') await hand.move('deliver', 'DELIVERED', state);
    if (state.startsWith('REFUNDING.KEPT')) {
      await hand.move('refund', 'DELIVERED', 'REFUNDING.KEPT');
      if (state !== 'REFUNDING.KEPT') await hand.move('refundRefused', 'REFUNDING.KEPT', state);
    }
    if (state !== 'REFUNDING.RECALLED' && state !== 'REFUNDING.LOST') return;
    await hand.recall();
    if (state === 'REFUNDING.RECALLED') return;
    await hand.move('lost', 'REFUNDING.RECALLED', state);
    const said = { orderId: this.order.orderId, actor: 'ann', reason: 'scratched' };
    await this.#shop.participants.shipping.lose.action(hand.of('shipping.lose.action'), said);
  }

  /** Has the warehouse do a step of its job, and tells the order. */
  async work(step: string): Promise<void> {
    const { orderId } = this.order;
    // It has received it when it heard of it.
    if (step !== 'received')
      await this.#shop.plain['warehouse.work']({ orderId, step: step as WorkAtWarehouse['step'] });
    await this.deliver('warehouse');
  }

  /** Delivers what a service tells of this order. */
  async deliver(name: 'orders' | 'warehouse', again = false): Promise<void> {
    const found = this.#shop.outboxes.find(({ outbox }) => outbox.name === name);
    const subscriber = name === 'orders' ? 'warehouse' : 'orders';
    const streamOf = (outbox: Outbox) => outbox.streams.find((each) => each.subscriber === subscriber)?.name;
    type Row = { id: string; topic: string; key: string; payload: unknown; seq: string };
    const text = `select id, topic, key, payload, seq from backstitch.outbox where stream = $1 and key = $2 order by seq`;
    const stream = found && streamOf(found.outbox);
    for (const row of await this.#matrix.databases[name].run<Row>(text, [stream, this.order.orderId])) {
      if (this.#delivered.has(row.id) && !again) continue;
      this.#delivered.add(row.id);
      const message = { ...row, seq: Number(row.seq), source: name, addedAt: 0, attempt: 1 };
      await found?.sinks[subscriber]?.deliver(message, new AbortController().signal);
    }
  }

  /** Where its row is, and what has moved it since it was brought to its state. */
  async row(): Promise<{ state: string | null; version: number; moves: string[] } | undefined> {
    const text = `
select case when status = upper(status) then concat_ws('.', status, sub_state) end as state, version,
  array(select event from order_moves where id = order_id and order_moves.version > $2::int order by order_moves.version) as moves
from orders where order_id = $1`;
    const [row] = await this.#matrix.databases.orders.run<{ state: string | null; version: number; moves: string[] }>(
      text,
      [this.order.orderId, this.version],
    );
    return row;
  }
}
