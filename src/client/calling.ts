import type { BankName, Transfer, Transferred } from '../contracts/transfer.js';
import { transactionClient, type CallOptions } from '../kit/client/index.js';
import type { Cli } from './cli.js';
import { openDriver, openProducer, type Driver } from './direct.js';
import type { ExitCode } from './exit.js';
import type { Scheme } from '../kit/workflow/index.js';
import type { Session } from './session.js';

/** What calls transactions. */
export interface Calling extends Session {
  readonly transactions: ReturnType<typeof transactionClient>;
  /** Makes a transfer by message; there for that scheme, whose local transaction is this process's own. */
  readonly sendTransfer?: (transfer: Transfer, options?: CallOptions) => Promise<Transferred>;
}

/** What is called, and who has to be opened for it. */
export interface CallingOf {
  readonly scheme: Scheme;
  readonly lane?: CallOptions['lane'];
  /** Of a message: the bank whose local transaction this process does. */
  readonly producer?: BankName;
}

/**
 * Opens what calls a transaction, and closes it after the work. In the lane `direct` this process drives it, if it is a saga: a call
 * of anything else is refused. Of a message it does the local transaction.
 */
export async function calling(
  cli: Cli,
  { scheme, lane, producer }: CallingOf,
  work: (calls: Calling) => Promise<ExitCode>,
): Promise<ExitCode> {
  if (producer !== undefined) return producing(cli, producer, work);
  if (lane !== 'direct' || scheme !== 'saga') return work(await open(cli));
  let given = 0;
  let first = '';
  const driver = await openDriver((gid, why) => {
    if (given++ === 0) first = `${gid}: ${why.message}`;
  });
  try {
    return await work(await open(cli, driver));
  } finally {
    if (given > 0) cli.output.note(`${given} given to workflows; the first was ${first}`);
    await driver.close();
  }
}

async function producing(cli: Cli, bank: BankName, work: (calls: Calling) => Promise<ExitCode>): Promise<ExitCode> {
  const producer = await openProducer(bank);
  try {
    const calls = await open(cli);
    const { client, settings } = calls;
    const where = { client, taskQueue: settings.taskQueue };
    return await work({ ...calls, sendTransfer: (...transfer) => producer.sendTransfer(where, ...transfer) });
  } finally {
    await producer.close();
  }
}

async function open(cli: Cli, driver?: Driver): Promise<Calling> {
  const session = await cli.open();
  const { taskQueue } = session.settings;
  return { ...session, transactions: transactionClient(session.client, { taskQueue, direct: driver?.lane }) };
}
