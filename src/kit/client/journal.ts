import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { Promotion } from '../workflow/fate.js';
import type { Journal, Promoted, PromoteOrder } from '../workflow/journal.js';
import { NoWorker, OrderRefused, TransactionNotFound } from './errors.js';
import { runJob } from './jobs.js';
import { hasWorker } from './server.js';

/** Where a worker is that knows the participants' databases. */
export interface JournalPlace {
  readonly taskQueue: string;
}

/**
 * Reads what the participants' databases hold of a transaction.
 *
 * @throws NoWorker, and as `runJob`
 */
export function readJournal(client: Client, where: JournalPlace, gid: string): Promise<Journal> {
  return served<Journal>(client, where, 'readJournal', `read-journal-${randomUUID()}`, gid);
}

/** A transaction that was given to a workflow. */
export interface PromotedTransaction extends Promotion {
  readonly gid: string;
  /** Who drove it until then, such as `direct:<call>`. */
  readonly ownerBefore: string;
}

/**
 * Gives a transaction that a caller's process drives to a workflow, by hand. The process learns of it at its next decision,
 * and follows. Who did it and why is kept: `operations` of the transaction, and its log.
 *
 * @throws OrderRefused if it has ended, or a workflow has it already; TransactionNotFound; NoWorker, and as `runJob`
 */
export async function promote(client: Client, where: JournalPlace, order: PromoteOrder): Promise<PromotedTransaction> {
  const { gid } = order;
  for (const name of ['actor', 'reason'] as const) {
    if (order[name].trim() === '') throw new OrderRefused(gid, `an order needs ${name}: a text that is not empty`);
  }
  const done = await served<Promoted>(client, where, 'promoteTransaction', `promote-${randomUUID()}`, order);
  switch (done.how) {
    case 'promoted':
      return { gid, ownerBefore: done.ownerBefore, ...done.promotion };
    case 'unknown':
      throw new TransactionNotFound(gid, client.options.namespace);
    case 'ended':
      throw new OrderRefused(gid, `it cannot be promoted: it has ended, ${done.state}`);
    case 'driven':
      throw new OrderRefused(gid, `it cannot be promoted: a ${done.by} has it already`);
  }
}

/** Runs a job at once or not at all: without a worker nobody waits for it. */
async function served<Result>(client: Client, where: JournalPlace, job: string, id: string, arg: unknown) {
  if (!(await hasWorker(client, where.taskQueue))) throw new NoWorker(where.taskQueue, client.options.namespace);
  return runJob<Result>(client, where, job, id, [arg]);
}
