/** A process that runs customers' transactions in every lane: gathers those of the grouped one, and drives those of the direct one. */
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { createShop, serviceNames, type ServiceName } from '../../src/activities/index.js';
import { temporalSettings, workerSettings } from '../../src/config.js';
import {
  buyBookTransaction,
  placeOrderTccTransaction,
  placeOrderTransaction,
  transfer2pcTransaction,
  transfer3pcTransaction,
  transferOutboxTransaction,
  transferSagaLockedTransaction,
  transferSagaTransaction,
  transferTccTransaction,
} from '../../src/contracts/transactions.js';
import {
  NotStarted,
  ServerUnavailable,
  TransactionCompensated,
  TransactionPending,
  transactionClient,
  type Transaction,
} from '../../src/kit/client/index.js';
import { pgDatabase, type Database } from '../../src/kit/database/index.js';
import { directLane } from '../../src/kit/direct/index.js';
import { placeOrder } from '../../src/workflows/place-order.js';
import { transferSaga } from '../../src/workflows/transfer.js';
import type { TransactionName } from './business/business.js';
import { READY, type Asked, type Reply, type Told } from './caller-protocol.js';
import { mixedCalls } from './mixed/calls.js';
import { patience } from './patience.js';

/** A frozen process is silent for longer than that: others take over what it has begun, and it wakes up. */
const TIMES = { callMs: 1_500, takeOverMs: 4_000 };

const { databaseUrls, poolSize } = workerSettings(serviceNames);
const databases = Object.fromEntries(
  serviceNames.map((service) => {
    const pool = new pg.Pool({
      connectionString: databaseUrls[service],
      max: poolSize,
      connectionTimeoutMillis: 5_000,
    });
    return [service, pgDatabase(pool)];
  }),
) as Record<ServiceName, Database>;
const shop = createShop({ databases });
const { participants } = shop;
const { connection, namespace, taskQueue } = temporalSettings();
const client = new Client({ connection: await Connection.connect(connection), namespace, interceptors: patience });
const direct = directLane({ sagas: { placeOrder, transferSaga }, participants, databases, ...TIMES });
/** Customers come one by one: a group waits for some of them. */
const groups = { delayMs: 50 };
const caller = transactionClient(client, { taskQueue, direct, groups });
const transactions: Partial<Record<TransactionName, Transaction<never, unknown>>> = {
  placeOrder: caller.of(placeOrderTransaction),
  placeOrderTcc: caller.of(placeOrderTccTransaction),
  buyBook: caller.of(buyBookTransaction),
  transferSaga: caller.of(transferSagaTransaction),
  transferSagaLocked: caller.of(transferSagaLockedTransaction),
  transferTcc: caller.of(transferTccTransaction),
  transfer2pc: caller.of(transfer2pcTransaction),
  transfer3pc: caller.of(transfer3pcTransaction),
  transferOutbox: caller.of(transferOutboxTransaction),
};

async function run({ transaction, input, options }: Asked): Promise<Told> {
  try {
    // A three-phase commit has no lanes, and times of its own: those of `patience`.
    const own = transaction === 'transfer3pc' ? {} : options;
    const served = mixedCalls[transaction];
    if (served !== undefined) return await served({ client, taskQueue, shop, databases }, input as never, own);
    const result = await transactions[transaction]?.(input as never, { ...own, wait: '30 seconds' });
    return { told: 'done', result };
  } catch (error) {
    if (error instanceof TransactionCompensated) return { told: 'undone', reason: error.report.cause.type };
    if (error instanceof ServerUnavailable || error instanceof NotStarted) {
      return { told: 'again', reason: error.message };
    }
    if (error instanceof TransactionPending) {
      return { told: error.state === 'stuck' ? 'stuck' : 'again', reason: error.message };
    }
    // A look that failed, as a database was away: nothing is known by it.
    if (transaction in mixedCalls && isLook(error)) return { told: 'again', reason: error.message };
    return { told: 'error', reason: describe(error) };
  }
}

/** An error with its causes, in one line. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.message}${error.cause === undefined ? '' : `: ${describe(error.cause)}`}`;
}

/** Whether an error is of a job that could not be done, and says nothing of what was asked for. */
function isLook(error: unknown): error is Error {
  return error instanceof Error && ['Error', 'WorkerSilent', 'NoWorker', 'TransactionNotFound'].includes(error.name);
}

process.on('message', (asked: Asked) => {
  void run(asked).then((told) => process.send?.({ id: asked.id, ...told } satisfies Reply, () => undefined));
});
process.once('disconnect', () => process.exit(1));
console.error(`caller: ${READY}`);
