import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { Books, OpenShop } from '../contracts/shop.js';
import type { TemporalSettings } from '../config.js';
import { runJob } from '../kit/client/index.js';

/** The shop's jobs that are no transactions: each is a workflow, and can be run again at any time. */

/** Customers that one workflow opens. */
const CUSTOMERS = 5_000;

/** Opens the shop: wallets, points and stock. Opening again adds only what is missing. */
export async function openShop(
  client: Client,
  where: TemporalSettings,
  input: OpenShop,
  onCustomers: (count: number) => void = () => undefined,
): Promise<void> {
  // At least one workflow: a shop without customers still has stock.
  for (let from = 0; from === 0 || from < input.customers.length; from += CUSTOMERS) {
    const customers = input.customers.slice(from, from + CUSTOMERS);
    await runJob(client, where, 'openShop', `open-shop-${randomUUID()}`, [{ ...input, customers }]);
    onCustomers(customers.length);
  }
}

/** Proves the books across all databases. */
export function proveBooks(client: Client, where: TemporalSettings): Promise<Books> {
  return runJob<Books>(client, where, 'proveBooks', `prove-books-${randomUUID()}`, []);
}
