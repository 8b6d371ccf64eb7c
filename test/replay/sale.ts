import type { Client, WorkflowHandle } from '@temporalio/client';
import pg from 'pg';

interface Place {
  readonly taskQueue: string;
  /** The databases, by service. */
  readonly urls: Readonly<Record<string, string>>;
}

type Write = (name: string, handle: WorkflowHandle) => Promise<void>;

/** Purchases of the sale: one more than a batch of the reclaim. */
const PURCHASES = 501;
const OCCUPY = `
insert into backstitch.occupancy (id, pool, holder, units, occupied_at, due_at)
select 'recorded-' || n, 'recorded', 'c1', 1, now(), now() from generate_series(1, ${PURCHASES}) n`;
const TAKE = `update backstitch.occupancy_pools set free = free - ${PURCHASES} where pool = 'recorded'`;
const ORDER = `insert into sale_orders (order_id, sale, customer_id, units, cents) values ('recorded-1', 'recorded', 'c1', 1, 100)`;
const LOCK = `begin; select from sale_orders where order_id = 'recorded-1' for update`;

/**
 * A sale that is opened, bought from and closed; a round of the reclaim of two batches, in which one purchase cannot be barred; one that
 * fails, as a table is away; and the one after it, which settles.
 */
export async function sales(client: Client, { taskQueue, urls }: Place, write: Write): Promise<void> {
  const [inventory, orders] = [urls.inventory, urls.orders].map((url) => new pg.Client({ connectionString: url }));
  if (inventory === undefined || orders === undefined) throw new Error('there is no database to sell from');
  await Promise.all([inventory.connect(), orders.connect()]);
  const run = async (name: string, workflow: string, ...args: unknown[]) => {
    const handle = await client.workflow.start(workflow, { workflowId: name, taskQueue, args });
    const end = await handle.result().then(
      () => 'completed',
      (error: unknown) => String((error as Error).cause),
    );
    await write(name, handle);
    console.error(`${name}: ${end}`);
  };
  const of = { sale: 'recorded' };
  await run('sale-opened', 'openSale', { ...of, sku: 'cd', units: 600, cents: 100, holdMs: 0 });
  for (const text of [OCCUPY, TAKE]) await inventory.query(text);
  await orders.query(ORDER);
  await run('sale-closed', 'closeSale', of);
  await orders.query(LOCK);
  await run('sale-reclaimed', 'reclaimStock');
  await orders.query('rollback');
  await inventory.query('alter table backstitch.occupancy rename to away');
  await run('sale-reclaim-failed', 'reclaimStock');
  await inventory.query('alter table backstitch.away rename to occupancy');
  await run('sale-settled', 'reclaimStock');
  await Promise.all([inventory.end(), orders.end()]);
}

/** A run of the retention, over all databases. */
export async function retention(client: Client, { taskQueue }: Place, write: Write): Promise<void> {
  const handle = await client.workflow.start('forgetOld', { workflowId: 'forgotten', taskQueue, args: [{}] });
  await handle.result();
  await write('forgotten', handle);
}
