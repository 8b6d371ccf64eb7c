import type { Client, WorkflowHandle } from '@temporalio/client';
import type { Transfer } from '../../src/contracts/transfer.js';
import { openShopProducer } from '../../src/direct.js';
import { CONFIRM_UPDATE, type DeskAction } from '../../src/kit/workflow/index.js';
import type { TransferWay } from './tcc.js';
import { atTheDesk, ended } from './ways.js';

/** The paths of transfers by message. They are prepared; what follows is done here. */

const cents =
  (amount: number) =>
  (id: string): Transfer => ({
    id,
    from: [{ bank: 'bank_a', account: 'alice', amount }],
    to: [
      { bank: 'bank_b', account: 'bob', amount: 1 },
      { bank: 'bank_c', account: 'carol', amount: amount - 1 },
    ],
  });

const plain = { scheme: 'message', input: cents(100) } as const;
const soon = { deadline: '2 seconds' } as const;
const unreachable = { ...plain, fault: 'bank_a.debit.action:fail=1000', call: { ...soon, retries: 1 } } as const;

/** Does the local transaction, and says what became of it. DATABASE_URL_… say where. */
const sends =
  (input: (id: string) => Transfer) =>
  async (handle: WorkflowHandle, client: Client): Promise<void> => {
    const { taskQueue } = await handle.describe();
    const driver = await openShopProducer('bank_a');
    try {
      const transfer = input(handle.workflowId.replace(/^transfer-/, ''));
      await driver.sendTransfer({ client, taskQueue }, transfer, { wait: '2 seconds' });
    } catch {
      // What becomes of it is recorded.
    } finally {
      await driver.close();
    }
  };

/** Sends it, and has a person decide about what then waits. */
const sentThen = (branch: string, action: DeskAction) => async (handle: WorkflowHandle, client: Client) => {
  await sends(plain.input)(handle, client);
  await atTheDesk(branch, action)(handle, client);
};

export const messages: Readonly<Record<string, TransferWay>> = {
  'message-sent': { ...plain, then: sends(plain.input) },
  'message-refused': { ...plain, input: cents(1_000_000_000), then: sends(cents(1_000_000_000)) },
  'message-unheard': { ...plain, call: soon },
  'message-confirmed-by-mistake': { ...plain, then: (handle) => handle.executeUpdate(CONFIRM_UPDATE) },
  'message-cancelled': { ...plain, then: (handle) => handle.cancel() },
  // Of a release that did not ask the database before there is one with the ending `-unasked`.
  'message-unreachable-resolved': {
    ...unreachable,
    then: atTheDesk('from-1', 'resolve', { result: { debited: 100 } }),
  },
  'message-unreachable-skipped': { ...unreachable, then: atTheDesk('from-1', 'skip') },
  'message-subscriber-skipped': {
    ...plain,
    fault: 'bank_c.credit.action:refuse',
    then: sentThen('to-2', 'skip'),
  },
  'message-settled': {
    ...plain,
    fault: 'bank_c.credit.action:hang=1',
    then: async (handle, client) => {
      await Promise.all([sends(plain.input)(handle, client), ended('bank_c.credit.action')(handle, client)]);
    },
  },
};
