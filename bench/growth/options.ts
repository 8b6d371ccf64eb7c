import { benchmark, count, namesFrom, serverOption, type ServerKind } from '../options.js';
import { laneNames, type LaneName } from './lanes.js';
import { axisNames, type Amount, type AxisName } from './plan.js';

/** What the benchmark of growth can be told. */
export interface GrowthOptions extends Amount {
  axes: AxisName[];
  lanes: LaneName[];
  rounds: number;
  pause: number;
  poolSize: number;
  server: ServerKind;
  json: boolean;
  /** The folder for the charts; absent: none are drawn. */
  svg?: string;
}

/** Enough to see that everything works; the figures say nothing. */
const quickly = { sagas: 10, eachClient: 0, rounds: 1, pause: 0 };
const EACH_CLIENT = 3;

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseGrowthOptions(argv: readonly string[]): GrowthOptions {
  const { quick, ...options } = growthCommand().parse(argv, { from: 'user' }).opts();
  return { ...options, eachClient: EACH_CLIENT, ...(quick && quickly) };
}

/** The command, for its help and for tests. */
export function growthCommand() {
  return benchmark(
    'bench:growth',
    'Measures what a saga costs as work grows: more steps, more clients, more of them undone, one at a time; the books ' +
      'are proved after each. About 15 minutes.',
  )
    .option('--axes <names>', `what grows, with commas: ${axisNames.join(',')}`, namesFrom(axisNames), [...axisNames])
    .option('--lanes <names>', `lanes to run, with commas: ${laneNames.join(',')}`, namesFrom(laneNames), [
      ...laneNames,
    ])
    .option(
      '--sagas <n>',
      'sagas of the durable lane with 3 steps and 50 clients; faster lanes run more, longer sagas fewer',
      count(10, 100_000),
      500,
    )
    .option('--rounds <n>', 'rounds; figures are medians over them', count(1, 100), 1)
    .option('--pause <seconds>', 'pause after a lane with an engine, whose timers are still to fire', count(0, 600), 3)
    .option('--pool-size <n>', 'connections of each database; more clients wait for one', count(1, 25), 20)
    .addOption(serverOption())
    .option('--quick', 'a few sagas each: to see that it works', false)
    .option('--json', 'print one JSON object instead of tables', false)
    .option('--svg <folder>', 'write a chart an axis there: performance-steps.svg and so on');
}
