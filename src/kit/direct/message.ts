import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageSender, PreparedMessage, PrepareMessageOptions } from '../client/message.js';
import type { WaitOptions } from '../client/transactions.js';
import { decidedBy } from '../database/decided.js';
import { Rejection } from '../database/rejection.js';
import type { Operation } from '../workflow/branch.js';
import { LOCAL_BRANCH } from '../workflow/message/protocol.js';
import { retryProfiles } from '../workflow/retry.js';
import { HandOver, within } from './hand-over.js';

/** Options of {@link transactionalMessage}. */
export interface TransactionalMessageOptions extends PrepareMessageOptions {
  /** How long one attempt of the local transaction may take, in milliseconds. Default: 10,000 */
  readonly timeoutMs?: number;
  /** How often the local transaction is tried again that failed, and was not refused. Default: 3 */
  readonly localRetries?: number;
  /** Who does the work, for the guard's row. Default: the process and its machine. */
  readonly who?: string;
  /** How long to wait until it is known what became of the message. Default: 10 seconds */
  readonly wait?: WaitOptions['wait'];
}

/** A message whose local transaction is committed: it comes to every subscriber, whatever becomes of this process. */
export interface SentMessage<Result, Local> {
  readonly gid: string;
  /** What the local transaction gave; undefined too if it was done before and that is not known any more. */
  readonly local: Local | undefined;
  /** Waits until every subscriber has it; the same errors as of any transaction. */
  readonly result: (options?: WaitOptions) => Promise<Result>;
}

/** A local transaction: through the guard of its database, with the operation and the input as they are given. */
export type LocalWork<Local> = (operation: Operation, input: unknown) => Promise<Local>;

/**
 * Sends a message if, and only if, a local transaction is committed: prepares it, does the local transaction, and confirms it or withdraws
 * it. To call it again with the same input is safe, and does nothing twice.
 *
 * @param local does the local transaction, in this process and its own database; it must go through that database's guard, such as
 * `guard.apply(operation, input, work)`, and a worker must have the same operation, for the check-back: the participant itself, or
 * `checkBackOnly(guard)` of `backstitch/database`
 * @returns once the local transaction is committed: nothing can keep the message from its subscribers then
 * @throws TransactionCompensated: it is withdrawn, for good, and the local transaction is not there: it was refused (the report's cause says
 * as what), failed, or came after a check-back
 * @throws TransactionPending: whether the local transaction is there could not be found out yet; ask again with the same input
 * @throws what the sender's `prepare` throws: the local transaction was not begun
 *
 * @example
 * ```ts
 * await transactionalMessage(sender, order, (operation, input) =>
 *   guard.apply(operation, input, (sql) => sql('update wallets set cents = cents - $1 where id = $2', [order.cents, order.customer])),
 * );
 * ```
 */
export async function transactionalMessage<Given, Result, Local>(
  sender: MessageSender<Given, Result>,
  given: Given,
  local: LocalWork<Local>,
  options: TransactionalMessageOptions = {},
): Promise<SentMessage<Result, Local>> {
  const { wait, lane, deadline, retries, forwardWindow } = options;
  const message = await sender.prepare(given, { lane, deadline, retries, forwardWindow });
  const { gid } = message;
  const sent = (did: Local | undefined): SentMessage<Result, Local> => {
    return { gid, local: did, result: (waiting) => message.result(waiting) };
  };
  if (message.hasEnded) {
    // Its guard row may be gone by now: the local transaction would be done again.
    await message.result({ wait });
    return sent(undefined);
  }
  let did: Local;
  try {
    did = await tryLocal(message, local, options);
  } catch (error) {
    // Refused, or not known: its database is asked, and what is not there never comes.
    const { local: found } = await message.withdraw(whyOf(error), { wait });
    return sent(found as Local | undefined);
  }
  await message.confirm({ wait });
  return sent(did);
}

/** Tries it until it is done, or refused, or for as often as it may fail. */
async function tryLocal<Local>(
  { gid, local: { operation, input, branch: its = LOCAL_BRANCH } }: PreparedMessage<unknown>,
  work: LocalWork<Local>,
  options: TransactionalMessageOptions,
): Promise<Local> {
  const { retry, startToCloseMs } = retryProfiles.action;
  const { timeoutMs = startToCloseMs, localRetries = retry.maximumAttempts - 1 } = options;
  const { who = `${process.pid}@${hostname()}` } = options;
  const driver = `producer:${randomUUID()}`;
  const branch = { gid, branch: its, op: 'action', scheme: 'message', seq: 1 } as const;
  const name = `${operation}.${branch.op}`;
  let pauseMs: number = retry.initialInterval;
  for (let attempt = 1; ; attempt++) {
    const over = new AbortController();
    const asked: Operation = { ...branch, function: name, driver, who, attempt, timeoutMs, signal: over.signal };
    try {
      return await within(timeoutMs, name, work(asked, input));
    } catch (error) {
      const isDecided = error instanceof Error && decidedBy(error, branch.op) !== undefined;
      // One that gave no answer may still be at it: the look waits for its end.
      if (isDecided || error instanceof HandOver || attempt > localRetries) throw error;
    } finally {
      over.abort();
    }
    await sleep(pauseMs);
    pauseMs = Math.min(pauseMs * retry.backoffCoefficient, retry.maximumInterval);
  }
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error instanceof Rejection ? error.type : error.name}: ${error.message}`;
}
