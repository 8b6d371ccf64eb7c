import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { systemNames, type SystemName } from './report.js';

/** The Temporal servers that a run can be on. */
const serverKinds = ['development', 'production'] as const;
export type ServerKind = (typeof serverKinds)[number];

/** What the benchmark can be told. */
export interface BenchOptions {
  rounds: number;
  sagas: number;
  serial: number;
  warmup: number;
  pause: number;
  clients: number;
  poolSize: number;
  systems: SystemName[];
  /** Which Temporal server carries the systems with an engine. */
  server: ServerKind;
  /** Whether a missed bar is exit code 1. */
  bars: boolean;
  json: boolean;
}

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  return benchCommand().parse(argv, { from: 'user' }).opts();
}

/** The command, for its help and for tests. */
export function benchCommand() {
  return benchmark(
    'bench',
    'Measures the saga against plain SQL and against a saga written by hand with Temporal, interleaved in one run. ' +
      'Each round runs every system twice, in an order and in the opposite one: a warm-up, one client, then all clients; the ' +
      'books are proved after each.',
  )
    .option('--rounds <n>', 'rounds; figures are medians over them', count(1, 100), 5)
    .option(
      '--sagas <n>',
      'sagas of a system and round with all clients; lean runs twice, systems without an engine ten times as many',
      count(10, 100_000),
      900,
    )
    .option('--serial <n>', 'sagas of a system and round with one client', count(1, 10_000), 30)
    .option('--warmup <n>', 'sagas of a system and round that do not count', count(0, 10_000), 60)
    .option(
      '--pause <seconds>',
      'pause after a system with an engine, whose timers are still to fire',
      count(0, 600),
      12,
    )
    .option('--clients <n>', 'clients at a time', count(1, 1_000), 50)
    .option('--pool-size <n>', 'connections of each database', count(1, 500), 20)
    .option('--systems <names>', `systems to run, with commas: ${systemNames.join(',')}`, namesFrom(systemNames), [
      ...systemNames,
    ])
    .addOption(serverOption())
    .option('--no-bars', 'only print whether the bars are met: exit code 0 also when one is missed')
    .option('--json', 'print one JSON object instead of tables', false)
    .addHelpText(
      'after',
      '\n`bench transfer` compares the schemes that move money between banks: `bench transfer --help`.',
    );
}

/** The command of a benchmark: a wrong argument ends the program with one line and exit code 2. */
export function benchmark(name: string, description: string) {
  return new Command(name)
    .description(description)
    .allowExcessArguments(false)
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? 0 : 2);
    });
}

/** Which Temporal server, as every benchmark is told. */
export function serverOption() {
  return new Option(
    '--server <kind>',
    "Temporal's development server (on SQLite), or its production server on PostgreSQL",
  )
    .choices(serverKinds)
    .default('development' as const);
}

/** Reads a whole number. */
export function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** Reads some of the names that there are, with commas between them, into the order in which they are known. */
export function namesFrom<Name extends string>(all: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.filter((name) => !all.some((known) => known === name));
    if (unknown.length > 0) {
      throw new InvalidArgumentError(`There is no '${unknown.join(',')}'; give ${all.join(', ')}.`);
    }
    return all.filter((known) => names.includes(known));
  };
}
