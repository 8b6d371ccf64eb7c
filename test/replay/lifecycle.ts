import type { Client, WorkflowHandle } from '@temporalio/client';
import { openShop } from '../../src/client/shop.js';
import type { TemporalSettings } from '../../src/config.js';
import { orderLifecycleContract } from '../../src/contracts/transactions.js';
import { machineClient } from '../../src/kit/client/index.js';

/** The paths of orders that live for weeks: each machine's history, and one of each saga of its transitions. */

const packed = ['pay', 'received', 'pick', 'picked', 'pack', 'packed'] as const;
const recalled = [...packed, 'ship', 'recall'] as const;

/** What is sent to each; `over`: its deadline is moved to now; `refused`: it waits until its refund was. */
const paths = {
  'life-completed': [...packed, 'ship', 'deliver', 'complete'],
  'life-cancelled-unpaid': ['cancel'],
  'life-cancelled-by-deadline': ['over'],
  'life-cancelled-packed': [...packed, 'cancel'],
  'life-refunded': [...packed, 'refund'],
  'life-recalled': [...recalled, 'returned'],
  'life-lost': [...recalled, 'lost', 'refund'],
  'life-refund-refused': [...packed, 'refund', 'refused', 'refunded'],
} as const;

/** Runs the orders whose names begin so, and writes their histories. */
export async function recordLifecycles(
  client: Client,
  where: TemporalSettings,
  wanted: string,
  write: (name: string, handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const chosen = Object.entries(paths).filter(([name]) => name.startsWith(wanted));
  if (chosen.length === 0) return;
  const customers = chosen.map(([name]) => name);
  const opening = { customers, walletCents: 10_000, points: 100, couponCents: 433, sku: 'cd', units: 2_000 };
  await openShop(client, where, opening);
  const machines = machineClient(client, where, orderLifecycleContract);
  const by = { actor: 'ann', reason: 'recorded' };
  const becomes = async (gid: string, state: string) => {
    while ((await machines.view(gid)).state !== state) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const written = new Set<string>();
  for (const [name, events] of chosen) {
    const gid = orderLifecycleContract.gid(name);
    const order = { orderId: name, customerId: name, sku: 'cd', units: 1, amount: 2_933, coupon: `welcome-${name}` };
    await machines.start(gid, order);
    for (const event of events) {
      if (event === 'over') {
        // Nothing of it is there before it waits for its payment.
        await becomes(gid, 'WAIT_PAY');
        await machines.moveDeadline(gid, { name: 'unpaid', to: Date.now(), ...by });
      } else if (event === 'refused') await becomes(gid, 'REFUNDING.REFUSED');
      else await machines.send(gid, event, { by });
    }
    const { state } = await machines.result(gid, { wait: '1 minute' });
    await write(name, client.workflow.getHandle(gid));
    console.error(`${name}: ${state}`);
    for (const saga of await sagasOf(client, gid)) {
      if (written.has(saga.type)) continue;
      written.add(saga.type);
      await write(`life-saga-${saga.type}`, client.workflow.getHandle(saga.id));
    }
  }
}

/** The sagas that a machine has started. */
async function sagasOf(client: Client, gid: string): Promise<{ id: string; type: string }[]> {
  const { events } = await client.workflow.getHandle(gid).fetchHistory();
  return (events ?? []).flatMap(({ childWorkflowExecutionStartedEventAttributes: started }) => {
    const id = started?.workflowExecution?.workflowId;
    const type = started?.workflowType?.name;
    return id && type ? [{ id, type }] : [];
  });
}
