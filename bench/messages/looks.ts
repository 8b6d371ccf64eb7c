import { createOutbox, pgDatabase } from '../../src/kit/database/index.js';
import { streamStore } from '../../src/kit/database/outbox/stream.js';
import { runLoad } from '../load.js';
import { figure, markdownTable } from '../markdown.js';
import { say } from '../program.js';
import { percentile, significant } from '../statistics.js';
import { clear, fillBehindDead, fillDelayed, fillReady } from './fill.js';
import { Handled } from './handled.js';
import type { MessageOptions } from './options.js';
import { outboxSystem } from './outbox.js';
import { onStage } from './stage.js';
import type { MessageStage } from './system.js';

/** How long a relay's look takes: at the front, at what is due, and at whose it is. */
export interface LookFigures {
  /** What is in the tables. */
  readonly what: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The p50, where that of looks at as many messages with nothing else there, taken in turn with these, is 1. */
  readonly ratio: number;
}

const STREAM = 'bench/all/0';
/** Messages that a look reads. */
const FRONT = 400;
/** Looks of a case. */
const LOOKS = 300;
/** Looks before them. */
const WARM = 50;

/**
 * Measures the look where much waits, and, in turn with each of these looks, one where nothing else is there: so what else the machine does
 * is in both. And where a transaction stays open while messages are carried.
 */
export async function measureLooks(options: MessageOptions): Promise<LookFigures[]> {
  return onStage((stage) => onStage((base) => measureAll({ stage, base }, options), 'bench-base'));
}

interface Stages {
  readonly stage: MessageStage;
  /** Where nothing else is there. */
  readonly base: MessageStage;
}

async function measureAll({ stage, base }: Stages, options: MessageOptions): Promise<LookFigures[]> {
  const { producer } = stage;
  const { waiting } = options;
  for (const each of [stage, base]) await outboxSystem(each).open();
  const many = waiting.toLocaleString('en');
  const found: LookFigures[] = [];
  const measure = async (what: string): Promise<void> => {
    const [took, beside] = await looksInTurn(lookAt(stage), lookAt(base));
    const [p50Ms, p99Ms] = [percentile(took, 0.5), percentile(took, 0.99)];
    const ratio = p50Ms / percentile(beside, 0.5);
    say(`a look: ${what}: p50 ${figure(p50Ms)} ms, p99 ${figure(p99Ms)} ms, ratio ${figure(significant(ratio))}`);
    found.push({ what, p50Ms, p99Ms, ratio });
  };

  await measure('nothing waits');
  await fillDelayed(producer, STREAM, waiting);
  await measure(`${many} wait for their day`);
  await clear(producer);
  await fillBehindDead(producer, STREAM, waiting);
  await measure(`${many} wait behind a dead letter`);
  await clear(producer);
  await fillReady(base.producer, STREAM, FRONT);
  await fillReady(producer, STREAM, waiting);
  await measure(`${many} are ready, and it reads ${FRONT}`);
  await clear(producer);
  await clear(base.producer);

  // What was removed cannot be cleaned up while somebody may still see it.
  const longOne = await producer.connect();
  try {
    await longOne.query('begin isolation level repeatable read');
    await longOne.query('select count(*) from backstitch.outbox');
    await carry(stage, options);
    await measure(`nothing waits; ${options.messages.toLocaleString('en')} were delivered while a transaction is open`);
    await longOne.query('commit');
  } finally {
    longOne.release();
  }
  await producer.query('vacuum backstitch.outbox');
  await measure('the same when it has ended, and the table was vacuumed');
  return found;
}

type Look = () => Promise<number>;

function lookAt({ producer }: MessageStage): Look {
  const outbox = createOutbox({ name: 'bench' });
  const store = streamStore(pgDatabase(producer), outbox, { name: STREAM });
  return async () => {
    const began = performance.now();
    await store.poll(FRONT);
    await store.tend();
    await store.due([], 4, 20);
    return performance.now() - began;
  };
}

/** Each look after one of the other's. */
async function looksInTurn(one: Look, other: Look): Promise<[number[], number[]]> {
  const took: [number[], number[]] = [[], []];
  for (let n = -WARM; n < LOOKS; n++) {
    const both = [await one(), await other()] as const;
    if (n >= 0) both.forEach((ms, place) => took[place]?.push(ms));
  }
  return took;
}

/** Writes messages and delivers them. */
async function carry(stage: MessageStage, { messages, clients, keys }: MessageOptions): Promise<void> {
  const system = outboxSystem(stage);
  const handled = new Handled();
  await system.start((id) => {
    handled.came(id);
  });
  const ids = Array.from({ length: messages }, (_, n) => n + 1);
  await Promise.all([handled.wait(messages), runLoad(ids, clients, (id) => system.produce(id, `k${id % keys}`))]);
  await system.stop();
}

export function printLooks(found: readonly LookFigures[]): void {
  if (found.length === 0) return;
  console.log();
  const rows = found.map(({ what, p50Ms, p99Ms, ratio }) => [
    what,
    ...[p50Ms, p99Ms, ratio].map((value) => figure(significant(value))),
  ]);
  for (const line of markdownTable(['a look of a relay, while', 'p50 ms', 'p99 ms', 'ratio'], rows)) console.log(line);
}
