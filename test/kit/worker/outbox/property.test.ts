import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { HeldUp, SinkUnavailable, type Database, type Message } from '../../../../src/kit/database/index.js';
import { decideLetter, listLetters } from '../../../../src/kit/database/outbox/letters.js';
import { streamStore } from '../../../../src/kit/database/outbox/stream.js';
import { Listeners } from '../../../../src/kit/worker/outbox/listener.js';
import { StreamRelay, type RelayOptions } from '../../../../src/kit/worker/outbox/relay.js';
import { defaultRelayRules } from '../../../../src/kit/worker/outbox/rules.js';
import { Wake } from '../../../../src/kit/worker/outbox/wake.js';
import { producerTables } from '../../../chaos/messages/business.js';
import { outboxOf, OutboxStage } from '../../database/outbox/stage.js';

/** What one client does: transactions, each of which adds numbers to keys, and is committed or not. */
const transactions = fc.array(
  fc.record({
    keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 2 }),
    each: fc.integer({ min: 1, max: 3 }),
    commits: fc.boolean(),
    /** Turns of the event loop between its statements. */
    turns: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 4 },
);

const worlds = fc.record({
  clients: fc.array(transactions, { minLength: 1, maxLength: 4 }),
  /** What the sink does, delivery by delivery; then it takes everything. */
  sink: fc.array(fc.constantFrom('take', 'take', 'fail', 'take and fail', 'unavailable', 'hang'), { maxLength: 30 }),
  takesMany: fc.boolean(),
  batch: fc.integer({ min: 1, max: 8 }),
  /** After so many deliveries the relay is replaced, its database silent from one moment to the next. */
  dies: fc.array(fc.integer({ min: 1, max: 15 }), { maxLength: 3 }),
  /** Dead letters occur: a person sends them again. */
  windowMs: fc.constantFrom(0, 3_600_000),
  /** The person has what fails tried at once, too, whether it is on its way or not. */
  isImpatient: fc.boolean(),
  /** Payloads that are read at a time: one of each key, at the least. */
  bytes: fc.constantFrom(1, 10, 8_000_000),
});

describe('outbox and relay', function () {
  this.timeout(300_000);
  const stage = new OutboxStage();
  const outbox = outboxOf();
  before(() => stage.pool.query(producerTables));

  it('deliver every number of a key that was committed, and nothing else, the first time in order, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        await stage.pool.query('truncate sent, backstitch.outbox, backstitch.outbox_lanes, backstitch.outbox_parked');
        const first: Message[] = [];
        const ids = new Set<string>();
        let deliveries = 0;
        const steps = [...world.sink];
        const take = (message: Message) => {
          if (!ids.has(message.id)) first.push(message);
          ids.add(message.id);
        };
        const deliver = async (message: Message, signal: AbortSignal) => {
          deliveries++;
          switch (steps.shift()) {
            case 'fail':
              throw new Error('refused');
            case 'take and fail':
              take(message);
              throw new Error('the answer was lost');
            case 'unavailable':
              throw new SinkUnavailable('nothing can be taken');
            case 'hang':
              await new Promise((_, reject) => {
                signal.addEventListener('abort', () => {
                  reject(new Error('given up'));
                });
              });
              return;
            default:
              await Promise.resolve();
              take(message);
          }
        };
        const deliverAll = async (messages: readonly Message[], signal: AbortSignal) => {
          const failed = new Set<string>();
          const became: (Error | undefined)[] = [];
          for (const message of messages) {
            try {
              if (failed.has(message.key ?? '')) throw new HeldUp();
              await deliver(message, signal);
              became.push(undefined);
            } catch (error) {
              if (error instanceof SinkUnavailable) throw error;
              failed.add(message.key ?? '');
              became.push(error as Error);
            }
          }
          return became;
        };

        const startOne = () => {
          const over = new AbortController();
          const wake = new Wake();
          let isDead = false;
          const { run } = stage.db;
          // A process that died asks nothing more.
          const silent = <T>(ask: () => Promise<T>) => (isDead ? new Promise<T>(() => undefined) : ask());
          const database = {
            run: (...args: Parameters<typeof run>) => silent(() => run(...args)),
            transaction: (work, ms) => silent(() => stage.db.transaction(work, ms)),
          } as Database;
          const leave = new Listeners().join(stage.db, 'shop/all/0', wake);
          const options: RelayOptions = {
            ...{
              store: streamStore(database, outbox, { name: 'shop/all/0' }),
              wake,
              owner: 'test',
              signal: over.signal,
            },
            ...{ forMs: 3_600_000, onTrouble: () => Promise.resolve() },
            sink: { deliver, ...(world.takesMany && { deliverAll }) },
            rules: {
              ...defaultRelayRules,
              ...{ batch: world.batch, batches: 2, single: 3, bytes: world.bytes, windowMs: world.windowMs },
              ...{ deliverMs: 20, backoffMs: 1, mostBackoffMs: 3, pollMs: 5 },
            },
          };
          // As its workflow does: what a dead one has asked last may come late, and take its place.
          const ended = (async () => {
            while ((await new StreamRelay(options).run()).end === 'replaced');
          })();
          ended.catch(() => undefined);
          return {
            async end(dies: boolean) {
              isDead = dies;
              over.abort();
              leave();
              // What a dead one waits for never comes.
              if (!dies) await ended;
            },
          };
        };

        let relay = startOne();
        const work = Promise.all(
          world.clients.map(async (list, client) => {
            for (const { keys, each, commits, turns } of list) {
              await stage.db
                .transaction(async (sql) => {
                  // Rows in one order, as keys are.
                  for (const key of keys.toSorted()) {
                    for (let n = 0; n < each; n++) {
                      const [row] = await sql<{ last: number }>(
                        'insert into sent as s (key, last) values ($1, 1) on conflict (key) do update set last = s.last + 1 returning last',
                        [key],
                      );
                      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
                      await outbox.add(sql, {
                        topic: 'n',
                        key,
                        payload: row?.last,
                        id: `${key}-${row?.last}-${client}`,
                      });
                    }
                  }
                  if (!commits) throw new Error('rolled back');
                })
                .catch((error: unknown) => {
                  if ((error as Error).message !== 'rolled back') throw error;
                });
            }
          }),
        );
        for (const after of world.dies) {
          const until = deliveries + after;
          while (deliveries < until && (await isBusy())) await resend(world.isImpatient);
          await relay.end(true);
          relay = startOne();
        }
        await work;
        while (await isBusy()) await resend(world.isImpatient);
        await relay.end(false);

        const { rows } = await stage.pool.query<{ key: string; last: number }>(
          'select key, last from sent order by key',
        );
        const found = new Map<string, unknown[]>(rows.map(({ key }) => [key, []]));
        for (const { key = '', payload } of first) found.get(key)?.push(payload);
        for (const { key, last } of rows) {
          assert.deepEqual(
            found.get(key),
            Array.from({ length: last }, (_, n) => n + 1),
            key,
          );
        }
        assert.equal(
          first.length,
          rows.reduce((sum, { last }) => sum + last, 0),
        );
      }),
      { numRuns: 140, timeout: 30_000 },
    );

    async function resend(all: boolean): Promise<void> {
      const { letters } = await listLetters(stage.db, { all });
      for (const letter of letters) {
        await decideLetter(stage.db, { ...letter, all, action: 'resend', actor: 'test', reason: 'a property' });
      }
      await sleep(1);
    }
    async function isBusy(): Promise<boolean> {
      const counts = [await stage.count('outbox'), await stage.count('outbox_parked')];
      return counts.some((count) => count > 0);
    }
  });
});
