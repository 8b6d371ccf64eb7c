import type { Client } from '@temporalio/client';
import { serviceNames } from '../../src/activities/index.js';
import { createShop, type ShopDatabases } from '../../src/activities/index.js';
import { transferCalls } from '../../src/activities/callers/index.js';
import { transferGid, type Leg } from '../../src/contracts/transfer.js';
import { createGuard } from '../../src/kit/database/index.js';
import { initialAttributes } from '../../src/kit/workflow/index.js';
import {
  deskIdOf,
  ROW_ENDED_SIGNAL,
  STATE_TABLE_DESK,
  type StateDeskOrder,
} from '../../src/kit/workflow/state-table/desk.js';
import { Pools } from '../../src/pools.js';
import { atTheDesk, type Way } from './ways.js';

/** The paths of a state table's row at the desk. */

/** A path: who is to be paid, where that is not an account that can be, and what a person decides. */
export interface StateWay extends Way {
  readonly to?: Leg;
  /** Under its name something else was done. */
  readonly isAnothers?: true;
}

const nobody: Leg = { bank: 'bank_b', account: 'nobody', amount: 100 };
const bob: Leg = { ...nobody, account: 'bob' };
const input = { account: bob.account, amount: bob.amount };

export const stateTable: Readonly<Record<string, StateWay>> = {
  'state-corrected': { to: nobody, then: atTheDesk('to-1', 'retry', { input }) },
  'state-resolved': { to: nobody, then: atTheDesk('to-1', 'resolve', { result: null }) },
  'state-skipped': { to: nobody, then: atTheDesk('to-1', 'skip') },
  // It is told that the row has ended, looks, and waits again if that is not so.
  'state-told-of-its-end': {
    to: nobody,
    then: async (handle, client) => {
      await handle.signal(ROW_ENDED_SIGNAL);
      await atTheDesk('to-1', 'skip')(handle, client);
    },
  },
  // Of a release to which it was no reason to stop there is one with the ending `-unasked`, made by hand of the next.
  'state-mismatch-retried': {
    isAnothers: true,
    then: async (handle, client) => {
      await atTheDesk('from-1', 'retry')(handle, client);
      await atTheDesk('to-1', 'skip')(handle, client);
    },
  },
  'state-retried-in-vain': {
    fault: 'bank_b.credit.action:fail=1000',
    then: async (handle, client) => {
      await atTheDesk('from-1', 'retry')(handle, client);
      // Its rounds are over when it waits again.
      for (;;) {
        const waiting = await handle.query<{ desk: unknown[]; decisions: unknown[] }>('transaction');
        if (waiting.desk.length === 1 && waiting.decisions.length === 1) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await atTheDesk('to-1', 'skip')(handle, client);
    },
  },
};

/** Brings a row to the desk. @returns the id of its workflow */
export async function bringToDesk(
  client: Client,
  { taskQueue, urls }: { readonly taskQueue: string; readonly urls: Readonly<Record<string, string>> },
  [name, { to = bob, isAnothers }]: [string, StateWay],
): Promise<string> {
  const pools = new Pools();
  try {
    const databases: ShopDatabases = await pools.openServices(serviceNames, urls, 2);
    const { callers } = createShop({ databases, stateLimits: { retries: 0, callerMs: 1_000 } });
    const gid = transferGid(name);
    if (isAnothers === true) {
      const operation = { gid, branch: 'to-1', op: 'action', scheme: 'state', seq: 2, attempt: 1 } as const;
      const by = { function: 'bank_b.credit.action', driver: 'another', who: 'another', timeoutMs: 5_000 };
      const { signal } = new AbortController();
      await createGuard(databases.bank_b).apply({ ...operation, ...by, signal }, 'another', () => Promise.resolve(1));
    }
    const from: Leg = { bank: 'bank_a', account: 'alice', amount: 100 };
    // Where it is refused, it is refused now; where it is only to fail, nobody has called it yet.
    const calls = transferCalls({ from: [from], to: [to] });
    await callers.run(gid, calls, to === bob ? { signal: AbortSignal.abort() } : {});
    const failed = JSON.stringify({ known: 'unknown', type: 'Error', message: 'it was not called' });
    await databases.callers.run(
      `update backstitch.state_table set state = 'error', due_at = null, failure = coalesce(failure, $2::text::jsonb) where gid = $1`,
      [gid, failed],
    );
    const order: StateDeskOrder = { table: 'callers', gid, rounds: 2, everyMs: 500 };
    const workflowId = deskIdOf(order.table, gid);
    // The scan may have been faster.
    await client.workflow.start(STATE_TABLE_DESK, {
      ...{ workflowId, taskQueue, args: [order], workflowIdConflictPolicy: 'USE_EXISTING' },
      typedSearchAttributes: initialAttributes('state'),
    });
    return workflowId;
  } finally {
    await pools.close();
  }
}
