import { benchmark, count } from '../options.js';

/** The command, for its arguments, its help and for tests. A wrong argument ends the program with exit code 2. */
export function soakCommand() {
  return benchmark(
    'bench:soak',
    'Runs many direct sagas, and looks after each tenth of them at the memory of the process and at the tables. Exit code ' +
      '1: memory grows, announcements are left or their table has grown, or the books do not balance.',
  )
    .option('--sagas <n>', 'how many', count(10, 10_000_000), 100_000)
    .option('--clients <n>', 'clients at a time', count(1, 1_000), 50)
    .option('--pool-size <n>', 'connections of each database; more clients wait for one', count(1, 80), 20)
    .option('--json', 'print one JSON object instead of a table', false);
}
