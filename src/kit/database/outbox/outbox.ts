import { createHash, randomUUID } from 'node:crypto';
import { isStorable } from '../../workflow/carried.js';
import type { Sql } from '../sql.js';
import { add, addLater } from './add-statements.js';
import { payloadJson } from './payload.js';
import { removeLater } from './remove.js';
import { streamName, subscribersOf, type Subscribers } from './subscribers.js';

/**
 * The outbox: messages that are written in the SQL transaction of the work that they tell of, and are delivered after it.
 *
 * States of a message, for each subscriber: added (with its transaction) → ready → delivered, and gone. Ready → parked, when it
 * could not be delivered, or when one of its key before it is parked; parked → delivered; parked → dead, when it was tried for
 * its time window; dead → parked again (resent), or gone (discarded), by a person. Added to be delivered later → parked.
 *
 * Invariant: what was added by a transaction that committed is delivered, at least once, or is a dead letter that a person can see;
 * nothing is delivered of one that did not commit. A subscriber gets the messages of one key in the order of their transactions'
 * commits, and none of a key behind a message of it that was not delivered.
 *
 * A sequence is not the order of commits: who took its number first may commit last. So the relay has no cursor, it reads what is
 * there; and of two messages of one key the second takes its number only when the first one's transaction has ended, as each holds
 * a lock of its key until then.
 */
export interface Outbox {
  readonly name: string;
  /** What its relays deliver: for each subscriber a stream for each partition. */
  readonly streams: readonly Stream[];
  /** For how many days what was delivered is kept; 0: not at all. */
  readonly keepDays: number;
  /**
   * Adds a message in the caller's SQL transaction: it is delivered when that is committed, and not at all if it is not.
   *
   * It waits for other transactions that have added a message of the same key and are not yet committed: who adds several keys in
   * one transaction does so by one {@link addAll}, which takes them in one order, so that no two wait for each other.
   *
   * @returns its id
   * @throws a TypeError that names what is wrong with the message: nothing is added, and nobody takes its topic, say
   */
  add(sql: Sql, message: NewMessage): Promise<string>;
  /** Adds several, in their order, by one statement. @returns their ids */
  addAll(sql: Sql, messages: readonly NewMessage[]): Promise<string[]>;
  /**
   * Takes back a message that was added to be delivered later ({@link NewMessage.deliverAfter}), by its id, in the caller's SQL transaction.
   *
   * True: it was not due yet. When that transaction is committed it is gone, and none of its subscribers gets it, ever; if it is rolled back
   * it is as if nobody had asked. Until then it is not delivered, even if it becomes due: end the transaction soon.
   *
   * False: nothing was done. It is due (it is on its way, was delivered, or fails), was removed before, or was not added to be delivered
   * later: whoever handles it has to bear that it comes. Of several with one id all are removed, or none, if one of them is due.
   *
   * @param sql a transaction at READ COMMITTED: not statements by themselves
   * @returns whether it was still there
   */
  remove(sql: Sql, id: string): Promise<boolean>;
}

/** A message to be sent. */
export interface NewMessage {
  /** What it is about, such as `order.completed`: 1 to 200 characters. */
  readonly topic: string;
  /** Messages of one key are delivered in order: 1 to 200 characters. Default: none, it is delivered in any order. */
  readonly key?: string;
  /** Anything that JSON carries, up to 1,000,000 bytes of it. */
  readonly payload?: unknown;
  /**
   * What makes it one message: whoever adds the same fact again gives the same id, and it is handled once. Default: a new one.
   * 1 to 200 characters
   */
  readonly id?: string;
  /**
   * Not to be delivered before this time, in milliseconds since 1970, by the database's clock. It then comes when it is due, outside
   * its key's order.
   */
  readonly deliverAfter?: number;
}

/** Options of {@link createOutbox}. */
export interface OutboxOptions {
  /** Its name, by which its messages tell where they come from: such as that of the service. 1 to 60 of a-z, 0-9, `-` and `_`. */
  readonly name: string;
  /** Who gets what: each subscriber by name, with the topics that it takes, or `'*'`. Each has its own progress. Default: `{ all: '*' }`. */
  readonly subscribers?: Subscribers;
  /**
   * Relays that share a subscriber's messages, by their keys: 1 to 64; default: 1. Change it only while nothing waits: a key may
   * come to another relay, which does not wait for the first.
   */
  readonly partitions?: number;
  /** For how many days what was delivered is kept, for whoever asks later; 0: not at all. Default: 7. */
  readonly keepDays?: number;
}

/** What one relay delivers: a subscriber's messages, or a part of them by their keys. */
export interface Stream {
  readonly name: string;
  readonly subscriber: string;
  readonly partition: number;
}

/** Makes the outbox of one database. The tables are made by `outboxMigrations`. @throws a RangeError for wrong options */
export function createOutbox({
  name,
  subscribers = { all: '*' },
  partitions = 1,
  keepDays = 7,
}: OutboxOptions): Outbox {
  check('name', name, /^[a-z0-9_-]{1,60}$/.test(name), '1 to 60 of a-z, 0-9, - and _');
  check('partitions', partitions, isWhole(partitions, 1, 64), 'a whole number from 1 to 64');
  check('keepDays', keepDays, isWhole(keepDays, 0, 3_650), 'a whole number of days from 0 to 3650');
  const takers = subscribersOf(name, subscribers);

  const addAll = async (sql: Sql, messages: readonly NewMessage[]): Promise<string[]> => {
    const rows = messages.map((message) => ({ ...checked(message), takers: takers(message.topic) }));
    const now: Columns = [[], [], [], [], [], []];
    const later: [...Columns, number[]] = [[], [], [], [], [], [], []];
    rows.forEach(({ id, topic, key, json, deliverAfter, takers }, place) => {
      const partition = partitions === 1 ? 0 : numberOf(key ?? id) % partitions;
      for (const subscriber of takers) {
        const values = [streamName(name, subscriber, partition), id, topic, key, json, String(place)] as const;
        const columns = deliverAfter === undefined ? now : later;
        values.forEach((value, column) => columns[column]?.push(value as never));
        if (deliverAfter !== undefined) later[6].push(deliverAfter);
      }
    });
    if (now[0].length > 0) await sql(add, now);
    if (later[0].length > 0) await sql(addLater, later);
    return rows.map(({ id }) => id);
  };

  return {
    name,
    keepDays,
    streams: Object.keys(subscribers).flatMap((subscriber) =>
      Array.from({ length: partitions }, (_, partition) => ({
        name: streamName(name, subscriber, partition),
        subscriber,
        partition,
      })),
    ),
    addAll,
    async add(sql, message) {
      const [id = ''] = await addAll(sql, [message]);
      return id;
    },
    remove: (sql, id) => removeLater(sql, name, id),
  };
}

/** Streams, ids, topics, keys, payloads, and the places of the messages. */
type Columns = [string[], string[], string[], (string | null)[], (string | null)[], string[]];

function checked({ topic, key, payload, id = randomUUID(), deliverAfter }: NewMessage) {
  for (const [field, text] of Object.entries({ topic, id, ...(key !== undefined && { key }) })) {
    const isText =
      typeof text === 'string' && text.length >= 1 && text.length <= 200 && isStorable(JSON.stringify(text));
    if (!isText) throw new TypeError(`a message's ${field} is ${JSON.stringify(text)}: it must be 1 to 200 characters`);
  }
  if (deliverAfter !== undefined && !isWhole(deliverAfter, 0, 8.64e15)) {
    throw new TypeError(
      `deliverAfter of message ${id} is ${String(deliverAfter)}: it must be milliseconds since 1970, a whole number`,
    );
  }
  return { topic, key: key ?? null, id, deliverAfter, json: payloadJson(`message ${id} of topic '${topic}'`, payload) };
}

/** The same for the same text, for ever: a key stays where it is. */
function numberOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE();
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

function check(option: string, value: unknown, isRight: boolean, rule: string): void {
  if (!isRight) throw new RangeError(`${option} of an outbox is ${JSON.stringify(value)}: it must be ${rule}`);
}
