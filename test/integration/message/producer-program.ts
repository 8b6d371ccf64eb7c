import { once } from 'node:events';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { messageSender, type MessageSender } from '../../../src/kit/client/index.js';
import { createGuard, pgDatabase } from '../../../src/kit/database/index.js';
import { transactionalMessage, type TransactionalMessageOptions } from '../../../src/kit/direct/index.js';
import { note, paidMessage } from './contract.js';
import type { Order } from './workflows.js';

/** A producer in a process of its own. It says where it is, and stays there until it is told to go on, or killed. */

/** What it is told on its command line. */
export interface ProducerOrder {
  readonly address: string;
  readonly taskQueue: string;
  readonly url: string;
  readonly order: Order;
  readonly options: TransactionalMessageOptions;
  /** Where it stays: `start`, `prepared`, `confirming`, or a point of the guard. */
  readonly staysAt?: string;
  /** The point of the guard at which it fails, each time: `worked`, or `committed`, where its reply is lost. */
  readonly failsAt?: string;
}

const given = JSON.parse(process.argv[2] ?? '') as ProducerOrder;
const { address, taskQueue, url, order, options, staysAt, failsAt } = given;

const at = async (point: string): Promise<void> => {
  if (point === staysAt) {
    console.log(`at ${point}`);
    await once(process, 'message');
  }
  if (point === failsAt) throw new Error(`it fails at ${point}`);
};

const client = new Client({ connection: await Connection.connect({ address }) });
const pool = new pg.Pool({ connectionString: url, max: 2 });
pool.on('error', () => undefined);
const guard = createGuard(pgDatabase(pool), { probe: at });
const real = messageSender(client, { taskQueue }, paidMessage);
const sender: MessageSender<Order, number> = {
  prepare: async (...of) => {
    await at('start');
    const message = await real.prepare(...of);
    await at('prepared');
    return {
      ...message,
      confirm: async (waiting) => {
        await at('confirming');
        return message.confirm(waiting);
      },
    };
  },
};
try {
  const { local } = await transactionalMessage(
    sender,
    order,
    (operation, input) => guard.apply(operation, input, (sql) => note(sql, operation, order)),
    options,
  );
  console.log(`ended ${JSON.stringify({ state: 'sent', local })}`);
} catch (error) {
  const { name, message, report } = error as Error & { report?: { cause: { type: string } } };
  console.log(`ended ${JSON.stringify({ state: name, message, cause: report?.cause.type })}`);
}
process.exit(0);
