import { Option } from '@commander-js/extra-typings';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { Duration } from '@temporalio/common';
import {
  decide,
  decideMany,
  InvalidInput,
  OrderRefused,
  previewDesk,
  type BulkOrder,
  type DeskAction,
  type DeskFilter,
  type ShownTransaction,
} from '../../kit/client/index.js';
import { abortOnSignal } from '../../signals.js';
import type { Cli } from '../cli.js';
import { EXIT, exitOf, NotReady, type ExitCode } from '../exit.js';
import { duration, integer } from '../options.js';
import { requireWorker, type Session } from '../session.js';
import { shown } from '../show.js';
import { describeBulk, describeCases, describeDesk, isHidden } from '../words.js';

const about: Readonly<Record<DeskAction, string>> = {
  retry: 'ask a branch again, for another window',
  resolve: 'say that a branch was fixed outside: it counts as done',
  skip: 'leave a branch as it is, and let the transaction go on; it names it at its end',
  forward: 'give up the undo and complete the transaction, while nothing of it was undone',
};

/** `desk list`, `desk show`, and a command for each decision. */
export function addDeskCommands(cli: Cli): void {
  const desk = cli.root.command('desk').description('what no program can decide: look at it, and decide');

  desk
    .command('list')
    .description('list the transactions that wait for a person')
    .option('--branch <name>', 'only those with this branch waiting')
    .option('--longer-than <duration>', 'only those that wait for longer', duration)
    .option('--where <filter>', "a list filter of Temporal's, such as \"WorkflowType = 'placeOrder'\"")
    .option('--limit <n>', 'at most so many', integer(1, 100_000), 50)
    .action(
      cli.does(async ({ limit, ...given }) => {
        const { client, output } = await cli.open();
        const { total, first } = await previewDesk(client, filterOf(given), limit);
        output.result({ total, transactions: first }, () => describeDesk(first, total));
        return EXIT.done;
      }),
    );

  desk
    .command('show')
    .description('show what waits in one transaction: what was done, what was not, the last error, the input')
    .argument('<gid>', "the transaction's id, such as order-cdnow-00001")
    .action(
      cli.does(async (gid) => {
        const session = await cli.open();
        const { output } = session;
        const transaction = await shown(session, gid);
        output.result(transaction, () => describeCases(transaction));
        if (isHidden(transaction)) return EXIT.pending;
        return transaction.desk.length > 0 ? EXIT.stuck : EXIT.done;
      }),
    );

  for (const action of ['retry', 'resolve', 'skip', 'forward'] as const) addDecision(cli, desk, action);
}

function addDecision(cli: Cli, desk: ReturnType<Cli['root']['command']>, action: DeskAction): void {
  const command = desk
    .command(action)
    .description(about[action])
    .argument(
      '[gid]',
      "one transaction's id; without it, every transaction that --where, --branch or --longer-than finds",
    )
    .option('--branch <name>', 'the branch; may be left out for one transaction in which only one waits')
    .option('--longer-than <duration>', 'of many: only those that wait for longer', duration)
    .option('--where <filter>', "of many: a list filter of Temporal's")
    .option('--yes', 'of many: do it; without it, it is only shown of how many it would be decided')
    .addOption(new Option('--actor <name>', 'who decides; it is kept').makeOptionMandatory())
    .addOption(new Option('--reason <text>', 'why; it is kept').makeOptionMandatory());
  if (action === 'retry') command.option('--input <json>', 'what the operation gets instead of its input');
  if (action === 'resolve')
    command.option(
      '--result <json>',
      'what the operation would have returned; needed unless it is an undo; null if nothing',
    );

  command.action(
    cli.does(async (gid, options) => {
      const { actor, reason, input, result } = options as typeof options & { input?: string; result?: string };
      const order: BulkOrder = {
        ...{ action, actor, reason },
        ...(input !== undefined && { input: parseJson('--input', input) }),
        ...(result !== undefined && { result: parseJson('--result', result) }),
      };
      const filter = filterOf(options);
      if (gid === undefined && Object.keys(filter).length === 0) {
        return command.error('error: give the id of a transaction, or --where, --branch or --longer-than');
      }
      const isOfMany = options.yes === true || options.where !== undefined || options.longerThan !== undefined;
      if (gid !== undefined && isOfMany) {
        return command.error('error: --where, --longer-than and --yes are for many: leave out the id, or them');
      }
      const session = await cli.open();
      await requireWorker(session);
      if (gid === undefined) return decideAll(session, filter, order, options.yes === true);
      return decideOne(session, gid, options.branch, order);
    }),
  );
}

function filterOf(given: { branch?: string; longerThan?: Duration; where?: string }): DeskFilter {
  const { branch, longerThan, where } = given;
  return {
    ...(branch !== undefined && { branch }),
    ...(longerThan !== undefined && { before: new Date(Date.now() - msToNumber(longerThan)) }),
    ...(where !== undefined && { where }),
  };
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidInput([{ field: '', value: text, rule: `${name} is no JSON: ${(error as Error).message}` }]);
  }
}

async function decideOne(
  session: Session,
  asked: string,
  branch: string | undefined,
  order: BulkOrder,
): Promise<ExitCode> {
  const { client, output } = session;
  // A row of a state table waits under an id of its own, which is shown for its gid.
  const transaction = await shown(session, asked);
  const { gid } = transaction;
  const note = await decide(client, gid, { ...order, branch: branch ?? onlyBranch(gid, transaction) });
  output.result({ gid, ...note }, () => `${gid}: ${note.action} of ${note.op} of '${note.branch}', by ${note.actor}`);
  return EXIT.done;
}

function onlyBranch(gid: string, transaction: ShownTransaction): string {
  const waiting = transaction.desk.map(({ branch }) => branch);
  const [only] = waiting;
  if (only === undefined) {
    if (isHidden(transaction)) {
      throw new NotReady(`${gid}: no worker answered, so what waits is not known: give --branch, or start a worker`);
    }
    throw new OrderRefused(gid, `nothing waits for a decision${decidedBefore(transaction)}`);
  }
  if (waiting.length > 1)
    throw new NotReady(`${gid}: ${waiting.length} branches wait: give --branch ${waiting.join(' or ')}`);
  return only;
}

/** Who was faster, if somebody was. */
function decidedBefore(transaction: ShownTransaction): string {
  const last = transaction.decisions.at(-1);
  if (last === undefined) return '';
  const { branch, action, actor, at, reason } = last;
  return `; '${branch}' was decided before: ${action} by ${actor} at ${new Date(at).toISOString()} (${reason})`;
}

/** How many are shown before it is decided of many. */
const PREVIEW = 10;

async function decideAll(
  { client, output }: Session,
  filter: DeskFilter,
  order: BulkOrder,
  yes: boolean,
): Promise<ExitCode> {
  const { total, first } = await previewDesk(client, filter, PREVIEW);
  if (!yes) {
    output.result({ total, first, done: false }, () => describeDesk(first, total));
    output.note(`${order.action} would be decided of ${total} transactions: give --yes to do it`);
    return EXIT.done;
  }
  const signal = abortOnSignal(() => {
    output.note('stopping: what is under way ends');
  });
  const bar = output.progress(total, 'transactions');
  try {
    const { stopped, ...report } = await decideMany(client, filter, order, { onTransaction: bar.step, signal });
    bar.stop();
    const document = { total, ...report, ...(stopped !== undefined && { stopped: stopped.message }) };
    output.result(document, () => describeBulk(report, order.action));
    if (stopped !== undefined || signal.aborted) {
      const why = stopped === undefined ? 'it was told to stop' : stopped.message;
      output.note(`it came to ${report.transactions} of ${total} transactions: ${why}`);
    }
    if (stopped !== undefined) return exitOf(stopped);
    return Object.keys(report.refused).length === 0 && !signal.aborted ? EXIT.done : EXIT.undone;
  } finally {
    bar.stop();
  }
}
