import { type Client, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { CONFIRM_UPDATE, WITHDRAW_UPDATE, type MessageDecision } from '../workflow/message/protocol.js';
import { wrongSagaOption } from '../workflow/saga/options.js';
import { ServerUnavailable, TransactionPending, TransactionTerminated } from './errors.js';
import { wasDropped } from './updates.js';
import { awaitDecision, awaitOutcome, type StartedRun } from './outcome.js';
import { ask } from './server.js';
import {
  transactionClient,
  type StartOptions,
  type TransactionClientOptions,
  type TransactionContract,
  type WaitOptions,
} from './transactions.js';

/** What the producers of a transactional message and its workflow agree on. */
export interface MessageContract<Given, Input, Result> extends TransactionContract<Given, Input, Result> {
  readonly scheme: 'message';
  /** The local transaction: the name of its operation, such as `bank_a.debit`, its input and its branch, as the workflow names them. */
  local(input: Input): MessageLocal;
}

/** The local transaction of a message. */
export interface MessageLocal {
  readonly operation: string;
  readonly input: unknown;
  /** Its branch. Where the workflow looks at another one it finds nothing, and withdraws what is committed. Default: `local` */
  readonly branch?: string;
}

/** Options of preparing a message; they override its own for this call, and mean nothing to a duplicate. The only lane is `durable`. */
export type PrepareMessageOptions = Pick<StartOptions, 'lane' | 'deadline' | 'retries' | 'forwardWindow'>;

/** A message that is prepared, or was before. */
export interface PreparedMessage<Result> {
  readonly gid: string;
  readonly local: MessageLocal;
  /** Whether it has ended before: its local transaction is not to be done, and {@link result} tells how it ended. */
  readonly hasEnded: boolean;
  /**
   * Says that the local transaction is committed.
   *
   * @returns whether it was heard. If not, nothing is lost: the message is sent when the database was asked
   * @throws TransactionCompensated, TransactionFailed: it is not sent, as its local transaction was not there
   */
  readonly confirm: (options?: WaitOptions) => Promise<boolean>;
  /**
   * Says that the local transaction is not committed, or that it is not known whether it is: the producer's database is asked.
   *
   * @param why one line
   * @returns that it is sent all the same, as its local transaction is there; `local`: what that gave, if that is known
   * @throws TransactionCompensated: it is withdrawn, for good; TransactionFailed: a person left it; TransactionPending: that is not
   * known yet
   */
  readonly withdraw: (why: string, options?: WaitOptions) => Promise<{ readonly local?: unknown }>;
  /** Waits until every subscriber has it; the same errors as of any transaction. */
  readonly result: (options?: WaitOptions) => Promise<Result>;
}

/** Prepares transactional messages. `transactionalMessage` of `backstitch/direct` does all three steps. */
export interface MessageSender<Given, Result> {
  /**
   * Prepares a message. The same input is the same message.
   *
   * @throws InvalidInput, GidConflict, ServerNotPrepared: nothing was prepared
   * @throws ServerUnavailable: whether it was prepared is not known; it is withdrawn by itself, and calling again is safe
   */
  prepare(given: Given, options?: PrepareMessageOptions): Promise<PreparedMessage<Result>>;
}

/** How long a producer waits for what it said to be heard. */
const HEARD_MS = 10_000;
/** What leaves it to the check-back, or to the scan. */
const UNHEARD = [TransactionPending, TransactionTerminated, ServerUnavailable];

/**
 * Makes what prepares the messages of a contract, through a Temporal client.
 *
 * @example
 * ```ts
 * const sender = messageSender(client, { taskQueue: 'backstitch' }, orderPaidMessage);
 * const { local } = await transactionalMessage(sender, order, (operation, input) =>
 *   guard.apply(operation, input, (sql) => takeMoney(sql, order)),
 * );
 * ```
 */
export function messageSender<Given, Input, Result>(
  client: Client,
  { taskQueue, eagerStart }: Pick<TransactionClientOptions, 'taskQueue' | 'eagerStart'>,
  contract: MessageContract<Given, Input, Result>,
): MessageSender<Given, Result> {
  const transaction = transactionClient(client, { taskQueue, eagerStart }).of(contract);
  return {
    async prepare(given, { lane, deadline, retries, forwardWindow } = {}) {
      const options = { lane, deadline, retries, forwardWindow };
      // What its workflow could only withdraw is not begun.
      const wrong = wrongSagaOption({ deadline, retries, forwardWindow });
      if (wrong !== undefined) throw new TypeError(wrong);
      const local = contract.local(contract.parse(given));
      const started = await transaction.start(given, options);
      const { gid, runId, duplicate } = started;
      const run: StartedRun = { gid, runId, taskQueue, duplicate };
      const told = async (what: { how: string; why?: string }, wait: WaitOptions['wait']) => {
        const until = Date.now() + msToNumber(wait ?? HEARD_MS);
        const decision = await tell(client, run, until, what);
        if (decision?.state === 'sent') return decision;
        // It is not sent, or has ended.
        await awaitOutcome(client, run, until);
        return undefined;
      };
      return {
        gid,
        local,
        hasEnded: duplicate && (await hasEnded(client, run)),
        confirm: async ({ wait } = {}) => {
          try {
            await told({ how: CONFIRM_UPDATE }, wait);
            return true;
          } catch (error) {
            if (UNHEARD.some((unheard) => error instanceof unheard)) return false;
            throw error;
          }
        },
        withdraw: async (why, { wait } = {}) => {
          const sent = await told({ how: WITHDRAW_UPDATE, why }, wait);
          return { local: sent?.local };
        },
        result: (waiting) => started.result(waiting),
      };
    },
  };
}

/** @returns undefined if it had ended before */
async function tell(
  client: Client,
  run: StartedRun,
  until: number,
  { how, why }: { readonly how: string; readonly why?: string },
): Promise<MessageDecision | undefined> {
  const handle = client.workflow.getHandle(run.gid, run.runId);
  try {
    return await awaitDecision(client, run, until, () =>
      handle.executeUpdate<MessageDecision, [string | undefined]>(how, { args: [why] }),
    );
  } catch (error) {
    // The latter was ended from outside when it had heard.
    if (error instanceof WorkflowNotFoundError || (error instanceof WorkflowUpdateFailedError && !wasDropped(error))) {
      return undefined;
    }
    throw error;
  }
}

async function hasEnded(client: Client, { gid, runId }: StartedRun): Promise<boolean> {
  const { status } = await ask(client, () => client.workflow.getHandle(gid, runId).describe());
  return status.name !== 'RUNNING';
}
