import type { LogEntry, LogPage } from '../../kit/workflow/index.js';
import { readLog, TransactionNotFound } from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { requireWorker, type Session } from '../session.js';
import { span, table } from '../words.js';

/** `log`. */
export function addLogCommand(cli: Cli): void {
  cli.root
    .command('log')
    .description(
      'show the compensation log of a transaction: who did what, when, with which input and result, at which attempt',
    )
    .argument('<gid>', "the transaction's id, such as order-cdnow-00001")
    .addHelpText('after', '\nExit codes: 0 shown, whatever became of the transaction; 2 there is none with this id.')
    .action(
      cli.does(async (gid) => {
        const session = await cli.open();
        await requireWorker(session);
        const log = await wholeLog(session, gid);
        session.output.result(log, () => describeLog(log.entries));
        if (!session.output.json) for (const note of log.notes) session.output.note(note);
        return EXIT.done;
      }),
    );
}

/** All parts of the log. @throws TransactionNotFound */
async function wholeLog({ client, settings }: Session, gid: string): Promise<Omit<LogPage, 'next' | 'found'>> {
  const entries: LogEntry[] = [];
  let page: LogPage;
  let from: number | undefined = 0;
  do {
    page = await readLog(client, settings, gid, from);
    if (!page.found) throw new TransactionNotFound(gid, settings.namespace);
    entries.push(...page.entries);
    from = page.next;
  } while (from !== undefined);
  return { gid, entries, notes: page.notes };
}

/** A line for each entry; below it what went in, what came out, what went wrong. */
function describeLog(entries: readonly LogEntry[]): string {
  if (entries.length === 0) return 'nothing is in its log yet';
  const lines = entries.map((entry) => {
    const { beganAt, endedAt, seq, branch, op, outcome, attempt, service, source, who } = entry;
    return [
      beganAt,
      endedAt === undefined ? '' : span(beganAt, endedAt),
      seq ?? '',
      branch ?? '',
      op,
      outcome,
      attempt ?? '',
      who ?? '',
      service ?? source,
      noteOf(entry),
    ];
  });
  return table(['began', 'took', '#', 'branch', 'op', 'outcome', 'attempt', 'who', 'told by', 'note'], lines);
}

/** Characters of an input or a result that are shown; `--json` has all. */
const SHOWN = 100;

function noteOf({ failure, input, result }: LogEntry): string {
  return [
    ...(failure ? [`${failure.type}: ${failure.message}`] : []),
    ...(input === undefined ? [] : [`input ${short(input)}`]),
    ...(result === undefined ? [] : [`result ${short(result)}`]),
  ].join('\n');
}

function short(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > SHOWN ? `${json.slice(0, SHOWN)}…` : json;
}
