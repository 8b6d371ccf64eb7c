import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { openTestShop, type TestShop } from '../../activities/support.js';
import { createShop } from '../../../src/activities/index.js';
import type { LifecycleOrder, WorkAtWarehouse } from '../../../src/contracts/lifecycle.js';
import type { orderLifecycleMachine } from '../../../src/contracts/order-lifecycle.js';
import { orderLifecycleContract } from '../../../src/contracts/transactions.js';
import {
  machineClient,
  type MachineClient,
  type MachineView,
  type SendOptions,
} from '../../../src/kit/client/index.js';
import type { Message } from '../../../src/kit/database/index.js';
import { machineActivities, participantActivities, temporalSink } from '../../../src/kit/worker/index.js';
import { searchAttributeTypes, type Alarm } from '../../../src/kit/workflow/index.js';
import { bundleWorkflows, lifecycleTopics } from '../../../src/worker.js';
import { clientWithoutSkipping, timeSkippingEnvironment } from '../../support/servers.js';
import { until } from '../../support/until.js';

/** As the server's API numbers the types of search attributes. */
const TYPES = { Keyword: 2, Datetime: 6, KeywordList: 7 } as const;

export type Event = Parameters<MachineClient<typeof orderLifecycleMachine, LifecycleOrder>['send']>[1];
type Shop = ReturnType<typeof createShop>;

/** What an order of these tests is: 2 CDs for 29.33, with the customer's coupon of 4.33 if it is wanted. */
export const orderWith = (orderId: string, order: Partial<LifecycleOrder> = {}): LifecycleOrder => ({
  ...{ orderId, customerId: 'c1', sku: 'cd', units: 2, amount: 2_933 },
  ...order,
});

/** The shop in real databases, with orders that live for weeks, under a server whose time skips where a test says so. What services tell each other the test delivers. */
export class LifecycleWorld {
  readonly environment: TestWorkflowEnvironment;
  readonly client: Client;
  readonly test: TestShop;
  readonly alarms: Alarm[] = [];
  readonly taskQueue = `lifecycle-${randomUUID()}`;
  readonly machines: MachineClient<typeof orderLifecycleMachine, LifecycleOrder>;
  readonly shop: Shop;
  #stop: (() => Promise<void>) | undefined;
  /** Outbox rows that were delivered. */
  readonly #delivered = new Set<string>();

  private constructor(environment: TestWorkflowEnvironment, test: TestShop) {
    this.environment = environment;
    this.test = test;
    const client = clientWithoutSkipping(environment);
    this.client = client;
    const where = { taskQueue: this.taskQueue };
    this.machines = machineClient(client, where, orderLifecycleContract);
    this.shop = createShop({
      ...{ databases: test.databases, probe: test.faults.probe },
      toMachines: temporalSink({ client, ...where, topics: lifecycleTopics }),
    });
  }

  static async open(): Promise<LifecycleWorld> {
    const [environment, test] = await Promise.all([timeSkippingEnvironment(), openTestShop()]);
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: Object.fromEntries(
        Object.entries(searchAttributeTypes).map(([name, type]) => [name, TYPES[type]]),
      ),
    });
    const world = new LifecycleWorld(environment, test);
    const customerIds = ['c1', 'c2'];
    await world.shop.plain['orders.openCustomers']({ customerIds, points: 100_000 });
    await world.shop.plain['payments.openWallets']({ customerIds, cents: 10_000_000 });
    await world.shop.plain['inventory.deliver']({ sku: 'cd', units: 10_000 });
    await world.startWorker();
    return world;
  }

  async startWorker(): Promise<void> {
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue: this.taskQueue,
      workflowBundle: await bundleWorkflows(),
      activities: {
        ...participantActivities(this.shop.participants, { who: 'test' }),
        ...machineActivities(),
        'backstitch.raiseAlarm': (alarm: Alarm) => {
          this.alarms.push(alarm);
        },
      },
      shutdownGraceTime: 0,
      maxHeartbeatThrottleInterval: 100,
      defaultHeartbeatThrottleInterval: 100,
    });
    const running = worker.run();
    this.#stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return running;
    };
  }

  async close(): Promise<void> {
    await this.#stop?.();
    await this.environment.teardown();
    await this.test.close();
  }

  /** A customer of an order's own, with a coupon of 4.33. */
  async coupon(orderId: string): Promise<Pick<LifecycleOrder, 'customerId' | 'coupon'>> {
    const customerId = `of-${orderId}`;
    const customerIds = [customerId];
    await this.shop.plain['orders.openCustomers']({ customerIds, points: 100 });
    await this.shop.plain['payments.openWallets']({ customerIds, cents: 10_000 });
    await this.shop.plain['coupons.open']({ customerIds, cents: 433 });
    return { customerId, coupon: `welcome-${customerId}` };
  }

  /** Opens an order, and waits until it waits for its payment. */
  async open(orderId: string, order: Partial<LifecycleOrder> = {}): Promise<void> {
    await this.machines.start(`order-${orderId}`, orderWith(orderId, order));
    await until(async () => (await this.state(orderId)) === 'WAIT_PAY');
  }

  send(orderId: string, event: Event, options?: SendOptions) {
    return this.machines.send(`order-${orderId}`, event, options);
  }

  view(orderId: string): Promise<MachineView> {
    return this.machines.view(`order-${orderId}`);
  }

  /** The state of an order as its row has it. */
  async state(orderId: string): Promise<string | undefined> {
    const text = `select concat_ws('.', status, sub_state) as state from orders where order_id = $1`;
    return (await this.test.sql<{ state: string }>('orders', text, [orderId]))[0]?.state;
  }

  /** Waits until an order is in a state, with nothing under way. Time does not skip meanwhile. */
  async at(orderId: string, state: string): Promise<MachineView> {
    let view: MachineView | undefined;
    await until(async () => (await this.state(orderId)) === state);
    await until(async () => {
      // A question is a task of its workflow: many at once keep each other from being answered.
      await pause(50);
      view = await this.view(orderId);
      return view.state === state && view.underWay === undefined && view.running.length === 0;
    });
    assert.ok(view);
    return view;
  }

  /** Has the warehouse do a step of a job; what it tells is on its way then. */
  work(orderId: string, step: WorkAtWarehouse['step']) {
    return this.shop.plain['warehouse.work']({ orderId, step });
  }

  /** Delivers what the orders tell the warehouse, and the warehouse the orders; each once, unless `again`; or loses what it delivers. */
  async deliver({ again = false, lost }: { again?: boolean; lost?: 'all' | 'warehouse' } = {}): Promise<number> {
    let count = 0;
    for (const name of ['orders', 'warehouse'] as const) {
      const found = this.shop.outboxes.find(({ outbox }) => outbox.name === name);
      const subscriber = name === 'orders' ? 'warehouse' : 'orders';
      const stream = found?.outbox.streams.find((each) => each.subscriber === subscriber)?.name;
      type Row = { id: string; topic: string; key: string; payload: unknown; seq: string };
      const text = `select id, topic, key, payload, seq from backstitch.outbox where stream = $1 order by seq`;
      for (const row of await this.test.sql<Row>(name, text, [stream])) {
        const key = `${name} ${row.id}`;
        if (this.#delivered.has(key) && !again) continue;
        this.#delivered.add(key);
        count++;
        const message: Message = { ...row, seq: Number(row.seq), source: name, addedAt: 0, attempt: 1 };
        if (lost !== 'all' && lost !== name)
          await found?.sinks[subscriber]?.deliver(message, new AbortController().signal);
      }
    }
    return count;
  }

  /** Delivers until an order is in a state. */
  async delivered(orderId: string, state: string): Promise<MachineView> {
    await this.deliver();
    return this.at(orderId, state);
  }

  async differences(): Promise<string[]> {
    const { differences } = await this.shop.plain['books.prove']();
    return differences.map(({ check, subject, expected, found }) => `${check} | ${subject} | ${expected} | ${found}`);
  }
}

/** A path to each state: what is sent, in its order. `said` is who asked, and why. */
export const said = { by: { actor: 'ann', reason: 'scratched' } } as const;
export const paths: Readonly<Record<string, readonly Event[]>> = (() => {
  const packed = ['pay', 'received', 'pick', 'picked', 'pack', 'packed'] as const;
  const shipped = [...packed, 'ship'] as const;
  return {
    WAIT_PAY: [],
    PAID: packed.slice(0, 1),
    'PAID.WAIT_PICK': packed.slice(0, 2),
    'PAID.PICKING': packed.slice(0, 3),
    'PAID.WAIT_PACK': packed.slice(0, 4),
    'PAID.PACKING': packed.slice(0, 5),
    WAIT_DELIVER: packed,
    DELIVERED: shipped,
    'DELIVERED.ARRIVED': [...shipped, 'deliver'],
    COMPLETED: [...shipped, 'deliver', 'complete'],
    CANCELLED: [...packed, 'cancel'],
    'REFUNDING.RECALLED': [...shipped, 'recall'],
    'REFUNDING.LOST': [...shipped, 'recall', 'lost'],
    REFUNDED: [...shipped, 'recall', 'returned'],
  };
})();
