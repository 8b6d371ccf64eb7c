import { Option } from '@commander-js/extra-typings';
import {
  decideMessages,
  InvalidInput,
  showMessages,
  type LettersDecided,
  type LettersFilter,
  type ShownMessages,
} from '../../kit/client/index.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
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
    .option('--topic <topic>', 'only of this topic')
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
    messages
      .command(action)
      .description(about[action])
      .argument('[id]', "the message's id; without it, all that --outbox or --topic finds")
      .option('--outbox <name>', 'only of this outbox')
      .option('--topic <topic>', 'only of this topic')
      .option('--yes', 'of many: do it; without it, it is only shown how many it would be')
      .addOption(new Option('--actor <name>', 'who decides; it is kept').makeOptionMandatory())
      .addOption(new Option('--reason <text>', 'why; it is kept').makeOptionMandatory())
      .action(
        cli.does(async (id, { outbox, topic, yes = false, actor, reason }) => {
          if (id === undefined && outbox === undefined && topic === undefined) {
            throw new InvalidInput([
              { field: '', value: '', rule: 'give the id of a message, or --outbox or --topic' },
            ]);
          }
          const filter: LettersFilter = {
            ...(id !== undefined && { id }),
            ...(outbox !== undefined && { outbox }),
            ...(topic !== undefined && { topic }),
          };
          if (id === undefined && !yes) {
            const { total } = await show(cli, filter);
            cli.output.result({ total, decided: [] }, () => `${total} dead letters: give --yes to ${action} them`);
            return EXIT.done;
          }
          const session = await cli.open();
          await requireWorker(session);
          const order = { ...filter, action, actor, reason };
          const done = await decideMessages(session.client, session.settings, order);
          cli.output.result(done, () => describeDecided(action, done));
          return done.decided.length > 0 && done.unread.length === 0 ? EXIT.done : EXIT.undone;
        }),
      );
  }
}

async function show(cli: Cli, filter: LettersFilter): Promise<ShownMessages> {
  const session = await cli.open();
  await requireWorker(session);
  return showMessages(session.client, session.settings, filter);
}

function describeStreams({ streams, unread }: ShownMessages): string {
  const rows = streams.map(({ outbox, stream, waiting, aside, dead, oldestMs, relay }) => [
    outbox,
    stream.slice(outbox.length + 1).replace(/\/0$/, ''),
    waiting,
    aside,
    dead,
    oldestMs === undefined ? '' : `${Math.round(oldestMs / 1_000)} s`,
    relay === undefined ? 'nobody yet' : `${relay.owner} since ${new Date(relay.since).toISOString()}`,
  ]);
  return [
    table(['outbox', 'to', 'waiting', 'aside', 'dead', 'oldest', 'delivered by'], rows),
    ...unread.map(({ outbox, message }) => `${outbox} could not be read: ${message}`),
  ].join('\n');
}

function describeLetters({ letters, total, unread }: ShownMessages): string {
  const lines = letters.map(({ stream, id, topic, key, deadAt, attempts, error, behind }) => {
    const what = `${id}  ${topic}${key === undefined ? '' : ` of '${key}'`}, ${streamWords(stream)}`;
    const tried = `tried ${attempts} times, dead since ${new Date(deadAt).toISOString()}`;
    return `${what}: ${tried}${behind > 0 ? `, ${behind} wait behind it` : ''}\n    ${error}`;
  });
  if (total === 0 && unread.length === 0) lines.push('no dead letters');
  if (total > letters.length) lines.push(`… and ${total - letters.length} more`);
  return [...lines, ...unread.map(({ outbox, message }) => `${outbox} could not be read: ${message}`)].join('\n');
}

function describeDecided(action: string, { decided, unread }: LettersDecided): string {
  const done = { resend: 'is tried anew', discard: 'is dropped', skip: 'is passed' }[action] ?? action;
  const lines = decided.map(({ id, stream }) => `${id} of ${streamWords(stream)} ${done}`);
  if (decided.length === 0) lines.push('no such dead letter: see messages dead');
  return [...lines, ...unread.map(({ outbox, message }) => `${outbox} could not be read: ${message}`)].join('\n');
}

/** `orders/mail/0` is `orders to mail`. */
function streamWords(stream: string): string {
  return stream.replace(/\/0$/, '').replace('/', ' to ');
}
