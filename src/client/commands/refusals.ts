import { Option } from '@commander-js/extra-typings';
import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { knownTransactions, type KnownTransaction } from '../../contracts/refusals.js';
import {
  countRefusals,
  refusalRate,
  suggestOrder,
  type StepCount,
  type StepCounts,
  type SuggestedOrder,
} from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { duration } from '../options.js';
import { requireWorker } from '../session.js';
import { table } from '../words.js';

const DEFAULT_SINCE: Duration = '7 days';

/** What the suggestion is made of, and what not. */
const UNKNOWN =
  'The suggestion knows these rates only. It does not know what it costs to undo a step, whether a step needs what another one gives ' +
  '(unless that is declared), nor whether two rates differ by chance: look at how often each was reached. A step is only ' +
  'reached by what those before it let through. Read the body before you change it.';

/** Steps of one kind of transaction, and the order that they suggest. */
interface Refusals {
  readonly transaction: string;
  readonly by: StepCount['by'];
  readonly steps: readonly (Omit<StepCount, 'transaction' | 'by'> & { readonly rate: number })[];
  /** Absent: their order is not to be changed. */
  readonly suggestion: SuggestedOrder | undefined;
}

/** `tx refusals`. */
export function addRefusalsCommand(tx: ReturnType<Cli['root']['command']>, cli: Cli): void {
  const names = Object.keys(knownTransactions) as KnownTransaction[];
  tx.command('refusals')
    .description('how often each step of the transactions is refused, and the order of steps that this suggests')
    .addOption(new Option('--transaction <name>', 'only those whose ids begin with this').choices(names))
    .option('--since <duration>', 'only steps that were asked within it', duration, DEFAULT_SINCE)
    .addHelpText(
      'after',
      `
It counts what the services' guards have kept: every step that happened or was refused for good, once for each transaction, whoever drove
it and whatever became of it. Exit codes: 0 counted; 1 a service could not be read, and is missing.`,
    )
    .action(
      cli.does(async ({ transaction, since }) => {
        const session = await cli.open();
        await requireWorker(session);
        const wanted = transaction === undefined ? names : [transaction];
        const transactions = Object.fromEntries(wanted.map((name) => [name, knownTransactions[name].gids]));
        const counts = await countRefusals(session.client, session.settings, {
          since: Date.now() - msToNumber(since),
          transactions,
        });
        const refusals = refusalsOf(counts);
        const { notes } = counts;
        session.output.result({ since: counts.since, transactions: refusals, notes }, () => describe(counts, refusals));
        if (!session.output.json) for (const note of notes) session.output.note(note);
        return notes.length === 0 ? EXIT.done : EXIT.undone;
      }),
    );
}

function refusalsOf({ steps }: StepCounts): Refusals[] {
  const kinds: StepCount[][] = [];
  for (const step of steps) {
    const last = kinds.at(-1);
    const [first] = last ?? [];
    if (last !== undefined && first?.transaction === step.transaction && first.by === step.by) last.push(step);
    else kinds.push([step]);
  }
  return kinds.flatMap((own): Refusals[] => {
    const [first] = own;
    if (first === undefined) return [];
    const { transaction, by } = first;
    const rated = own.map(({ step, operations, place, reached, refused, reasons, undoable }) => {
      const rate = Math.round(refusalRate({ reached, refused }) * 10_000) / 10_000;
      return { ...{ step, operations, place, reached, refused, rate, reasons, undoable } };
    });
    return [{ transaction, by, steps: rated, suggestion: suggestionOf(transaction as KnownTransaction, by, own) }];
  });
}

/** None where databases are prepared, which is done in one order, against deadlocks. Nothing that waits for a payment needs its order first. */
function suggestionOf(
  name: KnownTransaction,
  by: StepCount['by'],
  steps: readonly StepCount[],
): SuggestedOrder | undefined {
  if (by === 'prepare') return undefined;
  return suggestOrder(steps, by === 'state-table' ? {} : knownTransactions[name].needs);
}

function describe({ since }: StepCounts, refusals: readonly Refusals[]): string {
  if (refusals.length === 0) return `no step was asked since ${since}`;
  const parts = refusals.map((each) => {
    const { transaction, by, steps } = each;
    const rows = steps.map(({ place, step, operations, reached, refused, rate, reasons }) => [
      place,
      step,
      operations.join('\n'),
      reached,
      refused,
      `${(rate * 100).toFixed(1)} %`,
      Object.entries(reasons)
        .sort(([, a], [, b]) => b - a)
        .map(([type, count]) => `${type} ${count}`)
        .join('\n'),
    ]);
    const head = ['place', 'step', 'operation', 'reached', 'refused', 'rate', 'why'];
    return [`${transaction}, ${WAYS[by]}, since ${since}`, table(head, rows), suggested(each)].join('\n');
  });
  return [...parts, UNKNOWN].join('\n\n');
}

const WAYS: Readonly<Record<StepCount['by'], string>> = {
  action: 'saga or message',
  try: 'TCC',
  prepare: 'two-phase or three-phase commit',
  'state-table': 'state table',
};

function suggested({ suggestion }: Refusals): string {
  if (suggestion === undefined)
    return 'suggested order: none, as databases are prepared in one order, against deadlocks';
  const { order, fixed, changes } = suggestion;
  const stay = fixed.length === 0 ? '' : `; ${fixed.join(', ')} cannot be undone, or follow what cannot, and stay last`;
  return changes ? `suggested order: ${order.join(', ')}${stay}` : `suggested order: as it is${stay}`;
}
