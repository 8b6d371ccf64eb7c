import type { Client } from '@temporalio/client';
import {
  NotStarted,
  ServerUnavailable,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  TransactionTerminated,
  type Transaction,
  type TransactionContract,
} from '../client/index.js';
import { announcementsOf } from '../database/announcement/announcements.js';
import type { ParticipantDatabases } from '../worker/index.js';
import { goOn } from '../worker/relay.js';
import { settleGroup } from '../worker/settle-group.js';
import type { Asked, DriveTimes, Request, Stood, Told } from './protocol.js';

/** How a worker process of a matrix asks for transactions, as callers do: for the lanes `direct` and `grouped`. */
export interface MatrixCallers {
  /** Made with `interceptors: faults.clientInterceptors`; the relay's and the transactions' own, too. */
  readonly client: Client;
  /**
   * A `transactionClient`, with what its lanes need: for the direct lane `directLane({ …, ...times })`, whose participants are
   * those of `faults.participants`; for the grouped lane `times.groups`.
   */
  readonly transactions: (times: DriveTimes) => Transactions;
  /** The databases in which transactions are announced, by their participants, as the relay has them. */
  readonly databases: ParticipantDatabases;
}

/** What `transactionClient` gives. */
export interface Transactions {
  of<Given, Input, Result>(contract: TransactionContract<Given, Input, Result>): Transaction<Given, Result>;
}

/** What does in this process what the matrix asks for. */
export function serverOf(callers: MatrixCallers): (request: Request) => Promise<unknown> {
  const parties = new Map<string, Transactions>();
  const transactionsOf = ({ party, times }: Asked): Transactions => {
    const known = party === undefined ? undefined : parties.get(party);
    const transactions = known ?? callers.transactions(times);
    if (party !== undefined) parties.set(party, transactions);
    return transactions;
  };
  return (request) => {
    switch (request.what) {
      case 'ask':
        return ask(transactionOf(request.asked, transactionsOf(request.asked)), request.asked);
      case 'start':
        return start(transactionOf(request.asked, transactionsOf(request.asked)), request.asked);
      case 'take-over':
        return takeOver(request.gid, callers);
      case 'settle-group':
        return settleGroup(callers.client, request);
      case 'look':
        return look(request.gid, callers);
    }
  };
}

function transactionOf({ gid, workflow }: Asked, transactions: Transactions): Transaction<unknown, unknown> {
  return transactions.of<unknown, unknown, unknown>({
    workflow,
    scheme: 'saga',
    parse: (input) => input,
    gid: () => gid,
    summary: () => `crash matrix: ${gid}`,
  });
}

async function ask(transaction: Transaction<unknown, unknown>, { input, options }: Asked): Promise<Told> {
  try {
    return { state: 'committed', result: await transaction(input, options) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { message } = error;
    if (error instanceof TransactionCompensated) return { state: 'compensated', message };
    if (error instanceof TransactionFailed) return { state: 'failed', message };
    if (error instanceof TransactionTerminated) return { state: 'terminated', message };
    if (error instanceof TransactionPending || error instanceof NotStarted) return { state: 'pending', message };
    if (error instanceof ServerUnavailable) return { state: 'unreachable', message };
    throw error;
  }
}

async function start(transaction: Transaction<unknown, unknown>, { input, options }: Asked): Promise<void> {
  await transaction.start(input, options);
}

async function takeOver(gid: string, { client, databases }: MatrixCallers): Promise<boolean> {
  for (const [participant, database] of Object.entries(databases)) {
    const announcements = announcementsOf(database);
    const promoted = await announcements.promote(gid, { actor: 'the matrix', reason: 'a fault', at: Date.now() });
    if (promoted === undefined) continue;
    if (promoted.taken !== undefined) await goOn(client, participant, announcements, promoted.taken);
    return true;
  }
  return false;
}

async function look(gid: string, { databases }: MatrixCallers): Promise<Stood[]> {
  return Promise.all(
    Object.entries(databases).map(async ([participant, database]) => ({
      participant,
      ...(await announcementsOf(database).look(gid)),
    })),
  );
}
