import { randomUUID } from 'node:crypto';
import { type Client, WorkflowFailedError } from '@temporalio/client';
import type { Books, OpenShop } from '../contracts/shop.js';
import type { LogPage } from '../kit/workflow/index.js';
import { hasWorker } from '../kit/client/index.js';
import { ask, explained, TimeIsOver, waitUntil } from '../kit/client/server.js';
import type { TemporalSettings } from '../config.js';
import { noWorker } from './session.js';

/** The shop's jobs that are no transactions: each is a workflow, and can be run again at any time. */

/** Customers that one workflow opens. */
const CUSTOMERS = 5_000;
const JOB_MS = 10 * 60_000;
/** How often it is looked whether a worker is still there, while a job is waited for. */
const LOOK_MS = 20_000;

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

/** Reads the log of a transaction, the part that begins with this entry. */
export function readLog(client: Client, where: TemporalSettings, gid: string, from: number): Promise<LogPage> {
  return runJob<LogPage>(client, where, 'showLog', `show-log-${randomUUID()}`, [gid, from]);
}

/**
 * Runs a workflow and waits for it, at most ten minutes.
 *
 * @throws NotReady when no worker serves any more
 */
async function runJob<Result>(
  client: Client,
  where: TemporalSettings,
  workflow: string,
  workflowId: string,
  args: unknown[],
): Promise<Result> {
  const { taskQueue } = where;
  const handle = await ask(client, () => client.workflow.start(workflow, { workflowId, taskQueue, args }));
  const until = Date.now() + JOB_MS;
  for (;;) {
    try {
      return (await waitUntil(client, Math.min(until, Date.now() + LOOK_MS), () => handle.result())) as Result;
    } catch (error) {
      if (error instanceof WorkflowFailedError)
        throw new Error(`${workflow} failed: ${firstCause(error)}`, { cause: error });
      if (!(error instanceof TimeIsOver)) throw explained(client, error);
      const served = await hasWorker(client, taskQueue);
      if (served && Date.now() < until) continue;
      await ask(client, () => handle.terminate('nobody waits for it any more'));
      throw served ? new Error(`${workflow} did not end within ${JOB_MS / 60_000} minutes`) : noWorker(where);
    }
  }
}

function firstCause(error: Error): string {
  let cause: unknown = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause.message : String(cause);
}
