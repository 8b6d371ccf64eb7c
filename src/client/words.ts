import Table from 'cli-table3';
import type { Books } from '../contracts/shop.js';
import {
  barringOf,
  failingMessage,
  type BulkReport,
  type ListedTransaction,
  type ShownBranch,
  type ShownCall,
  type ShownTransaction,
  type StuckTransaction,
} from '../kit/client/index.js';
import { formatCents } from '../contracts/money.js';
import type { PlacingReport } from './place-orders.js';

/** What people read: transactions, lists, reports and books as text. */

/** A transaction: its state, a table of what was asked of each branch, and why it was not committed. */
export function describeTransaction(transaction: ShownTransaction, link?: string): string {
  const { gid, state, transaction: name, scheme, lane, startedAt, endedAt, summary } = transaction;
  const lines = [`${gid}  ${state}  (${name === '' ? '' : `${name}: `}${scheme}, ${lane})`];
  if (summary !== undefined) lines.push(summary);
  lines.push(
    endedAt === undefined
      ? `started ${startedAt}`
      : `started ${startedAt}, ended ${endedAt} (${span(startedAt, endedAt)})`,
    describeDriver(transaction),
  );
  if (transaction.deadlineAt !== undefined && endedAt === undefined) lines.push(`deadline ${transaction.deadlineAt}`);
  for (const { action, actor, at, reason } of transaction.operations) {
    if (action === 'promote') lines.push(`given to a workflow by ${actor} at ${new Date(at).toISOString()}: ${reason}`);
  }
  const { paused } = transaction;
  if (paused !== undefined && endedAt === undefined) {
    const since = new Date(paused.at).toISOString();
    lines.push(`PAUSED by ${paused.actor} since ${since}: ${paused.reason}; to go on: tx resume ${gid}`);
  }
  const { failingTask } = transaction;
  if (failingTask !== undefined && transaction.driver.kind === 'workflow') {
    const { scheme, driver } = transaction;
    lines.push(failingMessage({ gid, runId: driver.runId, scheme, ...failingTask }));
  }
  lines.push(branchTable(transaction.branches), ...explain(transaction));
  if (!transaction.workerAnswered) {
    lines.push(
      'No worker answered within 2 s: this is what the server knows; steps that run locally are not in it yet.',
    );
  }
  if (link !== undefined) lines.push(link);
  return lines.join('\n');
}

/** Who drives it, or drove it. */
function describeDriver({ driver, endedAt }: ShownTransaction): string {
  if (driver.kind === 'workflow') {
    return `run ${driver.runId}, ${driver.historyEvents} events, ${driver.historyBytes} bytes of history`;
  }
  const { kind, owner, who, home, takeOverAt } = driver;
  const where = home === undefined ? '' : `, in the database of '${home}'`;
  if (endedAt === undefined && owner === 'workflow') return `given to a workflow, which is about to start${where}`;
  const what = kind === 'group' ? 'a group of transactions' : `a process${who === undefined ? '' : ` (${who})`}`;
  const over = takeOverAt === undefined || endedAt !== undefined ? '' : `; a worker takes over at ${takeOverAt}`;
  return `${endedAt === undefined ? 'driven' : 'was driven'} by ${what}, ${owner}${where}${over}`;
}

/** Why it was not committed, and what is left. */
function explain({ report, ended }: ShownTransaction): string[] {
  if (ended !== undefined) return [`${ended.type}: ${ended.message}`];
  if (report === undefined) return [];
  const { cause, undone, notUndone } = report;
  return [
    `cause: ${cause.step === undefined ? '' : `${cause.step}: `}${cause.type}: ${cause.message}`,
    `undone: ${undone.length > 0 ? undone.join(', ') : 'nothing had to be'}`,
    ...notUndone.map(({ step, type, message }) => `NOT undone: ${step}: ${type}: ${message}`),
  ];
}

function branchTable(branches: readonly ShownBranch[]): string {
  const rows = branches.flatMap((branch) => {
    if (branch.calls.length === 0)
      return [[branch.seq, branch.branch, branch.operation, branch.state, '', '', branch.summary]];
    return branch.calls.map((call, index) => [
      ...(index === 0 ? [branch.seq, branch.branch] : ['', '']),
      call.function,
      call.state,
      call.attempts,
      call.endedAt === undefined ? '' : span(call.startedAt, call.endedAt),
      noteOf(branch, call, index),
    ]);
  });
  return table(['#', 'branch', 'operation', 'state', 'attempts', 'took', 'note'], rows);
}

function noteOf(branch: ShownBranch, call: ShownCall, index: number): string {
  const { failure, lastFailure, nextAttemptAt } = call;
  if (failure) return `${failure.type}: ${failure.message}${nextAttemptAt ? ` (again at ${nextAttemptAt})` : ''}`;
  if (lastFailure) return `${branch.summary} (before: ${lastFailure.type}: ${lastFailure.message})`;
  return index === 0 ? branch.summary : '';
}

/** Transactions, a line each. */
export function describeList(transactions: readonly ListedTransaction[]): string {
  if (transactions.length === 0) return 'no transactions';
  return table(
    ['gid', 'state', 'scheme', 'lane', 'transaction', 'started', 'took'],
    transactions.map(({ gid, state, scheme, lane, transaction, startedAt, endedAt }) => [
      gid,
      state,
      scheme,
      lane,
      transaction,
      startedAt,
      endedAt === undefined ? '' : span(startedAt, endedAt),
    ]),
  );
}

/** What waits at the desk, a line each. */
export function describeDesk(stuck: readonly StuckTransaction[], total: number): string {
  if (total === 0) return 'nothing waits at the desk';
  const rows = stuck.map(({ gid, branches, transaction, since }) => [gid, branches.join(', '), transaction, since]);
  const more = total > stuck.length ? `\n… and ${total - stuck.length} more` : '';
  return `${table(['gid', 'waits', 'transaction', 'since'], rows)}${more}`;
}

/** What waits in one transaction, and what was decided in it. */
export function describeCases(transaction: ShownTransaction): string {
  const lines = [describeTransaction(transaction)];
  for (const { branch, op, input, failure, since, fits, takesInput } of transaction.desk) {
    lines.push(
      '',
      `${op} of '${branch}' waits since ${new Date(since).toISOString()}`,
      `  last error: ${failure.type}: ${failure.message}`,
      `  input: ${JSON.stringify(input)}`,
      `  decide: ${fits.map((fit) => (fit === 'retry' && takesInput ? 'retry (also with --input)' : fit)).join(', ')}`,
    );
  }
  if (transaction.desk.length === 0) {
    lines.push(
      isHidden(transaction)
        ? `what waits is not known, as no worker answered: start one, and ask again`
        : 'nothing waits for a decision',
    );
  }
  for (const note of transaction.decisions) {
    const { branch, action, actor, reason, at } = note;
    lines.push(`${new Date(at).toISOString()}  ${action} of '${branch}' by ${actor}: ${reason}${barringOf(note)}`);
  }
  for (const { action, actor, reason, at } of transaction.operations) {
    lines.push(`${new Date(at).toISOString()}  ${action} by ${actor}: ${reason}`);
  }
  return lines.join('\n');
}

/** Whether something may wait that only a worker could name. */
export function isHidden({ workerAnswered, endedAt }: ShownTransaction): boolean {
  return !workerAnswered && endedAt === undefined;
}

/** What came of one decision about many. */
export function describeBulk({ decided, refused, failures }: BulkReport, action: string): string {
  const others = Object.entries(refused).map(([why, count]) => `  ${count} × ${why}`);
  return [`${action}: ${decided} branches`, ...others, ...failures.map(({ message }) => `  ${message}`)].join('\n');
}

/** An order's transaction as a story, a line for each thing that happened. */
export function describeOrder(
  orderId: string,
  transaction: ShownTransaction,
  recalls: readonly ShownTransaction[],
): string {
  const { scheme, state } = transaction;
  const isMade = scheme === 'state' && state === 'committed';
  const what = isMade ? 'was created, and waits for its payment' : orderStates[state];
  return [story(`order ${orderId}: ${what}`, transaction), ...describeRecalls(recalls)].join('\n');
}

/** What came after an order was placed, a story each. */
export function describeRecalls(recalls: readonly ShownTransaction[]): string[] {
  return recalls.map((recall) => {
    const { gid, state, transaction: name } = recall;
    return story(`${gid}: ${(state === 'committed' ? recallEnds[name] : undefined) ?? recallStates[state]}`, recall);
  });
}

function story(title: string, transaction: ShownTransaction): string {
  const { report, branches } = transaction;
  const lines = [title];
  for (const { branch, calls, summary, state: known } of branches) {
    const [first, second] = calls;
    lines.push(
      `  ${mark(known)} ${branch}: ${summary}${first?.failure ? `: ${known}, ${first.failure.type}: ${first.failure.message}` : ''}`,
    );
    if (second)
      lines.push(`    ${mark(second.state)} ${second.op}${second.failure ? `: ${second.failure.message}` : ''}`);
  }
  if (report) lines.push(...explain(transaction).map((line) => `  ${line}`));
  return lines.join('\n');
}

const orderStates: Readonly<Record<ShownTransaction['state'], string>> = {
  running: 'is being placed',
  compensating: 'is being undone',
  committed: 'was placed',
  compensated: 'was undone: no trace is left but its records',
  stuck: 'waits for a person',
  failed: 'failed: a person is needed',
  terminated: 'its run was terminated from outside: the scan settles it',
  'timed-out': 'its run timed out: the scan settles it',
  cancelled: 'its run was cancelled from outside: the scan settles it',
  elsewhere: 'was refused: its id is that of another transaction, and nothing was done',
};

/** The same of what came after: a recall, and its end. */
const recallStates: Readonly<Record<ShownTransaction['state'], string>> = {
  ...orderStates,
  running: 'is under way',
  committed: 'was done',
  compensated: 'was refused or undone: no trace is left but its records',
};
/** What the end of each of them says, by its workflow. */
const recallEnds: Readonly<Record<string, string>> = {
  recallOrder: 'the order was recalled, and the carrier asked for its parcel',
  refundRecalled: 'the parcel came back: money, stock and points went back',
  closeLost: 'the parcel is lost: nothing was refunded',
};

function mark(state: ShownCall['state'] | 'parked'): string {
  if (state === 'succeeded') return '✓';
  return state === 'running' || state === 'waiting' || state === 'parked' ? '…' : '✗';
}

/** What came of placing many orders. */
export function describePlacing(report: PlacingReport, total: number): string {
  const { done, placed, undone, pending, conflict, stuck, latencyMs, seconds, perSecond, failures, stopped } = report;
  const { earlier } = report;
  const others = Object.entries({ pending, conflict, stuck }).filter(([, count]) => count > 0);
  const lines = [
    `${done} of ${total} orders in ${seconds} s (${perSecond}/s): ` +
      [`${placed} placed`, `${undone} undone`, ...others.map(([what, count]) => `${count} ${what}`)].join(', '),
    ...Object.entries(report.reasons).map(([reason, count]) => `  ${count} × ${reason}`),
    `latency p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms, longest ${latencyMs.max} ms`,
  ];
  if (earlier > 0) {
    lines.push(`${earlier} of them had been placed by an earlier run: this is what became of them then`);
  }
  if (failures.length > 0)
    lines.push('the first that were not placed:', ...failures.map(({ message }) => `  ${message}`));
  if (stopped !== undefined) {
    lines.push(
      `stopped after ${done} of ${total}: ${stopped}. What was started goes on by itself; run the same command again: it goes on where it was, as an order is placed once.`,
    );
  }
  return lines.join('\n');
}

/** The books: figures, then a line with ✓ or ✗ for each check, then every difference. */
export function describeBooks(books: Books): string {
  const { figures, differences, differenceCount } = books;
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  const lines = Object.entries(figures).map(([name, value]) => {
    const shown = name.endsWith('Cents') ? formatCents(value) : String(value);
    return `${name.padEnd(width)}  ${shown.padStart(16)}`;
  });
  lines.push(...checksOf(books).map(([holds, check]) => `${holds ? '✓' : '✗'} ${check}`));
  lines.push(
    ...differences.map(
      ({ check, subject, expected, found }) => `  ${subject}: ${check}: expected ${expected}, found ${found}`,
    ),
  );
  if (differenceCount > differences.length) lines.push(`  … and ${differenceCount - differences.length} more`);
  lines.push(books.balanced ? 'The books balance.' : `The books do NOT balance: ${differenceCount} differences.`);
  return lines.join('\n');
}

function checksOf({ figures, differenceCount }: Books): [holds: boolean, check: string][] {
  const f = figures;
  const sums: [boolean, string][] = [
    [
      f.walletsCents + f.frozenCents + f.capturedCents - f.refundedCents === f.depositedCents,
      'wallets + frozen + captured - refunded = deposited',
    ],
    [
      f.stockUnits + f.frozenUnits + f.placedUnits + f.waitingUnits + f.saleUnits - f.saleReturnedUnits ===
        f.initialUnits,
      'stock + frozen + units of placed orders = delivered',
    ],
    [
      f.pointsHeld + f.pointsSpent + f.waitingPoints - f.pointsEarned === f.initialPoints,
      'points held + points of placed orders - points earned = points opened',
    ],
    [f.bankClearingCents === f.bankInFlightCents, 'what left a bank came to another'],
    [f.bankHolds === 0, 'nothing is held for a transfer that has not ended'],
    [f.booksInStock + f.booksTaken === f.booksDelivered, 'books in stock + in parcels = delivered'],
  ];
  // Each sum that does not hold is a difference; what is left was found on single accounts or orders.
  const broken = sums.filter(([holds]) => !holds).length;
  return [
    ...sums,
    [f.open === 0, 'every order is in a final state'],
    [differenceCount === broken, 'every account and every order agrees with its records in all services'],
  ];
}

/** Drawn with lines. */
export function table(head: string[], rows: (string | number)[][]): string {
  const drawn = new Table({ head, style: { head: [], border: [], compact: true } });
  drawn.push(...rows);
  return drawn.toString();
}

/** Between two times, such as `12 ms` or `3.4 s`. */
export function span(from: string, to: string): string {
  const ms = Date.parse(to) - Date.parse(from);
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}
