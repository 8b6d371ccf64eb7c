import type { Client } from '@temporalio/client';
import { OTHER_STATE, TX_SCHEME, TX_STATE } from '../workflow/attributes.js';
import type { JournalLine, JournalListOrder } from '../workflow/journal.js';
import { NoWorker, ServerNotPrepared, ServerUnavailable } from './errors.js';
import { listJournal } from './journal.js';
import type { ListedTransaction, ListOptions } from './list.js';
import { ask, quoted } from './server.js';

/** The states that a transaction can be in while a process or a group drives it, and when that has ended. */
const states = {
  running: ['running', 'compensating'],
  ended: ['committed', 'compensated', 'failed'],
} as const;

/** Lines that one question asks for at most. */
const PAGE = 1_000;
/** How many lines one question of the server may name, each by one id or by two. */
const NAMED = 50;

/**
 * Transactions that are no workflows, or never were: those in progress, or those that have ended, the latest first. A page
 * at a time. One that the server has as a workflow is left out.
 */
export async function* journalLines(
  client: Client,
  of: JournalListOrder['of'],
  { state, scheme, since, limit, where, onMissing = () => undefined }: ListOptions,
): AsyncGenerator<ListedTransaction, undefined> {
  const known: readonly string[] = states[of];
  // Only sagas and rows of state tables are driven outside.
  const isOutside = scheme === undefined || scheme === 'saga' || scheme === 'state';
  if (where === undefined || !isOutside || (state !== undefined && !known.includes(state))) {
    return undefined;
  }
  let order: JournalListOrder | undefined = {
    ...{ of, state, scheme, since: since?.toISOString(), limit: Math.min(limit, PAGE) },
  };
  while (order !== undefined) {
    let page;
    try {
      page = await listJournal(client, where, order);
    } catch (error) {
      if (error instanceof ServerUnavailable || error instanceof ServerNotPrepared) throw error;
      const why = error instanceof NoWorker ? error.message : `they cannot be read: ${String(error)}`;
      onMissing(`transactions that are no workflows are missing: ${why}`);
      return undefined;
    }
    for (const line of page.unread) onMissing(`some may be missing: ${line}`);
    for (let from = 0; from < page.lines.length; from += NAMED) {
      const lines = page.lines.slice(from, from + NAMED);
      const workflows = await workflowsOf(client, lines);
      yield* lines
        .filter(({ gid, desk }) => !workflows.has(gid) && (desk === undefined || !workflows.has(desk)))
        .map(listedLine);
    }
    order = page.next && { ...order, after: page.next };
  }
  return undefined;
}

/** Those of them that the server has as workflows. */
async function workflowsOf(client: Client, lines: readonly JournalLine[]): Promise<Set<string>> {
  const ids = lines.flatMap(({ gid, desk }) => (desk === undefined ? [gid] : [gid, desk]));
  const query = `WorkflowId IN (${ids.map(quoted).join(', ')})`;
  const found = client.workflow.list({ query, pageSize: ids.length })[Symbol.asyncIterator]();
  const gids = new Set<string>();
  for (;;) {
    const next = await ask(client, () => found.next());
    if (next.done === true) return gids;
    const { workflowId, typedSearchAttributes: attributes } = next.value;
    // Not one that is no transaction, and not one that met this transaction under its id.
    if (attributes.get(TX_SCHEME) !== undefined && attributes.get(TX_STATE) !== OTHER_STATE) gids.add(workflowId);
  }
}

function listedLine({ gid, state, transaction = '', lane, beganAt, endedAt }: JournalLine): ListedTransaction {
  return {
    gid,
    scheme: lane === 'state-table' ? 'state' : 'saga',
    state,
    transaction,
    lane,
    startedAt: beganAt,
    endedAt,
  };
}
