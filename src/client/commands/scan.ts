import { reclaimSchedule } from '../../contracts/sale.js';
import { applySchedules, collectLogSchedule, scanNow, scanSchedule, type ScanReport } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { requireWorker } from '../session.js';

/** `scan`, `schedules apply`. */
export function addScanCommands(cli: Cli): void {
  cli.root
    .command('scan')
    .description(
      'look for transactions whose run was ended from outside, and have them settled; for what is held for nobody, and for messages that nobody delivers',
    )
    .action(
      cli.does(async () => {
        const session = await cli.open();
        await requireWorker(session);
        const { client, settings, output } = session;
        const report = await scanNow(client, settings);
        output.result(report, () => describeScan(report));
        return report.failed.length + report.unread.length === 0 ? EXIT.done : EXIT.undone;
      }),
    );

  cli.root
    .command('schedules')
    .description('what runs again and again by itself')
    .command('apply')
    .description(
      'create the schedules, or bring them up to date: the scan and the reclaim every five minutes, the log every minute',
    )
    .action(
      cli.does(async () => {
        const { client, settings, output } = await cli.open();
        const schedules = [scanSchedule, collectLogSchedule, reclaimSchedule];
        const applied = await applySchedules(client, settings.taskQueue, schedules);
        output.result({ schedules: applied }, () => applied.map(({ id, done }) => `${id}: ${done}`).join('\n'));
        return EXIT.done;
      }),
    );
}

function describeScan({
  found,
  settled,
  compared,
  failed,
  old,
  orphaned,
  unread,
  inDoubt,
  undelivered = [],
}: ScanReport): string {
  const lines = [
    `${found} runs were ended from outside, as far back as is kept; ${settled.length} of them are being settled now`,
  ];
  lines.push(...settled.slice(0, 10).map((gid) => `  ${gid}`));
  lines.push(...compared.slice(0, 10).map((gid) => `  ${gid}: its coordinator is gone, and its agents are compared`));
  lines.push(...failed.map(({ gid, message }) => `  ${gid} could not be settled: ${message}`));
  lines.push(
    ...orphaned
      .slice(0, 10)
      .map(
        ({ participant, gid, branch, since, why }) =>
          `  ${participant} holds '${branch}' of ${gid}, which should have ended by ${new Date(since).toISOString()}: ${why}`,
      ),
  );
  if (orphaned.length > 10) lines.push(`  … and ${orphaned.length - 10} more that are held for nobody`);
  lines.push(...unread.map(({ participant, message }) => `  ${participant} could not be read: ${message}`));
  if (old.length > 0) lines.push(`${old.length} wait at the desk for more than a day: see desk list`);
  for (const { gid, branch, end } of inDoubt?.ended ?? []) {
    lines.push(`  ${gid}: branch '${branch}' was prepared and in doubt: ${end}`);
  }
  for (const { gid, branch, since, message } of inDoubt?.old ?? []) {
    lines.push(`  ${gid}: branch '${branch}' is prepared since ${new Date(since).toISOString()}: ${message}`);
  }
  for (const { stream, waiting, since, startedAgain } of undelivered) {
    const how = startedAgain ? 'nobody delivered them: that is started again' : 'see messages list';
    lines.push(`${waiting} messages of ${stream} wait, the oldest since ${new Date(since).toISOString()}: ${how}`);
  }
  return lines.join('\n');
}
