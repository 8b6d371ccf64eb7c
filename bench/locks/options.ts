import { benchmark, count } from '../options.js';

/** What the benchmark of locks can be told. */
export interface LockBenchOptions {
  alone: number;
  loaded: number;
  clients: number;
  rounds: number;
  json: boolean;
}

/** Enough to see that everything works; the figures say nothing. */
const quickly = { alone: 20, loaded: 100, rounds: 1 };

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseLockOptions(argv: readonly string[]): LockBenchOptions {
  const { quick, ...options } = lockCommand().parse(argv, { from: 'user' }).opts();
  return { ...options, ...(quick && quickly) };
}

/** The command, for its help and for tests. */
export function lockCommand() {
  return benchmark(
    'bench locks',
    'Measures what it costs to do something once: locks, fences, markers, execution records, version updates, each against a plain ' +
      'update of the same run; in PostgreSQL, and in Redis where there is a server. About 3 minutes.',
  )
    .option('--alone <n>', 'of each, one after the other, in a round', count(10, 1_000_000), 500)
    .option('--loaded <n>', 'of each, by all clients, in a round', count(10, 10_000_000), 4_000)
    .option('--clients <n>', 'clients at a time', count(1, 100), 16)
    .option('--rounds <n>', 'rounds', count(1, 100), 5)
    .option('--quick', 'a few of each: to see that it works', false)
    .option('--json', 'one JSON document on stdout', false);
}
