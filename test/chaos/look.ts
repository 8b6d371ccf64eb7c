import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import { orderGid } from '../../src/contracts/place-order.js';
import type { FoundState } from '../../src/kit/client/index.js';
import { foundState } from '../../src/kit/client/list.js';

/** What is found of the orders when all is over: in Temporal, and in the orders' database, where they begin. */
export interface Found {
  /** The state of each order's transaction; `none` if there is none. */
  readonly states: ReadonlyMap<string, FoundState | 'none'>;
  /** The status of each order in the orders' database. */
  readonly rows: ReadonlyMap<string, string>;
  /** Orders whose transaction is still announced. */
  readonly announced: readonly string[];
  /** Where a fate in the database and a workflow's end are not the same: a line each. */
  readonly contradictions: readonly string[];
}

/** Between two looks at what has not come to its end, in milliseconds. */
const LOOK_MS = 500;

/** Looks; again, for as long as `signal` lets it, while a transaction has not come to its end. */
export async function look(
  client: Client,
  ordersUrl: string,
  orderIds: readonly string[],
  signal: AbortSignal,
): Promise<Found> {
  const database = new pg.Client({ connectionString: ordersUrl, connectionTimeoutMillis: 10_000 });
  await database.connect();
  try {
    const workflows = new Map<string, FoundState | undefined>();
    for (;;) {
      const guards = await readGuards(database);
      for (const orderId of orderIds) {
        const known = workflows.get(orderId);
        if (known === undefined || isUnfinished(known)) workflows.set(orderId, await workflowState(client, orderId));
      }
      const states = new Map(orderIds.map((id) => [id, stateOf(guards.get(orderGid(id)), workflows.get(id))]));
      const waiting =
        [...guards.values()].some(({ announced, fate }) => announced || isUnfinished(fate)) ||
        [...states.values()].some(isUnfinished);
      if (waiting && !signal.aborted) {
        await delay(LOOK_MS);
        continue;
      }
      return {
        states,
        rows: await readStatuses(database),
        announced: orderIds.filter((id) => guards.get(orderGid(id))?.announced),
        contradictions: orderIds.flatMap((id) => {
          const [fate, ended] = [guards.get(orderGid(id))?.fate, workflows.get(id)];
          if (fate === undefined || ended === undefined || fate === ended) return [];
          return [`order ${id}: its fate is ${fate}, its workflow is ${ended}`];
        }),
      };
    }
  } finally {
    await database.end();
  }
}

/** What the guard of the first step tells of a transaction; its fate is unfinished while a group drives it. */
interface Guarded {
  readonly announced: boolean;
  readonly fate?: FoundState;
  readonly rejected: boolean;
}

async function readGuards(database: pg.Client): Promise<Map<string, Guarded>> {
  const { rows } = await database.query<{
    gid: string;
    announced: boolean;
    fate: FoundState | null;
    rejected: boolean;
  }>(
    `select gid, a.gid is not null as announced, replace(g.fate->>'state', 'undoing', 'compensating') as fate, coalesce(g.outcome = 'rejected', false) as rejected
     from (select * from backstitch.guard where branch = 'create-order' and phase = 1) g
     full join backstitch.announcements a using (gid)`,
  );
  return new Map(
    rows.map(({ gid, announced, fate, rejected }) => [gid, { announced, rejected, ...(fate !== null && { fate }) }]),
  );
}

async function workflowState(client: Client, orderId: string): Promise<FoundState | undefined> {
  try {
    return foundState(await client.workflow.getHandle(orderGid(orderId)).describe());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Whoever drove it: its workflow, or the process that wrote its fate or was refused its first step. */
function stateOf(guarded: Guarded | undefined, workflow: FoundState | undefined): FoundState | 'none' {
  if (workflow !== undefined) return workflow;
  if (guarded?.fate !== undefined) return guarded.fate;
  if (guarded?.announced) return 'running';
  return guarded?.rejected ? 'compensated' : 'none';
}

function isUnfinished(state: FoundState | 'none' | undefined): boolean {
  return state === 'running' || state === 'compensating';
}

async function readStatuses(database: pg.Client): Promise<Map<string, string>> {
  const { rows } = await database.query<{ order_id: string; status: string }>('select order_id, status from orders');
  return new Map(rows.map(({ order_id, status }) => [order_id, status]));
}
