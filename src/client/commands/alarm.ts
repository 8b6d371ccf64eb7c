import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { testAlarm } from '../../kit/client/index.js';
import { requireWorker } from '../session.js';

/** Without a receiver nobody is told. */
const OF_THE_WORKER =
  ' of the worker, and nowhere else: give the worker BACKSTITCH_ALARM_URL and BACKSTITCH_ALARM_SECRET';

/** `alarm test`. */
export function addAlarmCommands(cli: Cli): void {
  const alarm = cli.root.command('alarm').description('see whether alarms arrive');

  alarm
    .command('test')
    .description('raise a test alarm, and wait until a worker has delivered it or says why not')
    .addHelpText('after', '\nExit codes: 0 it was delivered; 1 it was not; 2 there is no worker to deliver it.')
    .action(
      cli.does(async () => {
        const session = await cli.open();
        await requireWorker(session);
        const tested = await testAlarm(session.client, session.settings);
        session.output.result(tested, () =>
          tested.delivered
            ? `the test alarm was delivered to ${tested.to}${tested.to === 'the log' ? OF_THE_WORKER : ''}`
            : `the test alarm was NOT delivered: ${tested.reason}`,
        );
        return tested.delivered ? EXIT.done : EXIT.undone;
      }),
    );
}
