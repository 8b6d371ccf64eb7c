import type { Message } from '../../messages/message.js';
import { toJson, fromJson } from '../guard/json.js';
import { countdown } from '../guard/limits.js';
import { Rejection } from '../rejection.js';
import type { Database, Sql, TransactionSql } from '../sql.js';
import { claimAll, storeRejection, type Claimant } from './claim.js';
import { incomingOf, nameOf } from './content.js';
import { BatchFailed, handleMany } from './many.js';
import { beginAfter, finish } from './statements.js';

/**
 * The inbox: a row in the consumer's own database, written in the SQL transaction of the work, that makes a message be handled
 * once, however often it comes.
 *
 * States of a message, for each consumer: unknown → applied, or rejected; rejected → applied, or rejected again, by a delivery
 * that its source began later: somebody has sent it again. Applied → forgotten, after its retention.
 *
 * Invariant: the work of a message is committed once or not at all; who delivers it hears that it is handled only when it is. Of
 * the messages of a key none is handled in order before the one that its source delivered before it.
 *
 * Who delivers a message twice at once meets itself on its row: the second waits until the first has ended, and reads its result.
 */
export interface Inbox {
  readonly consumer: string;
  readonly database: Database;
  /**
   * Handles a message once: its row, the work and the work's result are one SQL transaction.
   *
   * @param work runs in it, unless the message was handled before. What it returns is stored, as JSON: nothing costs least
   * @param signal aborted by whoever waits no longer: it is not begun then
   * @returns the work's result, or the stored one; none of what was handled in order so long ago that its row is forgotten
   * @throws {@link Poison} what came is no message; its id was handled with another content; or the work threw a
   * {@link Rejection}, now or before. That is stored: no delivery that is on its way by then can be applied any more. It is tried
   * again when its source sends it again, with a higher `attempt`
   * @throws {@link OutOfOrder} one of its key before it was not handled: later it will be
   * @throws what the work throws, or the database (a constraint that is violated, too: what it refers to may come with another
   * message): nothing has happened, but for a commit whose answer was lost; try again
   */
  handle<Result>(message: Message, work: (sql: Sql) => Promise<Result>, signal?: AbortSignal): Promise<Handled<Result>>;
  /**
   * Handles many in one SQL transaction, in their order: one commit for all. Where one fails it is left out and handled by itself
   * afterwards, as are those of its key after it; nobody else's work is held up by it.
   *
   * @param work gets each message; what it did for one may be taken back, and done again
   * @returns of each what came of it, in the same order: what {@link handle} returns or throws. After one that failed no later one of
   * the same key was handled: it is a {@link HeldUp}
   * @throws if the connection to the database was lost: nothing is known of any, try again
   */
  handleAll<Result>(
    messages: readonly Message[],
    work: (sql: Sql, message: Message) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<(Handled<Result> | Error)[]>;
  /**
   * In order, a message waits for the one before it of its key. From now on it waits for none up to this number of its source: for
   * a consumer that begins when its source has a past, or that lets its source's dead letters be.
   */
  beginAfter(source: string, seq: number): Promise<void>;
}

/** What came of a message. */
export interface Handled<Result> {
  readonly outcome: 'applied' | 'duplicate';
  readonly result: Result;
}

/** Options of {@link createInbox}. */
export interface InboxOptions {
  readonly database: Database;
  /** Who handles messages: each consumer in a database handles each message once. 1 to 100 characters. */
  readonly consumer: string;
  /**
   * `per-key`: the messages of one key are handled in the order in which their source delivers them, one after the other, by
   * however many processes. It costs a statement and a row for each key. Default: `any`, in the order in which they come
   */
  readonly order?: 'any' | 'per-key';
  /**
   * How long a message may take with its connection, in milliseconds, and all that are handled together. The SQL transaction
   * ends after 80 % of that, and waits for a lock for half as long. Default: 30,000
   */
  readonly timeoutMs?: number;
}

/** Makes the inbox of a consumer. The tables are made by `inboxMigrations`. @throws a RangeError for wrong options */
export function createInbox({ database, consumer, order = 'any', timeoutMs = 30_000 }: InboxOptions): Inbox {
  if (consumer.length < 1 || consumer.length > 100) {
    throw new RangeError(`the consumer '${consumer}' of an inbox must have 1 to 100 characters`);
  }
  if (!(timeoutMs >= 1))
    throw new RangeError(`timeoutMs of inbox '${consumer}' is ${timeoutMs}: it must be 1 at least`);
  const claimant: Claimant = { consumer, inOrder: order === 'per-key' };

  async function handle<Result>(message: Message, work: (sql: Sql) => Promise<Result>, signal?: AbortSignal) {
    const incoming = incomingOf(message);
    const leftMs = countdown(timeoutMs, nameOf(message));
    const inTransaction = async (sql: TransactionSql): Promise<Handled<Result>> => {
      signal?.throwIfAborted();
      const [claim] = await claimAll(sql, claimant, [incoming], leftMs());
      if (claim?.kind === 'refused') throw claim.error;
      if (claim?.kind === 'duplicate') return { outcome: 'duplicate', result: claim.result as Result };
      const [result] = await store(sql, consumer, [{ id: message.id, result: await work(sql) }]);
      return { outcome: 'applied', result: result as Result };
    };
    try {
      return await database.transaction(inTransaction, timeoutMs);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      const counts = await storeRejection(database.run, consumer, incoming, error, leftMs());
      if (counts.kind === 'duplicate') return { outcome: 'duplicate' as const, result: counts.result as Result };
      throw counts.kind === 'refused' ? counts.error : error;
    }
  }

  /** All in one transaction, or none: @throws BatchFailed that says whose fault it is, if it is any message's */
  async function together<Result>(
    messages: readonly Message[],
    work: (sql: Sql, message: Message) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Handled<Result>[]> {
    const incoming = messages.map((message, at) => blaming(at, () => incomingOf(message)));
    const leftMs = countdown(timeoutMs, `a batch of ${messages.length} messages`);
    return database.transaction(async (sql) => {
      signal?.throwIfAborted();
      const claims = await claimAll(sql, claimant, incoming, leftMs());
      const refused = claims.flatMap(({ kind }, at) => (kind === 'refused' ? [at] : []));
      if (refused.length > 0) throw new BatchFailed(refused);
      const results: { id: string; result: unknown }[] = [];
      for (const [at, message] of messages.entries()) {
        if (claims[at]?.kind !== 'claimed') continue;
        const result = await work(sql, message).catch((error: unknown) => {
          throw new BatchFailed([at], error);
        });
        results.push({ id: message.id, result });
      }
      const stored = (await store(sql, consumer, results)).values();
      return claims.map((claim): Handled<Result> =>
        claim.kind === 'duplicate'
          ? { outcome: 'duplicate', result: claim.result as Result }
          : { outcome: 'applied', result: stored.next().value as Result },
      );
    }, timeoutMs);
  }

  return {
    consumer,
    database,
    handle,
    handleAll: (messages, work, signal) =>
      handleMany(messages, {
        together: (some) => together(some, work, signal),
        alone: (message) => handle(message, (sql) => work(sql, message), signal),
      }),
    async beginAfter(source, seq) {
      await database.run(beginAfter, [consumer, source, seq]);
    },
  };
}

/** Stores results, as the last statement, and returns each as a later caller would read it. */
async function store(
  sql: TransactionSql,
  consumer: string,
  results: readonly { readonly id: string; readonly result: unknown }[],
): Promise<unknown[]> {
  const texts = results.map(({ id, result }) => ({ id, json: toJson(result) }));
  const given = texts.filter(({ json }) => json !== null);
  if (given.length > 0) {
    const list = given.map(({ id, json }) => `{"id":${JSON.stringify(id)},"result":${json ?? 'null'}}`).join();
    await (sql.commitWith ?? sql)(finish, [consumer, `[${list}]`]);
  }
  return texts.map(({ json }) => fromJson(json));
}

function blaming<T>(at: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new BatchFailed([at], error);
  }
}
