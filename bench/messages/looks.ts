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
  /** That of as many messages at the front with nothing else there is 1. */
  readonly ratio: number;
}

const STREAM = 'bench/all/0';
/** Messages that a look reads. */
const FRONT = 400;
/** Looks of a case. */
const LOOKS = 300;

/** Measures the look where much waits, each time in emptied tables; and where a transaction stays open while messages are carried. */
export async function measureLooks(options: MessageOptions): Promise<LookFigures[]> {
  return onStage(async (stage) => {
    const { producer } = stage;
    const { waiting } = options;
    const system = outboxSystem(stage);
    await system.open();
    const many = waiting.toLocaleString('en');
    const found: LookFigures[] = [];
    const measure = async (what: string, base?: LookFigures): Promise<LookFigures> => {
      const took = await looks(stage);
      const [p50Ms, p99Ms] = [percentile(took, 0.5), percentile(took, 0.99)];
      const figures = { what, p50Ms, p99Ms, ratio: p50Ms / (base?.p50Ms ?? p50Ms) };
      say(`a look: ${what}: p50 ${figure(p50Ms)} ms, p99 ${figure(p99Ms)} ms`);
      found.push(figures);
      return figures;
    };

    await clear(producer);
    const nothing = await measure('nothing waits');
    await fillDelayed(producer, STREAM, waiting);
    await measure(`${many} wait for their day`, nothing);
    await clear(producer);
    await fillBehindDead(producer, STREAM, waiting);
    await measure(`${many} wait behind a dead letter`, nothing);
    await clear(producer);
    await fillReady(producer, STREAM, FRONT);
    const front = await measure(`${FRONT} are ready`);
    await clear(producer);
    await fillReady(producer, STREAM, waiting);
    await measure(`${many} are ready`, front);
    await clear(producer);

    // What was removed cannot be cleaned up while somebody may still see it.
    const longOne = await producer.connect();
    try {
      await longOne.query('begin isolation level repeatable read');
      await longOne.query('select count(*) from backstitch.outbox');
      await carry(stage, options);
      await measure(
        `nothing waits; ${options.messages.toLocaleString('en')} were delivered while a transaction is open`,
        nothing,
      );
      await longOne.query('commit');
    } finally {
      longOne.release();
    }
    await producer.query('vacuum backstitch.outbox');
    await measure('the same when it has ended, and the table was vacuumed', nothing);
    return found;
  });
}

async function looks({ producer }: MessageStage): Promise<number[]> {
  const outbox = createOutbox({ name: 'bench' });
  const store = streamStore(pgDatabase(producer), outbox, { name: STREAM });
  const look = async () => {
    const began = performance.now();
    await store.poll(FRONT);
    await store.tend();
    await store.due([], 4, 20);
    return performance.now() - began;
  };
  for (let n = 0; n < 50; n++) await look(); // To warm up.
  const took: number[] = [];
  for (let n = 0; n < LOOKS; n++) took.push(await look());
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
