import { writeFile } from 'node:fs/promises';
import { Option } from '@commander-js/extra-typings';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { InvalidInput, reconcileNow, type ReconcileOrder, type ReconcileReport } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT, type ExitCode } from '../exit.js';
import { duration, time } from '../options.js';
import type { Progress } from '../output.js';
import { reconciliationPage } from '../reconcile/page.js';
import { describeReconciliation } from '../reconcile/words.js';
import { requireWorker } from '../session.js';

/** `reconcile`. */
export function addReconcileCommand(cli: Cli): void {
  cli.root
    .command('reconcile')
    .description(
      'compare what the systems have of each other, pair by pair, and name what does not agree; repairs nothing unless told to',
    )
    .option('--since <time>', 'only rows since this time', time)
    .option('--pairs <names>', 'only these pairs, with commas', (text) => text.split(',').map((name) => name.trim()))
    .option('--repair', 'repair what has a repair and no person has decided about, and take the rest to the desk')
    .addOption(new Option('--actor <name>', 'with --repair: who asks for it; it is kept'))
    .addOption(new Option('--reason <text>', 'with --repair: why; it is kept'))
    .option(
      '--young <duration>',
      'for how long after its last step a transaction is in flight (default: 5 minutes)',
      duration,
    )
    .option('--html <file>', 'the report as a page, too')
    .option('--wait <duration>', 'how long to wait for it (default: 1 hour)', duration)
    .addHelpText(
      'after',
      '\nExit codes: 0 all agree, or is repaired; 1 something does not agree, or could not be compared; 2 bad usage; 3 it has not ended: it goes on.',
    )
    .action(
      cli.does(async ({ since, pairs, repair, actor, reason, young, html, wait }): Promise<ExitCode> => {
        const order: ReconcileOrder = {
          ...(since !== undefined && { since: since.getTime() }),
          ...(pairs !== undefined && { pairs }),
          ...(young !== undefined && { youngMs: msToNumber(young) }),
          ...(repair === true && { repair: givenBy(actor, reason) }),
        };
        const session = await cli.open();
        await requireWorker(session);
        const { client, settings, output } = session;
        let bar: Progress | undefined;
        let shown = 0;
        const report: ReconcileReport = await reconcileNow(client, settings, order, {
          ...(wait !== undefined && { waitMs: msToNumber(wait) }),
          onProgress: ({ done, total }) => {
            if (total === 0) return;
            bar ??= output.progress(total, 'looks at pairs');
            bar.step(done - shown);
            shown = done;
          },
        }).finally(() => {
          bar?.stop();
        });
        if (html !== undefined) await writeFile(html, reconciliationPage(report, settings.taskQueue));
        output.result(report, () => describeReconciliation(report));
        return report.isClean ? EXIT.done : EXIT.undone;
      }),
    );
}

/** @throws InvalidInput where it is not said who and why */
function givenBy(actor: string | undefined, reason: string | undefined): { actor: string; reason: string } {
  if (actor?.trim() && reason?.trim()) return { actor, reason };
  const rule = 'a repair is kept with who asked for it and why: give --actor and --reason';
  throw new InvalidInput([{ field: 'repair', value: '', rule }]);
}
