import { failingMessage, scanNow, type ScanReport } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { requireWorker } from '../session.js';

/** `scan`. */
export function addScanCommand(cli: Cli): void {
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
  schedules = [],
  failing = [],
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
  lines.push(...schedules.map(({ id, trouble }) => `the schedule ${id}: ${trouble}`));
  lines.push(...failing.map((run) => `${run.gid}: ${failingMessage(run)}`));
  return lines.join('\n');
}
