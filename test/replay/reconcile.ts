import type { Client, WorkflowHandle } from '@temporalio/client';
import pg from 'pg';
import { decide, type DeskAction } from '../../src/kit/client/index.js';
import { RECONCILE, type ReconcileOrder } from '../../src/kit/workflow/reconcile/reconcile.js';

interface Place {
  readonly taskQueue: string;
  /** The databases, by service. */
  readonly urls: Readonly<Record<string, string>>;
}

/** A payment that nobody has ordered, and of which no money has moved. */
const DAMAGE = `
begin; set local session_replication_role = replica;
insert into payments (order_id, customer_id, amount, captured_at) values ('reconciled', 'c1', 100, now() - interval '1 day'); commit`;

/** Damages the books, and has them reconciled: by the daily run, at the desk, and by a run that repairs. */
export async function reconciliations(
  client: Client,
  { taskQueue, urls }: Place,
  write: (name: string, handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const payments = new pg.Client({ connectionString: urls.payments });
  await payments.connect();
  await payments.query(DAMAGE);
  await payments.end();
  const run = async (name: string, order: ReconcileOrder) => {
    const pairs = ['orders-payments', 'payments-entries', 'orders-executions'];
    const handle = await client.workflow.start(RECONCILE, { workflowId: name, taskQueue, args: [{ ...order, pairs }] });
    await handle.result();
    await write(name, handle);
  };
  const gid = 'reconcile/payment-without-entries/reconciled';
  /** As soon as the case waits. */
  const decideOf = async (action: DeskAction) => {
    for (let tries = 1; ; tries++) {
      try {
        await decide(client, gid, { branch: 'drift', action, actor: 'recorder', reason: 'recorded' });
        return;
      } catch (error) {
        if (tries === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  };
  await run('reconcile-daily', { desk: true });
  await decideOf('resolve');
  await run('reconcile-repaired', { repair: { actor: 'recorder', reason: 'recorded' } });
  await decideOf('retry');
  const handle = client.workflow.getHandle(gid);
  await handle.result();
  await write('reconcile-case', handle);
}
