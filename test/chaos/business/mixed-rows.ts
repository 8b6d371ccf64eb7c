import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pg from 'pg';
import { serviceNames } from '../../../src/activities/index.js';
import { salePurchaseGid } from '../../../src/activities/sale/buy.js';
import { orderGid } from '../../../src/contracts/place-order.js';
import { reconcileNow, type FoundState } from '../../../src/kit/client/index.js';
import { listTransactions } from '../../../src/kit/client/list.js';
import type { Place, TransactionName, Wanted } from './business.js';

/** What the databases have of everything that was asked for. */

/** Runs a statement in the database of a service. */
export async function read<Row extends object>({ databaseUrl }: Place, service: string, text: string): Promise<Row[]> {
  const database = new pg.Client({ connectionString: databaseUrl(service), connectionTimeoutMillis: 10_000 });
  await database.connect();
  try {
    return (await database.query<Row>(text)).rows;
  } finally {
    await database.end();
  }
}

/** What the states of orders mean. */
const ORDERS: Readonly<Record<string, 'done' | 'undone'>> = {
  ...{ placed: 'done', cancelled: 'undone' },
  // However such an order has ended: it was opened, and has lived.
  ...{ COMPLETED: 'done', CANCELLED: 'done', REFUNDED: 'done' },
};

/** What the two rows of a purchase at a sale mean together. */
const SALE: Readonly<Record<string, 'done' | 'undone'>> = {
  ...{ 'consumed paid': 'done', 'released cancelled': 'undone', 'released barred': 'undone' },
};

const ends = { done: 'committed', undone: 'compensated' } as const;

/** How far each is that is no transfer, by gid. */
export async function rowsOf(place: Place, wanted: readonly Wanted[]): Promise<Map<string, string>> {
  const names = new Map(wanted.map(({ gid, transaction }) => [gid, transaction]));
  const [orders, occupied, sold, bought] = await Promise.all([
    read<{ id: string; status: string }>(place, 'orders', 'select order_id as id, status from orders'),
    read<{ id: string; state: string }>(place, 'inventory', 'select id, state from backstitch.occupancy'),
    read<{ id: string; status: string }>(place, 'orders', 'select order_id as id, status from sale_orders'),
    Promise.all(
      ['bank_a', 'bank_b', 'bank_c'].map((bank) =>
        read<{ gid: string; warehouse: string; merchant: string }>(
          place,
          bank,
          'select gid, warehouse, merchant from purchases',
        ),
      ),
    ),
  ]);
  const rows = new Map<string, string>();
  for (const { id, status } of orders) {
    const gid = orderGid(id);
    // By the state table an order is created, and waits: that is all of it.
    const isDone = status === 'created' && names.get(gid) === 'orderByStateTable';
    rows.set(gid, isDone ? 'done' : (ORDERS[status] ?? status));
  }
  const statuses = new Map(sold.map(({ id, status }) => [id, status]));
  for (const id of new Set([...occupied.map((each) => each.id), ...statuses.keys()])) {
    const state = occupied.find((each) => each.id === id)?.state ?? 'none';
    const both = `${state} ${statuses.get(id) ?? 'none'}`;
    rows.set(salePurchaseGid(id), SALE[both] ?? both);
  }
  for (const { gid, warehouse, merchant } of bought.flat()) {
    const both = [warehouse, merchant];
    rows.set(gid, both.every((side) => side === 'done') ? 'done' : `bought, and ${both.join(' and ')}`);
  }
  return rows;
}

/** Those whose ends the rows tell, as nobody drives them. */
const byRows: readonly TransactionName[] = ['placeOrderChoreographed', 'orderLifecycle', 'salePurchase'];
const STATE_TABLE = `
select gid, case state when 'success' then 'committed' when 'refused' then 'compensated' when 'left' then 'failed'
  when 'error' then 'stuck' else 'running' end as state
from backstitch.state_table`;

/** See `Business.ends`. */
export async function endsOf(place: Place, wanted: readonly Wanted[]): Promise<Map<string, FoundState>> {
  const rows = await rowsOf(place, wanted);
  const found = new Map<string, FoundState>();
  for (const { gid, transaction } of wanted) {
    if (!byRows.includes(transaction)) continue;
    const row = rows.get(gid);
    if (row === 'done' || row === 'undone') found.set(gid, ends[row]);
    else if (row !== undefined) found.set(gid, 'running');
    // Sold out, or not opened: nothing was ever written of it.
    else if (transaction !== 'placeOrderChoreographed') found.set(gid, 'compensated');
  }
  const asked = await read<{ gid: string; state: FoundState }>(place, 'callers', STATE_TABLE);
  for (const { gid, state } of asked) found.set(gid, state);
  return found;
}

/** Messages that nobody has taken yet, a line for each database; dead letters among them. */
export async function undelivered(place: Place): Promise<string[]> {
  const lines = await Promise.all(
    serviceNames.map(async (service) => {
      const [has] = await read<{ has: boolean }>(
        place,
        service,
        `select to_regclass('backstitch.outbox') is not null as has`,
      );
      if (has?.has !== true) return [];
      const [row] = await read<{ count: number; first: string | null }>(
        place,
        service,
        `select count(*)::int as count, min(id) as first from (
          select id from backstitch.outbox union all select id from backstitch.outbox_parked) as waiting`,
      );
      const count = row?.count ?? 0;
      return count === 0 ? [] : [`${service}: ${count} messages are left, ${row?.first ?? ''} among them`];
    }),
  );
  return lines.flat();
}

/** A transaction is in flight for so long after its last step, in milliseconds: here for as good as none. */
const YOUNG_MS = 1;
const SHOWN = 20;

const LISTED = { looks: 20, pauseMs: 500 } as const;

/** All that runs still, or waits for a person: what moves the orders too, of which nobody else asks. */
async function unendedOf(client: Client): Promise<string[]> {
  const lines: string[] = [];
  for (const state of ['running', 'compensating', 'stuck', 'failed'] as const) {
    for await (const { gid } of listTransactions(client, { state, limit: SHOWN }))
      lines.push(`${gid}: ${state}, though all is over`);
  }
  // A machine's state is its object's: that its run goes on its row does not tell.
  const query = `WorkflowType = 'orderLifecycle' and ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query }))
    lines.push(`${workflowId}: its machine runs, though all is over`);
  return lines;
}

/** What nobody else would tell: what waits for a person, and what the reconciliation finds. */
export async function leftOver({ client, temporal }: Place): Promise<string[]> {
  const lines: string[] = [];
  let unended = await unendedOf(client);
  // The server's list follows its histories with a delay.
  for (let look = 0; look < LISTED.looks && unended.length > 0; look++) {
    await delay(LISTED.pauseMs);
    unended = await unendedOf(client);
  }
  lines.push(...unended);
  const report = await reconcileNow(client, temporal, { youngMs: YOUNG_MS }, { waitMs: 120_000 });
  for (const { pair, failure, inFlight } of report.pairs) {
    if (failure !== undefined) lines.push(`reconciliation: ${pair} could not be compared: ${failure}`);
    if (inFlight > 0) lines.push(`reconciliation: ${pair}: ${inFlight} are in flight, though all is over`);
  }
  for (const { class: name, key, detail } of report.findings.slice(0, SHOWN))
    lines.push(`reconciliation: ${name} ${key}: ${detail}`);
  if (report.findings.length > SHOWN) lines.push(`reconciliation: ${report.findings.length - SHOWN} more findings`);
  if (!report.isClean && lines.length === 0) lines.push('the reconciliation is not clean, and does not say why');
  return lines;
}
