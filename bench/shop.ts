import { deliver } from '../src/activities/inventory/opening.js';
import { openCustomers } from '../src/activities/orders/opening.js';
import { openWallets } from '../src/activities/payments/opening.js';
import type { BenchDatabases } from './books.js';
import { DEDUP_TABLE } from './guards.js';
import { articles, customerIds, soldOut } from './workload.js';

/** More than any run can spend, of money, points and stock. */
const PLENTY = 2_000_000_000;

/** Opens the shop that all systems use: customers who can pay, articles in plenty, and articles that are sold out. */
export async function openShop({ orders, payments, inventory }: BenchDatabases): Promise<void> {
  await Promise.all([orders, payments, inventory].map((database) => database.run(DEDUP_TABLE)));
  await openCustomers(orders, { customerIds, points: PLENTY });
  await openWallets(payments, { customerIds, cents: PLENTY });
  for (const sku of articles) await deliver(inventory, { sku, units: PLENTY });
  for (const sku of soldOut) await deliver(inventory, { sku, units: 0 });
}
