import { Context } from '@temporalio/activity';
import { messageOf } from '../../database/message.js';
import { growingTables } from '../../database/needed.js';
import type { Database } from '../../database/sql.js';
import { FORGET_ATTEMPTS, type ForgetActivities, type ForgottenPart } from '../../workflow/forget.js';
import { READ_MS } from '../limited.js';
import { within } from '../../database/within.js';
import type { WatchedOutbox } from '../outbox/undelivered.js';
import { kitForgetters, type Forgetter } from './forgetters.js';
import { asking, neededMessages, neededTransactions, type Known, type Needs } from './needed.js';

/** Options of {@link forgetActivities}. */
export interface ForgetOptions {
  /** Every database in which the kit has tables, by its name: what one of them needs another does not forget. */
  readonly databases: Readonly<Record<string, Database>>;
  /** The operations database: its log. It need not be there. Default: none */
  readonly operations?: Database;
  /** Of those databases: for how long each keeps what it has delivered. Default: none, and their relays see to that */
  readonly outboxes?: readonly WatchedOutbox[];
  /** Tables of one's own. Default: none */
  readonly own?: readonly Forgetter[];
  /** What needs transactions for reasons of one's own, such as a hold that is not released, by a name for people. Default: none */
  readonly needs?: Readonly<Record<string, Needs>>;
}

/** A pause after each batch as long as that took: half of the time is for the others. At least, and at most, in milliseconds. */
const LEAST_PAUSE_MS = 10;
const MOST_PAUSE_MS = 2_000;
const OPERATIONS = 'operations';

/** The activities of `forgetOld`, for a worker. */
export function forgetActivities(options: ForgetOptions): ForgetActivities {
  const { databases, operations, outboxes = [], own = [], needs = {} } = options;
  const all: ForgetOptions['databases'] = {
    ...databases,
    ...(operations !== undefined && { [OPERATIONS]: operations }),
  };

  const look = async (name: string, database: Database): Promise<Known> => {
    return { name, database, tables: await within(READ_MS, growingTables(database)) };
  };
  const keepDaysOf = (database: Database): number | undefined => {
    const days = outboxes.filter((each) => each.database === database).map(({ outbox }) => outbox.keepDays);
    return days.length === 0 ? undefined : Math.max(...days);
  };
  const forgettersOf = ({ name, database, tables }: Known): Forgetter[] => [
    ...kitForgetters(name, database, tables, keepDaysOf(database)),
    ...own.filter((each) => each.database === name),
  ];
  /** Those that may know of what is needed: all but where only a log is kept. */
  const knowers = () =>
    Promise.all(Object.entries(databases).map(([name, database]) => asking(name, look(name, database))));

  return {
    'backstitch.forgettable': async () => {
      const looked = await Promise.allSettled(Object.entries(all).map(([name, database]) => look(name, database)));
      const names = Object.keys(all);
      return {
        parts: looked.flatMap((each) =>
          each.status === 'fulfilled'
            ? forgettersOf(each.value).map(({ database, table }) => ({ database, table }))
            : [],
        ),
        unread: looked.flatMap((each, place) =>
          each.status === 'rejected' ? [{ database: names[place] ?? '', message: messageOf(each.reason) }] : [],
        ),
      };
    },

    'backstitch.forget': async ({ database: name, table, days, forMs }): Promise<ForgottenPart> => {
      const context = Context.current();
      const { client, cancellationSignal: signal, info } = context;
      const until = Date.now() + forMs;
      let removed = typeof info.heartbeatDetails === 'number' ? info.heartbeatDetails : 0;
      let [kept, isOver] = [0, false];
      const beat = () => {
        signal.throwIfAborted();
        context.heartbeat(removed);
      };
      const part = { database: name, table };
      let olderThanDays = days ?? 0;
      try {
        const database = all[name];
        const found = database && forgettersOf(await look(name, database)).find((each) => each.table === table);
        if (found === undefined) throw new Error(`this worker has no '${table}' of a database '${name}'`);
        olderThanDays = days ?? found.days;
        const asked =
          found.of === undefined
            ? undefined
            : found.of === 'messages'
              ? await neededMessages(await knowers(), olderThanDays)
              : await neededTransactions(client, await knowers(), needs, olderThanDays);
        beat();
        let [counted, began] = [0, Date.now()];
        const total = await found.forget({
          olderThanDays,
          ...(asked && {
            keep: async (ids) => {
              beat();
              const needed = await asked(ids);
              kept += needed.length;
              beat();
              return needed;
            },
          }),
          onBatch: async (batch) => {
            removed += batch;
            counted += batch;
            beat();
            isOver = Date.now() >= until;
            if (isOver) return false;
            const pauseMs = Math.min(Math.max(Date.now() - began, LEAST_PAUSE_MS), MOST_PAUSE_MS);
            await context.sleep(pauseMs);
            began = Date.now();
            return true;
          },
        });
        removed += total - counted;
        return { ...part, days: olderThanDays, removed, kept, finished: !isOver };
      } catch (error) {
        signal.throwIfAborted();
        // Another attempt goes on with what is left, and tells what this one did. What makes no sense makes none then, either.
        if (info.attempt < FORGET_ATTEMPTS && !(error instanceof RangeError)) {
          context.heartbeat(removed);
          throw error;
        }
        return { ...part, days: olderThanDays, removed, kept, finished: false, failure: messageOf(error) };
      }
    },
  };
}
