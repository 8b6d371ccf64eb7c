import { applySchedules, collectLogSchedule, scanNow, scanSchedule, type ScanReport } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { requireWorker } from '../session.js';

/** `scan`, `schedules apply`. */
export function addScanCommands(cli: Cli): void {
  cli.root
    .command('scan')
    .description('look for transactions whose run was ended from outside, and have them settled')
    .action(
      cli.does(async () => {
        const session = await cli.open();
        await requireWorker(session);
        const { client, settings, output } = session;
        const report = await scanNow(client, settings);
        output.result(report, () => describeScan(report));
        return report.failed.length === 0 ? EXIT.done : EXIT.undone;
      }),
    );

  cli.root
    .command('schedules')
    .description('what runs again and again by itself')
    .command('apply')
    .description('create the schedules, or bring them up to date: the scan every five minutes, the log every minute')
    .action(
      cli.does(async () => {
        const { client, settings, output } = await cli.open();
        const applied = await applySchedules(client, settings.taskQueue, [scanSchedule, collectLogSchedule]);
        output.result({ schedules: applied }, () => applied.map(({ id, done }) => `${id}: ${done}`).join('\n'));
        return EXIT.done;
      }),
    );
}

function describeScan({ found, settled, failed, old }: ScanReport): string {
  const lines = [
    `${found} runs were ended from outside, as far back as is kept; ${settled.length} of them are being settled now`,
  ];
  lines.push(...settled.slice(0, 10).map((gid) => `  ${gid}`));
  lines.push(...failed.map(({ gid, message }) => `  ${gid} could not be settled: ${message}`));
  if (old.length > 0) lines.push(`${old.length} wait at the desk for more than a day: see desk list`);
  return lines.join('\n');
}
