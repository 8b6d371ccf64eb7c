import { benchmark, count } from '../options.js';

/** What the benchmark of the reconciliation can be told. */
export interface ReconcileOptions {
  rows: number;
  different: number;
  json: boolean;
}

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseReconcileOptions(argv: readonly string[]): ReconcileOptions {
  return reconcileCommand().parse(argv, { from: 'user' }).opts();
}

/** The command, for its help and for tests. */
export function reconcileCommand() {
  return benchmark(
    'bench reconcile',
    'Compares two tables in two databases by ranges of keys and by buckets: with nothing that differs, with some rows, and with a row of ' +
      'each range; beside reading both tables once. About two minutes.',
  )
    .option('--rows <n>', 'rows of each side', count(1_000, 100_000_000), 1_000_000)
    .option('--different <n>', 'rows that differ', count(1, 1_000_000), 500)
    .option('--json', 'one JSON document on stdout', false);
}
