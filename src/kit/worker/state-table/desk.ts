import { Context } from '@temporalio/activity';
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import type { StateRow, StateTable } from '../../database/index.js';
import { initialAttributes } from '../../workflow/attributes.js';
import {
  deskIdOf,
  ROW_ENDED_SIGNAL,
  STATE_TABLE_DESK,
  type StateDeskActivities,
  type StateDeskOrder,
} from '../../workflow/state-table/desk.js';

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
 * Takes a row to the desk: starts its workflow. Once: whoever comes again finds it there.
 *
 * @throws whatever keeps it from being started
 */
export async function takeToDesk(
  { client, taskQueue }: DeskPlace,
  order: StateDeskOrder,
  row: StateRow,
): Promise<void> {
  const workflowId = deskIdOf(order.table, order.gid);
  try {
    await client.workflow.start(STATE_TABLE_DESK, {
      ...{ workflowId, taskQueue, args: [order] },
      ...{ workflowIdReusePolicy: 'REJECT_DUPLICATE', workflowIdConflictPolicy: 'FAIL' },
      staticSummary: `a row of the state table '${order.table}' that waits for a person, at '${row.calls[row.done]?.branch ?? ''}'`,
      typedSearchAttributes: initialAttributes('state'),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { type } = await client.workflow.getHandle(workflowId).describe();
    if (type === STATE_TABLE_DESK) return;
    throw new Error(`its id there, ${workflowId}, is that of another workflow, ${type}`, { cause: error });
  }
}

/** Tells the workflow in which a row waits that it has ended. One that has heard so, or is over, needs no telling. */
export async function tellDesk({ client }: DeskPlace, table: string, gid: string): Promise<void> {
  try {
    await client.workflow.getHandle(deskIdOf(table, gid)).signal(ROW_ENDED_SIGNAL);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
