import { transactionClient, type CallOptions, type DirectLane } from '../kit/client/index.js';
import type { Cli } from './cli.js';
import { openDriver } from './direct.js';
import type { ExitCode } from './exit.js';
import type { Scheme } from '../kit/workflow/index.js';
import type { Session } from './session.js';

/** What calls transactions. */
export interface Calling extends Session {
  readonly transactions: ReturnType<typeof transactionClient>;
}

/**
 * Opens what calls a transaction, and closes it after the work. In the lane `direct` this process drives it, if it is a saga: a call
 * of anything else is refused.
 */
export async function calling(
  cli: Cli,
  { scheme, lane }: { readonly scheme: Scheme; readonly lane?: CallOptions['lane'] },
  work: (calls: Calling) => Promise<ExitCode>,
): Promise<ExitCode> {
  const open = async (direct?: DirectLane): Promise<Calling> => {
    const session = await cli.open();
    const { taskQueue } = session.settings;
    return { ...session, transactions: transactionClient(session.client, { taskQueue, direct }) };
  };
  if (lane !== 'direct' || scheme !== 'saga') return work(await open());
  let given = 0;
  let first = '';
  const driver = await openDriver((gid, why) => {
    if (given++ === 0) first = `${gid}: ${why.message}`;
  });
  try {
    return await work(await open(driver.lane));
  } finally {
    if (given > 0) cli.output.note(`${given} given to workflows; the first was ${first}`);
    await driver.close();
  }
}
