import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { StateRow, StateTable } from '../../database/index.js';
import { initialAttributes } from '../../workflow/attributes.js';
import { STATE_TABLE_DESK, type StateDeskActivities, type StateDeskOrder } from '../../workflow/state-table/desk.js';

/** A state table of any operations, for those who go on with what others have asked for. */
export type KeptTable = Omit<StateTable, 'run'>;

/** The state tables of a worker, by their names. A name is kept in workflows: it stays what it is. */
export type StateTables = Readonly<Record<string, KeptTable>>;

/** The activities of the workflow in which a row waits for a person. */
export function stateDeskActivities(tables: StateTables): StateDeskActivities {
  const deskOf = ({ table }: { readonly table: string }) => {
    const found = tables[table];
    if (found === undefined) throw new Error(`this worker has no state table '${table}'`);
    return found.desk;
  };
  // A worker that stops does not wait until what cannot be reached is given up: another one tries.
  const stopping = () => Context.current().cancellationSignal;
  return {
    'backstitch.lookState': (order) => deskOf(order).look(order.gid),
    'backstitch.retryState': (decided, changed) => deskOf(decided).retry(decided, changed),
    'backstitch.resolveState': (decided, result) => deskOf(decided).resolve(decided, result, stopping()),
    'backstitch.skipState': (decided, failure) => deskOf(decided).skip(decided, failure, stopping()),
  };
}

/** Where rows are taken to the desk. */
export interface DeskPlace {
  readonly client: Client;
  readonly taskQueue: string;
}

/**
 * Takes a row to the desk: starts its workflow, under its gid. Once: whoever comes again finds it there.
 *
 * @throws whatever keeps it from being started
 */
export async function takeToDesk(
  { client, taskQueue }: DeskPlace,
  order: StateDeskOrder,
  row: StateRow,
): Promise<void> {
  const start = (workflowId: string) =>
    client.workflow.start(STATE_TABLE_DESK, {
      ...{ workflowId, taskQueue, args: [order] },
      ...{ workflowIdReusePolicy: 'REJECT_DUPLICATE', workflowIdConflictPolicy: 'FAIL' },
      staticSummary: `a row of the state table '${order.table}' that waits for a person, at '${row.calls[row.done]?.branch ?? ''}'`,
      typedSearchAttributes: initialAttributes('state'),
    });
  try {
    await start(order.gid);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { type } = await client.workflow.getHandle(order.gid).describe();
    if (type === STATE_TABLE_DESK) return;
    // A transaction of another scheme has the gid: then it waits under a name that is its own.
    await start(`${order.gid}~state`).catch((again: unknown) => {
      if (!(again instanceof WorkflowExecutionAlreadyStartedError)) throw again;
    });
  }
}
