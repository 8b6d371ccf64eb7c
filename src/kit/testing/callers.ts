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
import type { Asked, DriveTimes, Request, Stood, Told } from './protocol.js';

/** How a worker process of a matrix asks for transactions, as callers do: for lanes in which those drive. */
export interface MatrixCallers {
  /** Made with `interceptors: faults.clientInterceptors`; the relay's and the transactions' own, too. */
  readonly client: Client;
  /**
   * The process's `transactionClient`, with what its lanes need: for the direct lane `directLane({ …, ...times })`, whose
   * participants are those of `faults.participants`.
   */
  readonly transactions: (times: DriveTimes) => {
    of<Given, Input, Result>(contract: TransactionContract<Given, Input, Result>): Transaction<Given, Result>;
  };
  /** The databases in which transactions are announced, by their participants, as the relay has them. */
  readonly databases: ParticipantDatabases;
}

/** Does what the matrix asks for. */
export function serveRequest(request: Request, callers: MatrixCallers): Promise<unknown> {
  switch (request.what) {
    case 'ask':
      return ask(request.asked, callers);
    case 'start':
      return start(request.asked, callers);
    case 'take-over':
      return takeOver(request.gid, callers);
    case 'look':
      return look(request.gid, callers);
  }
}

function transactionOf(
  { gid, workflow, times }: Asked,
  { transactions }: MatrixCallers,
): Transaction<unknown, unknown> {
  return transactions(times).of<unknown, unknown, unknown>({
    workflow,
    scheme: 'saga',
    parse: (input) => input,
    gid: () => gid,
    summary: () => `crash matrix: ${gid}`,
  });
}

async function ask(asked: Asked, callers: MatrixCallers): Promise<Told> {
  try {
    return { state: 'committed', result: await transactionOf(asked, callers)(asked.input, asked.options) };
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

async function start(asked: Asked, callers: MatrixCallers): Promise<void> {
  await transactionOf(asked, callers).start(asked.input, asked.options);
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
