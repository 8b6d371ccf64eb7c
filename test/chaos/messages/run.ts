import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../random.js';
import { links, openStage, workers, type Act, type MessagesStage } from './stage.js';

/**
 * Chaos for messages: so many over so many keys, from one PostgreSQL server to another, while relays, consumers, both servers and
 * Temporal are killed, and the connections between them are cut and held up. At the end each message was handled once, in the order of its
 * key, and nothing is left.
 */

const acts: readonly Act[] = [
  ...workers.flatMap((target) => [{ kind: 'kill', target } as const, { kind: 'freeze', target } as const]),
  ...(['producer', 'consumer', 'temporal'] as const).map((target) => ({ kind: 'kill', target }) as const),
  ...links.flatMap((target) =>
    (['cut', 'cut-answers', 'stall', 'lose-answers'] as const).map((kind) => ({ kind, target })),
  ),
];

/** How long a run waits for the messages of one fault before the next, in milliseconds. */
const PATIENCE_MS = 20_000;

export interface MessagesRun {
  readonly seed: number;
  readonly messages: number;
  readonly keys: number;
  readonly faults: number;
  readonly minutes: number;
  /** The folder that keeps everything, which is emptied. */
  readonly state: string;
  readonly onProgress: (line: string) => void;
}

export interface MessagesReport {
  readonly seed: number;
  readonly messages: number;
  readonly passed: boolean;
  readonly problems: readonly string[];
  /** What was done, such as `kill worker-1`. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

/** Every fault once at least; in a long run one for each 400 messages. */
export function faultsFor(messages: number): number {
  return Math.max(acts.length, Math.round(messages / 400));
}

/** The report for people, in few lines. */
export function describeMessages({ seed, messages, passed, problems, faults, seconds }: MessagesReport): string {
  const what = `seed ${seed}: ${messages} messages, ${faults.length} faults, ${seconds} s: ${passed ? 'PASSED' : 'FAILED'}`;
  return [what, ...problems.map((problem) => `  ${problem}`)].join('\n');
}

/** The folders of a run's servers. */
export function messagesStates(state: string): string[] {
  return ['producer', 'consumer'].map((name) => join(state, name));
}

export async function chaosMessages(options: MessagesRun): Promise<MessagesReport> {
  const { seed, messages, keys, faults: count, minutes, state, onProgress } = options;
  const stage = await openStage(state, onProgress);
  const random = new Random(seed);
  const began = Date.now();
  const until = began + minutes * 60_000;
  const done: string[] = [];
  try {
    /** So many may be written by now: a part of them while each fault goes on. */
    const quota = { messages: 0 };
    const plan = [...random.shuffled(acts)];
    while (plan.length < count) plan.push(random.pick(acts));
    const injecting = (async () => {
      for (const [place, act] of plan.slice(0, count).entries()) {
        quota.messages = Math.ceil(((place + 1) / count) * messages);
        await stage.handledAtLeast(quota.messages - messages / count / 2, PATIENCE_MS);
        done.push(`${act.kind} ${act.target}`);
        onProgress(`${done.at(-1)} (${await stage.handled()} of ${messages} handled)`);
        await stage.apply(act, random.integer(1_000, 6_000));
      }
      quota.messages = messages;
    })();
    injecting.catch(() => {
      quota.messages = messages;
    });
    await write(stage, random, { messages, keys }, quota, until);
    onProgress(`all ${messages} are written`);
    await injecting;
    while ((await stage.handled()) < messages && Date.now() < until) await delay(500);
    await delay(3_000);
    const problems = [...(await stage.verify(messages)), ...stage.deaths.map(String)];
    return {
      ...{ seed, messages, problems, faults: done, passed: problems.length === 0 },
      seconds: Math.round((Date.now() - began) / 1_000),
    };
  } finally {
    await stage.close();
  }
}

/** Writes all messages, 8 clients at a time; one that fails is looked for: its commit may have been done. */
async function write(
  stage: MessagesStage,
  random: Random,
  { messages, keys }: Pick<MessagesRun, 'messages' | 'keys'>,
  quota: { readonly messages: number },
  until: number,
): Promise<void> {
  const queue = Array.from({ length: messages }, (_, n) => `k${n % keys}`);
  const left = random.shuffled(queue);
  let written = 0;
  const client = async (name: number) => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      for (let isSent = false; !isSent;) {
        if (Date.now() > until) throw new Error('the time of the run is over');
        if (written < quota.messages) isSent = await stage.send(key, `${name}`);
        else await delay(20);
      }
      written += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => client(name)));
}
