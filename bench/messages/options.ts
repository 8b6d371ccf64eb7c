import { benchmark, count, namesFrom } from '../options.js';

export const messageSystems = ['outbox', 'outbox, RabbitMQ', 'graphile-worker', 'graphile-worker, in order'] as const;
export type MessageSystemName = (typeof messageSystems)[number];

/** What the benchmark of messages can be told. */
export interface MessageOptions {
  systems: MessageSystemName[];
  messages: number;
  alone: number;
  waiting: number;
  clients: number;
  keys: number;
  rounds: number;
  rabbitmqUrl?: string | undefined;
  json: boolean;
}

/** Enough to see that everything works; the figures say nothing. */
const quickly = { messages: 200, alone: 5, waiting: 1_000, rounds: 1 };

/** Reads the arguments; a wrong one ends the program with one line and exit code 2. */
export function parseMessageOptions(argv: readonly string[]): MessageOptions {
  const { quick, ...options } = messageCommand().parse(argv, { from: 'user' }).opts();
  return { ...options, ...(quick && quickly) };
}

/** The command, for its help and for tests. */
export function messageCommand() {
  return benchmark(
    'bench messages',
    'Carries the same messages from one database to another by the outbox and by graphile-worker: written while they are carried, ' +
      'all at once, one alone, and one alone while a million others wait for their day. About 10 minutes.',
  )
    .option(
      '--systems <names>',
      `systems to run, with commas: ${messageSystems.join(', ')}`,
      namesFrom(messageSystems),
      [...messageSystems],
    )
    .option('--messages <n>', 'messages of a phase', count(10, 10_000_000), 20_000)
    .option('--alone <n>', 'messages of a phase with nothing else to do', count(1, 100_000), 300)
    .option('--waiting <n>', 'messages that wait for their day', count(1, 100_000_000), 1_000_000)
    .option('--clients <n>', 'clients that write at a time', count(1, 100), 16)
    .option('--keys <n>', 'keys of the messages', count(1, 1_000_000), 200)
    .option('--rounds <n>', 'rounds', count(1, 100), 3)
    .option('--rabbitmq-url <url>', 'a broker; without one its system is left out', process.env.RABBITMQ_URL)
    .option('--quick', 'a few messages: to see that it works', false)
    .option('--json', 'one JSON document on stdout', false);
}
