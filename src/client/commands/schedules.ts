import { Option } from '@commander-js/extra-typings';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  applySchedules,
  listSchedules,
  pauseSchedule,
  resumeSchedule,
  runSchedule,
  type ScheduleOrder,
} from '../../kit/client/index.js';
import { shopSchedules } from '../../contracts/schedules.js';
import type { Cli } from '../cli.js';
import { EXIT, type ExitCode } from '../exit.js';
import { duration } from '../options.js';
import { dailyAt, describePaused, describeRun, describeSchedules, movedTo, type DailyAt } from '../schedules.js';
import { requireWorker } from '../session.js';

const NAME = 'its name, such as scan';

/** `schedules apply|list|run|pause|resume`. */
export function addScheduleCommands(cli: Cli): void {
  const schedules = cli.root.command('schedules').description('what runs again and again by itself');

  schedules
    .command('apply')
    .description('create the schedules, or bring them up to date; one that somebody paused stays paused')
    .option('--at <name=HH:MM>', 'when one that runs daily does, UTC; give it each time', dailyAt, [] as DailyAt[])
    .option('--prune', 'remove the schedules of the task queue that this release does not know')
    .addHelpText('after', `\nThere are: ${shopSchedules.map(({ name, note }) => `\n  ${name}: ${note}`).join('')}`)
    .action(
      cli.does(async ({ at, prune = false }) => {
        const wanted = movedTo(shopSchedules, at);
        const { client, settings, output } = await cli.open();
        const applied = await applySchedules(client, settings.taskQueue, wanted, { prune });
        output.result({ schedules: applied }, () =>
          applied
            .map(({ id, done }) => `${id}: ${done === 'unknown' ? 'unknown here: left (--prune removes it)' : done}`)
            .join('\n'),
        );
        return EXIT.done;
      }),
    );

  schedules
    .command('list')
    .description('show when each runs next, what became of its last run, and whether it is paused')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well; 4 a person should look: one fails, is not there, or has not run for too long.',
    )
    .action(
      cli.does(async () => {
        const { client, settings, output } = await cli.open();
        const shown = await listSchedules(client, settings.taskQueue, shopSchedules);
        output.result({ schedules: shown }, () => describeSchedules(shown));
        return shown.some(({ trouble }) => trouble !== undefined) ? EXIT.stuck : EXIT.done;
      }),
    );

  schedules
    .command('run')
    .description('run one now, though it is paused; if it runs already, that run is told of')
    .argument('<name>', NAME)
    .option('--wait <duration>', 'wait so long for its end, and show what it reports', duration)
    .addHelpText(
      'after',
      '\nExit codes: 0 it has begun, or with --wait: it is done; 1 it has failed; 2 there is none; 3 it has not ended.',
    )
    .action(
      cli.does(async (name, { wait }) => {
        const session = await cli.open();
        if (wait !== undefined) await requireWorker(session);
        const { client, settings, output } = session;
        const waitMs = wait === undefined ? 0 : msToNumber(wait);
        const run = await runSchedule(client, { taskQueue: settings.taskQueue, name }, { waitMs });
        const report = run.result ?? run.details;
        output.result(run, () =>
          [
            `${run.isOther ? 'it runs already: ' : ''}${describeRun(run)}`,
            ...(report === undefined ? [] : [JSON.stringify(report, undefined, 2)]),
          ].join('\n'),
        );
        return exitOfRun(run.outcome, wait !== undefined);
      }),
    );

  schedules
    .command('pause')
    .description('begin no run by itself any more, until it is resumed; what runs runs on')
    .argument('<name>', NAME)
    .addOption(actor())
    .addOption(reason())
    .action(
      cli.does(async (name, order: ScheduleOrder) => {
        const { client, settings, output } = await cli.open();
        const paused = await pauseSchedule(client, { taskQueue: settings.taskQueue, name }, order);
        output.result({ name, ...paused }, () => `${name}: ${describePaused(paused)}`);
        return EXIT.done;
      }),
    );

  schedules
    .command('resume')
    .description('let one that is paused run again; what it has missed is not made up for')
    .argument('<name>', NAME)
    .addOption(actor())
    .addOption(reason())
    .action(
      cli.does(async (name, order: ScheduleOrder) => {
        const { client, settings, output } = await cli.open();
        const note = shopSchedules.find((each) => each.name === name)?.note ?? name;
        const resumed = await resumeSchedule(client, { taskQueue: settings.taskQueue, name }, order, note);
        output.result(
          { name, resumed },
          () => `${name}: ${resumed ? `resumed by ${order.actor}` : 'it was not paused'}`,
        );
        return EXIT.done;
      }),
    );
}

const actor = () => new Option('--actor <name>', 'who does it; it is kept').makeOptionMandatory();
const reason = () => new Option('--reason <text>', 'why; it is kept').makeOptionMandatory();

function exitOfRun(outcome: string, isWaitedFor: boolean): ExitCode {
  if (outcome === 'completed') return EXIT.done;
  if (outcome === 'running') return isWaitedFor ? EXIT.pending : EXIT.done;
  return EXIT.undone;
}
