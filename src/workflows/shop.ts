import { proxyActivities } from '@temporalio/workflow';
import type { ShopActivities } from '../activities/index.js';
import type { LookedLifecycle, WorkAtWarehouse } from '../contracts/lifecycle.js';
import type { Books, OpenShop, OrderState, RecallStatus } from '../contracts/shop.js';

/** Customers that one activity opens. */
const CHUNK = 1_000;

const opening = proxyActivities<ShopActivities>({
  startToCloseTimeout: '1 minute',
  // What breaks the contract is refused for good.
  retry: { maximumAttempts: 10, nonRetryableErrorTypes: ['Rejection'] },
});
const looking = proxyActivities<ShopActivities>({
  startToCloseTimeout: '10 seconds',
  retry: { maximumAttempts: 4, nonRetryableErrorTypes: ['Rejection'] },
});
const proving = proxyActivities<ShopActivities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { maximumAttempts: 3 },
});

/** Opens the shop: points and a wallet for each customer, and stock. Opening again adds only what is missing. */
export async function openShop(input: OpenShop): Promise<void> {
  const { customers, points, walletCents, couponCents = 0, sku, units } = input;
  for (let from = 0; from < customers.length; from += CHUNK) {
    const customerIds = customers.slice(from, from + CHUNK);
    await Promise.all([
      opening['orders.openCustomers']({ customerIds, points }),
      opening['payments.openWallets']({ customerIds, cents: walletCents }),
      ...(couponCents > 0 ? [opening['coupons.open']({ customerIds, cents: couponCents })] : []),
    ]);
  }
  await opening['inventory.deliver']({ sku, units });
}

/** An order as it is now; `null`: the shop has none of that id. */
export async function orderState(orderId: string): Promise<OrderState | null> {
  return looking['orders.state']({ orderId });
}

/** An order with a lifecycle as its row has it; `null`: there is none, or it is of another scheme. */
export async function lifecycleState(orderId: string): Promise<LookedLifecycle | null> {
  return looking['orders.lifecycle']({ orderId });
}

/** Somebody of the warehouse does a step of a job; what it tells of that moves the order. */
export async function workAtWarehouse(work: WorkAtWarehouse): Promise<string> {
  return looking['warehouse.work'](work);
}

/** The recall of an order's parcel as it is now; `null`: there is none. */
export async function recallState(orderId: string): Promise<RecallStatus | null> {
  return looking['shipping.recallState']({ orderId });
}

/** Proves the books across all databases, by the services' own readers. */
export async function proveBooks(): Promise<Books> {
  return proving['books.prove']();
}
