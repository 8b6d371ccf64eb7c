import type { Transfer, Transferred } from '../contracts/transfer.js';
import { transactionClient, type CallOptions } from '../kit/client/index.js';
import type { Cli } from './cli.js';
import { openDriver, type Driver } from './direct.js';
import type { ExitCode } from './exit.js';
import type { Scheme } from '../kit/workflow/index.js';
import type { Session } from './session.js';

/** What calls transactions. */
export interface Calling extends Session {
  readonly transactions: ReturnType<typeof transactionClient>;
  /** Makes a transfer by message; there for that scheme, whose local transaction is this process's own. */
  readonly sendTransfer?: (transfer: Transfer, options?: CallOptions) => Promise<Transferred>;
}

/**
 * Opens what calls a transaction, and closes it after the work. In the lane `direct` this process drives it, if it is a saga: a call
 * of anything else is refused. Of a message it does the local transaction.
 */
export async function calling(
  cli: Cli,
  { scheme, lane }: { readonly scheme: Scheme; readonly lane?: CallOptions['lane'] },
  work: (calls: Calling) => Promise<ExitCode>,
): Promise<ExitCode> {
  const open = async (driver?: Driver): Promise<Calling> => {
    const session = await cli.open();
    const { client } = session;
    const { taskQueue } = session.settings;
    const transactions = transactionClient(client, { taskQueue, direct: driver?.lane });
    return {
      ...{ ...session, transactions },
      ...(driver !== undefined &&
        scheme === 'message' && {
          sendTransfer: (transfer, options) => driver.sendTransfer({ client, taskQueue }, transfer, options),
        }),
    };
  };
  if (scheme !== 'message' && (lane !== 'direct' || scheme !== 'saga')) return work(await open());
  let given = 0;
  let first = '';
  const driver = await openDriver((gid, why) => {
    if (given++ === 0) first = `${gid}: ${why.message}`;
  });
  try {
    return await work(await open(driver));
  } finally {
    if (given > 0) cli.output.note(`${given} given to workflows; the first was ${first}`);
    await driver.close();
  }
}
