import { Option } from '@commander-js/extra-typings';
import {
  decideMessages,
  InvalidInput,
  showMessages,
  type LettersDecided,
  type LettersFilter,
  type LettersOrder,
  type ShownMessages,
} from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT, type ExitCode } from '../exit.js';
import { requireWorker } from '../session.js';
import { table } from '../words.js';

const about = {
  resend: 'try dead letters anew; what waits behind them follows in order',
  discard: 'drop dead letters, and let what waits behind them go on; the message is kept with the decision',
  skip: 'let what waits behind dead letters go on without them; they stay, and can be sent again later',
} as const;

/** `messages list|dead|resend|discard|skip`. */
export function addMessagesCommands(cli: Cli): void {
  const messages = cli.root.command('messages').description('what the outboxes deliver, and what they could not');

  messages
    .command('list')
    .description('show each stream of each outbox: what waits, what waits aside, dead letters, and who delivers it')
    .option('--outbox <name>', 'only this outbox')
    .option('--to <subscriber>', 'only to this subscriber')
    .action(
      cli.does(async (filter) => {
        const shown = await show(cli, filter);
        cli.output.result(shown, () => describeStreams(shown));
        return shown.unread.length === 0 ? EXIT.done : EXIT.undone;
      }),
    );

  messages
    .command('dead')
    .description('list the dead letters, the oldest 50: each holds up its key until somebody decides')
    .option('--outbox <name>', 'only of this outbox')
    .option('--to <subscriber>', 'only those to this subscriber')
    .option('--topic <topic>', 'only of this topic')
    .option('--all', 'those too that fail and are tried on')
    .action(
      cli.does(async (filter) => {
        const shown = await show(cli, filter);
        const { letters, total, unread } = shown;
        cli.output.result({ letters, total, unread }, () => describeLetters(shown));
        if (unread.length > 0) return EXIT.undone;
        return total > 0 ? EXIT.stuck : EXIT.done;
      }),
    );

  for (const action of ['resend', 'discard', 'skip'] as const) {
    const command = messages
      .command(action)
      .description(about[action])
      .argument('[id]', "the message's id; without it, all that --outbox, --to or --topic finds")
      .option('--outbox <name>', 'only of this outbox')
      .option('--to <subscriber>', 'only those to this subscriber')
      .option('--topic <topic>', 'only of this topic')
      .option('--all', 'those too that fail and are tried on')
      .option('--yes', 'of many, or to several subscribers: do it; without it, it is only shown what it would be')
      .addOption(new Option('--actor <name>', 'who decides; it is kept').makeOptionMandatory())
      .addOption(new Option('--reason <text>', 'why; it is kept').makeOptionMandatory());
    const does = cli.does((id: string | undefined, given: Given) => decideBy(cli, action, id, given));
    if (action !== 'discard') command.action(does);
    else command.option('--left <stream>', 'all that waits in a stream that nobody delivers any more').action(does);
  }
}

/** What is given to a command that decides. */
interface Given extends Omit<LettersFilter, 'id'> {
  readonly left?: string;
  readonly yes?: boolean;
  readonly actor: string;
  readonly reason: string;
}

async function decideBy(
  cli: Cli,
  action: LettersOrder['action'],
  id: string | undefined,
  { yes = false, actor, reason, left, ...where }: Given,
): Promise<ExitCode> {
  const { all = false, ...filter } = where;
  const isEmpty = id === undefined && left === undefined && Object.keys(filter).length === 0;
  if (isEmpty || (left !== undefined && (id !== undefined || Object.keys(where).length > 0))) {
    const rule = 'give the id of a message, or --outbox, --to or --topic; or --left and nothing else';
    throw new InvalidInput([{ field: '', value: '', rule }]);
  }
  const meant = { ...filter, all, ...(id !== undefined && { id }) };
  const asked = yes ? undefined : await ask(cli, action, meant, left);
  if (asked !== undefined) {
    const { total, unread, lines } = asked;
    cli.output.result({ total, decided: [], count: 0, unread }, () => [...lines, ...unreadLines(unread)].join('\n'));
    return unread.length === 0 ? EXIT.done : EXIT.undone;
  }
  const session = await cli.open();
  await requireWorker(session);
  const order = { ...meant, ...(left !== undefined && { left }), action, actor, reason };
  const done = await decideMessages(session.client, session.settings, order);
  cli.output.result(done, () => describeDecided(action, all, done));
  return done.count > 0 && done.unread.length === 0 ? EXIT.done : EXIT.undone;
}

/** What is to be said before it is done; undefined: it is about one message, or does no harm. */
async function ask(
  cli: Cli,
  action: LettersOrder['action'],
  meant: LettersFilter,
  left: string | undefined,
): Promise<(Pick<ShownMessages, 'total' | 'unread'> & { readonly lines: readonly string[] }) | undefined> {
  const { id, to, all } = meant;
  if (id === undefined) {
    const { total, unread } = await (left === undefined ? show(cli, meant) : showLeft(cli, left));
    const what = left !== undefined ? 'messages' : all ? 'messages that could not be delivered' : 'dead letters';
    return { total, unread, lines: [`${total} ${what}: give --yes to ${action} them`] };
  }
  // What one cannot take another may be about to.
  if (action === 'resend' || to !== undefined) return undefined;
  const { letters, total, unread } = await show(cli, meant);
  if (total < 2) return undefined;
  const whose = letters.map(({ stream }) => streamWords(stream)).join(', ');
  return { total, unread, lines: [`${total} of this id, ${whose}: give --to, or --yes to ${action} them`] };
}

/** How much waits in a stream that nobody delivers any more. */
async function showLeft(cli: Cli, name: string): Promise<Pick<ShownMessages, 'total' | 'unread'>> {
  const [outbox = ''] = name.split('/');
  const { streams, unread } = await show(cli, { outbox });
  const found = streams.find(({ stream, isLeft }) => stream === name && isLeft === true);
  return { total: (found?.waiting ?? 0) + (found?.aside ?? 0), unread };
}

async function show(cli: Cli, filter: LettersFilter): Promise<ShownMessages> {
  const session = await cli.open();
  await requireWorker(session);
  return showMessages(session.client, session.settings, filter);
}

function describeStreams({ streams, unread }: ShownMessages): string {
  const rows = streams.map(({ outbox, stream, waiting, aside, dead, oldestMs, relay, isLeft = false }) => [
    outbox,
    stream.slice(outbox.length + 1).replace(/\/0$/, ''),
    waiting,
    aside,
    dead,
    oldestMs === undefined ? '' : `${Math.round(oldestMs / 1_000)} s`,
    deliveredBy(relay, isLeft, stream),
  ]);
  return [
    table(['outbox', 'to', 'waiting', 'aside', 'dead', 'oldest', 'delivered by'], rows),
    ...unreadLines(unread),
  ].join('\n');
}

function deliveredBy(relay: ShownMessages['streams'][number]['relay'], isLeft: boolean, stream: string): string {
  const whose = relay && `${relay.owner} since ${new Date(relay.since).toISOString()}`;
  if (!isLeft) return whose ?? 'nobody yet';
  // Whether that one still does is not known to the worker that was asked.
  return `nobody any more${whose === undefined ? '' : ` (${whose})`}: messages discard --left ${stream}`;
}

function describeLetters({ letters, total, unread }: ShownMessages): string {
  const at = (time: number) => new Date(time).toISOString();
  const lines = letters.map(({ stream, id, topic, key, failedAt, deadAt, dueAt, attempts, error, behind }) => {
    const what = `${id}  ${topic}${key === undefined ? '' : ` of '${key}'`}, ${streamWords(stream)}`;
    const again = dueAt === undefined ? '' : `, tried again at ${at(dueAt)}`;
    const since = deadAt === undefined ? `fails since ${at(failedAt)}${again}` : `dead since ${at(deadAt)}`;
    return `${what}: tried ${attempts} times, ${since}${behind > 0 ? `, ${behind} wait behind it` : ''}\n    ${error}`;
  });
  if (total === 0 && unread.length === 0) lines.push('no dead letters');
  if (total > letters.length) lines.push(`… and ${total - letters.length} more`);
  return [...lines, ...unreadLines(unread)].join('\n');
}

function describeDecided(action: string, all: boolean, { decided, count, unread }: LettersDecided): string {
  const done = { resend: 'is tried anew', discard: 'is dropped', skip: 'is passed' }[action] ?? action;
  const lines = decided.map(({ id, stream }) => `${id} of ${streamWords(stream)} ${done}`);
  if (count === 0) {
    lines.push(all ? 'no such message: see messages dead --all' : 'no such dead letter: see messages dead, and --all');
  }
  if (count > decided.length) lines.push(`… and ${count - decided.length} more`);
  return [...lines, ...unreadLines(unread)].join('\n');
}

function unreadLines(unread: ShownMessages['unread']): string[] {
  return unread.map(({ outbox, message }) => `${outbox} could not be read: ${message}`);
}

/** `orders/mail/0` is `orders to mail`. */
function streamWords(stream: string): string {
  return stream.replace(/\/0$/, '').replace('/', ' to ');
}
