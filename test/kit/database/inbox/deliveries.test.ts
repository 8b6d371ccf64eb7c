import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  createInbox,
  HeldUp,
  OutOfOrder,
  type Database,
  type Message,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { isConnectionLost } from '../../../../src/kit/database/sqlstate.js';
import { chain, idsOf, message, note, nth, Stage } from './support.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 60);

/** One delivery of some messages, by a process that may die in it. */
interface Delivery {
  /** Which messages: more than one go together. */
  readonly picks: readonly number[];
  /** Before which statement of each transaction its connection is cut; undefined: it lives. */
  readonly dies: number | undefined;
  /** The commit happens, and its answer is lost. */
  readonly isDeaf: boolean;
}

describe('the inbox, under any deliveries', function () {
  this.timeout(600_000);
  const stage = new Stage();

  /** A database whose connection is cut as the delivery says. */
  const cut = ({ dies, isDeaf }: Delivery): Database => ({
    ...stage.db,
    transaction: async (work, timeoutMs) => {
      let statements = 0;
      const cutting =
        (run: Sql): Sql =>
        (text, values) =>
          statements++ === dies ? run('select pg_terminate_backend(pg_backend_pid())') : run(text, values);
      const result = await stage.db.transaction((sql) => {
        const { commitWith } = sql;
        return work(Object.assign(cutting(sql), commitWith && { commitWith: cutting(commitWith) }));
      }, timeoutMs);
      if (isDeaf) throw new Error('Connection terminated unexpectedly');
      return result;
    },
  });

  const delivery = fc.record<Delivery>({
    picks: fc.array(fc.nat({ max: 13 }), { minLength: 1, maxLength: 6 }),
    dies: fc.option(fc.nat({ max: 8 }), { nil: undefined }),
    isDeaf: fc.boolean(),
  });
  /** Processes that run at once, and what each delivers, one after the other. */
  const processes = fc.array(fc.array(delivery, { maxLength: 6 }), { minLength: 1, maxLength: 4 });

  for (const order of ['any', 'per-key'] as const)
    it(`handles each message exactly once${order === 'any' ? '' : ', in order per key'}`, async () => {
      await fc.assert(
        fc.asyncProperty(processes, async (all) => {
          const { consumer } = stage.inbox();
          const keys = [chain(5), chain(4), chain(2)];
          const messages = [...keys.flat(), message(), message(), message()];
          const inboxOf = (database: Database) => createInbox({ database, consumer, order, timeoutMs: 20_000 });
          const results = new Map<string, unknown>();
          let works = 0;
          const work = async (sql: Sql, each: Message) => {
            await note(sql, each);
            return { work: ++works };
          };
          const heard = (each: Message, result: unknown) => {
            const before = results.get(each.id);
            if (before !== undefined) assert.deepEqual(result, before, 'two results of one message');
            results.set(each.id, result);
          };
          const mayFail = (error: unknown) => {
            const mayBe = isConnectionLost(error) || error instanceof OutOfOrder || error instanceof HeldUp;
            assert.ok(mayBe, String(error));
          };

          const run = async (deliveries: readonly Delivery[]) => {
            for (const each of deliveries) {
              const picked = each.picks.map((pick) => nth(messages, pick));
              const first = nth(picked, 0);
              const inbox = inboxOf(cut(each));
              try {
                if (picked.length === 1) {
                  heard(first, (await inbox.handle(first, (sql) => work(sql, first))).result);
                  continue;
                }
                (await inbox.handleAll(picked, work)).forEach((outcome, at) => {
                  if (outcome instanceof Error) mayFail(outcome);
                  else heard(nth(picked, at), outcome.result);
                });
              } catch (error) {
                if (error instanceof assert.AssertionError) throw error;
                mayFail(error);
              }
            }
          };
          await Promise.all(all.map(run));

          // Whoever delivers does so until it hears that it is done.
          const inbox = inboxOf(stage.db);
          for (const each of messages) heard(each, (await inbox.handle(each, (sql) => work(sql, each))).result);
          const effects = await stage.effects(messages);
          assert.deepEqual([...effects].sort(), idsOf(messages).sort(), 'each once');
          if (order === 'any') return;
          for (const key of keys) {
            const own = new Set(idsOf(key));
            assert.deepEqual(
              effects.filter((id) => own.has(id)),
              idsOf(key),
            );
          }
        }),
        { numRuns: RUNS },
      );
    });
});
