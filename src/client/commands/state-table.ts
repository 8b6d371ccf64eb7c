import { msToNumber } from '@temporalio/common/lib/time.js';
import { formatCents } from '../../contracts/money.js';
import { orderGid, type PlaceOrder } from '../../contracts/place-order.js';
import { parseTransferByStateTable, type StateTableCaller } from '../../contracts/state-table.js';
import { transferGid, type Transfer } from '../../contracts/transfer.js';
import { InvalidInput, type CallOptions, type InputIssue } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT, type ExitCode } from '../exit.js';
import { noteId } from '../session.js';
import { openStateTable } from '../state-table.js';

/** `--scheme state-table` of `transfer` and `order place`: this process is the caller, and calls the services itself. */

/** Options of the commands that are for other schemes; the time to wait; and whether the id was made for this call. */
type Given = CallOptions & { readonly lock?: boolean; readonly isNew?: boolean };

/** `transfer --scheme state-table`. */
export function transferByStateTable(cli: Cli, given: Transfer, options: Given): Promise<ExitCode> {
  refuseOptions(options);
  const transfer = parseTransferByStateTable(given);
  if (options.isNew === true) noteId(cli, 'transfer', transfer.id);
  return calling(async (caller) => {
    const result = await caller.transfer(transfer, { withinMs: waitMs(options), isNew: options.isNew });
    cli.output.result({ gid: transferGid(transfer.id), state: 'committed', result }, () => {
      return `transfer ${transfer.id} was made: ${formatCents(result.amount)} from 1 account to 1 account`;
    });
  });
}

/** `order place --scheme state-table`. */
export function placeByStateTable(cli: Cli, order: PlaceOrder, options: Given): Promise<ExitCode> {
  refuseOptions(options);
  return calling(async (caller) => {
    const result = await caller.placeOrder(order, { withinMs: waitMs(options) });
    const { orderId, units, sku } = order;
    cli.output.result({ gid: orderGid(orderId), state: 'committed', result }, () => {
      return `order ${orderId} was created: ${units} ${sku} deducted, ${result.pointsSpent} points spent; it waits for its payment`;
    });
  });
}

async function calling(work: (caller: StateTableCaller) => Promise<void>): Promise<ExitCode> {
  const caller = await openStateTable();
  try {
    await work(caller);
    return EXIT.done;
  } finally {
    await caller.close();
  }
}

function waitMs({ wait = Infinity }: Given): number {
  return typeof wait === 'number' ? wait : msToNumber(wait);
}

/** @throws InvalidInput: a line for each option that means nothing here */
function refuseOptions({ lane, undo, deadline, lock }: Given): void {
  const meant = { '--lane': lane, '--undo': undo === 'wait' ? undefined : undo, '--deadline': deadline };
  const issues = Object.entries({ ...meant, '--lock': lock === true ? 'set' : undefined }).flatMap(
    ([field, value]): InputIssue[] => {
      const rule = 'is for other schemes: what is done by the state table is done by this process, and never undone';
      return value === undefined ? [] : [{ field, value, rule }];
    },
  );
  if (issues.length > 0) throw new InvalidInput(issues);
}
