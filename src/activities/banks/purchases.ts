import {
  BOOK_BOUGHT,
  bookBoughtSchema,
  buySchema,
  MAX_MISSED,
  merchantAccount,
  purchaseGid,
  purchaseId,
  purchaseSides,
  type BookBought,
  type Buy,
  type MissedPurchases,
  type Purchase,
  type PurchaseSide,
  type PurchaseState,
} from '../../contracts/bookstore.js';
import { bankNames, type BankName } from '../../contracts/transfer.js';
import {
  createInbox,
  inboxSink,
  listLetters,
  NotYet,
  type Database,
  type Guard,
  type Message,
  type Sql,
} from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import type { Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { safeInteger } from '../integers.js';
import { answerOf } from './answer.js';
import { isBarred } from './barred.js';
import { bankOutbox } from './messages.js';
import { acknowledge, countMissed, givenUp, missed, PURCHASE, RECORD } from './purchases-sql.js';
import { refusal, type FoundAccount } from './refusal.js';
import { CREDIT, DEBIT } from './sql.js';

/**
 * Purchases, at the customer's bank: it debits the account, and in the same transaction writes one row and adds one message, which goes
 * to the warehouse and to the merchant at once, and to each of them again until it has acknowledged it.
 *
 * States of a purchase, for each of the two sides: in progress → done, once; or in progress → given up, once, by a person. It is done when
 * both are; its debit is from the beginning.
 *
 * Invariant: there is a row if the account was debited, and not if it was not. A side is done only after it has done its part, in its
 * own database; a part that is done and not acknowledged is found done when the message comes again, and acknowledged then. A side that is
 * given up has not done its part, and never will: its inbox refuses the message.
 *
 * Nothing is given back by a program: what a side cannot do yet it does one day, and what it refuses waits for a person.
 */
export function createBuying({ name, guard }: { name: BankName; guard: Guard }) {
  const outbox = bankOutbox(name);
  /** Debits a customer's account for copies of a book, and tells the others. Rejections as of `debit`. */
  const buy = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { account, cents: amount, ...bought } = validInput(buySchema, input);
        const { gid, branch } = operation;
        const [found] = await sql<FoundAccount & { done: boolean }>(DEBIT, [gid, branch, account, amount]);
        if (found?.done !== true) throw refusal({ name, gid, account, amount, kind: 'debit' }, found);
        await sql(RECORD, [gid, account, bought.book, bought.copies, amount]);
        // It has no key: what is out of stock for one holds up nobody else.
        await outbox.add(sql, contentOf({ gid, cents: amount, ...bought }));
        return { debited: amount };
      }),
  } satisfies Forward<Buy, { debited: number }>;
  return { buy };
}

function contentOf(payload: BookBought) {
  return { id: payload.gid, topic: BOOK_BOUGHT, payload };
}

/** A sink that takes one message or many: a side's inbox. */
export type InboxSink = ReturnType<typeof inboxSink>;

/** The merchant's sink: a message is credited to its account, once. While that is not open yet it waits. */
export function merchantSink(database: Database): InboxSink {
  const { bank: name, account } = merchantAccount;
  const inbox = createInbox({ database, consumer: 'merchant' });
  const credit = async (sql: Sql, { payload }: Message) => {
    const { gid, cents: amount } = validInput(bookBoughtSchema, payload);
    const [found] = await sql<FoundAccount & { done: boolean }>(CREDIT, [gid, 'merchant', account, amount]);
    if (found?.done === true) return;
    if (found === undefined) throw new NotYet(`${name} has no account ${account} yet: bookstore open makes it`);
    throw refusal({ name, gid, account, amount, kind: 'credit' }, found);
  };
  return inboxSink({ inbox, handlers: { [BOOK_BOUGHT]: credit } });
}

/**
 * A side's sink as the customer's bank uses it: what it has delivered there it notes as done, in its own database.
 *
 * If it dies in between the message is delivered again: the side finds it handled, and it is noted then. A message that the side refuses as
 * a person has given it up is over, too: nobody has to be told of it.
 *
 * @param run asks the customer's bank
 */
export function acknowledging(side: PurchaseSide, sink: InboxSink, run: Sql): InboxSink {
  const note = async (messages: readonly Message[]) => {
    if (messages.length > 0) await run(acknowledge(side), [messages.map(({ id }) => id)]);
  };
  /** Which of them are given up: where that is not noted yet, a person has to ask for it again. */
  const over = async (messages: readonly Message[]): Promise<ReadonlySet<string>> => {
    if (messages.length === 0) return new Set();
    const rows = await run<{ gid: string }>(givenUp(side), [messages.map(({ id }) => id)]);
    return new Set(rows.map(({ gid }) => gid));
  };
  return {
    async deliver(message, signal) {
      try {
        await sink.deliver(message, signal);
      } catch (error) {
        if (!isBarred(error) || !(await over([message])).has(message.id)) throw error;
      }
      await note([message]);
    },
    async deliverAll(messages, signal) {
      const delivered = await sink.deliverAll(messages, signal);
      const barred = await over(messages.filter((_, place) => isBarred(delivered[place])));
      const became = delivered.map((error, place) => (barred.has(messages[place]?.id ?? '') ? undefined : error));
      await note(messages.filter((_, place) => became[place] === undefined));
      return became;
    },
  };
}

interface Row {
  readonly gid: string;
  readonly account: string;
  readonly book: string;
  readonly copies: number;
  readonly cents: string;
  readonly since: number;
}

/** Who has given up a side, and why. */
type Said = `${PurchaseSide}_${'by' | 'reason'}`;

function purchaseOf(bank: BankName, { gid, account, book, copies, cents }: Row) {
  return {
    ...{ id: purchaseId(gid), from: { bank, account }, book, copies },
    cents: safeInteger(cents, `the price of ${gid}`),
  };
}

type BankDatabases = Readonly<Record<BankName, Database>>;

/** A purchase, at whichever bank it was made; `null`: at none. @throws {@link BankSilent} if a bank that may have it does not answer */
export async function purchaseState(banks: BankDatabases, id: string): Promise<PurchaseState | null> {
  type Found = Row & Pick<PurchaseState, 'debit' | PurchaseSide> & Record<Said, string | null>;
  const asked = await Promise.allSettled(
    bankNames.map((bank) =>
      answerOf(bank, banks[bank], async ({ run }) => {
        const [row] = await run<Found>(PURCHASE, [purchaseGid(id)]);
        if (row === undefined) return null;
        const { debit, warehouse, merchant, since } = row;
        const open = purchaseSides.filter((side) => row[side] === 'in progress');
        const dead = await deadOf(bank, banks[bank], row.gid, open);
        const given = purchaseSides.flatMap((side) => {
          const [actor, reason] = [row[`${side}_by`], row[`${side}_reason`]];
          return actor === null || reason === null ? [] : [{ side, actor, reason }];
        });
        const states = { debit, warehouse, merchant, boughtAt: Math.floor(since), dead, givenUp: given };
        return { ...purchaseOf(bank, row), ...states };
      }),
    ),
  );
  for (const answer of asked) if (answer.status === 'fulfilled' && answer.value !== null) return answer.value;
  for (const answer of asked) if (answer.status === 'rejected') throw answer.reason;
  return null;
}

/** To which of these sides the message of a purchase is a dead letter. */
async function deadOf(
  bank: BankName,
  database: Database,
  gid: string,
  sides: readonly PurchaseSide[],
): Promise<PurchaseState['dead']> {
  if (sides.length === 0) return [];
  const streams = bankOutbox(bank).streams.filter(({ subscriber }) => sides.some((side) => side === subscriber));
  const { letters } = await listLetters(database, { id: gid, streams: streams.map(({ name }) => name) });
  return sides.flatMap((side) => {
    const { name } = streams.find(({ subscriber }) => subscriber === side) ?? {};
    return letters.filter(({ stream }) => stream === name).map(({ error }) => ({ side, message: error }));
  });
}

/** What a side has not acknowledged, the oldest of all banks. A bank that does not answer is named, and holds up nothing. */
export async function missedPurchases(banks: BankDatabases, side: PurchaseSide): Promise<MissedPurchases> {
  const asked = await Promise.allSettled(
    bankNames.map((bank) =>
      answerOf(bank, banks[bank], async ({ run }) => {
        const rows = await run<Row>(missed(side), ['-infinity', '', MAX_MISSED]);
        const [counted] = await run<{ count: number }>(countMissed(side));
        const purchases = rows.map((row) => ({ ...purchaseOf(bank, row), since: Math.floor(row.since) }));
        return { purchases, count: counted?.count ?? 0 };
      }),
    ),
  );
  const found = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  return {
    side,
    purchases: found
      .flatMap(({ purchases }) => purchases)
      .sort((one, other) => one.since - other.since)
      .slice(0, MAX_MISSED),
    total: found.reduce((sum, { count }) => sum + count, 0),
    unread: bankNames.flatMap((bank, place) => {
      const answer = asked[place];
      return answer?.status === 'rejected' ? [{ bank, message: messageOf(answer.reason) }] : [];
    }),
  };
}

/** Messages that are asked for in one go. */
const PAGE = 100;

/** The messages of a bank that a side has not acknowledged, page by page: the same as its relay delivers. */
export async function* missedMessages(name: BankName, run: Sql, side: PurchaseSide): AsyncGenerator<Message[]> {
  let after: unknown[] = ['-infinity', ''];
  for (;;) {
    const rows = await run<Row & { place: string }>(missed(side), [...after, PAGE]);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map((row) => messageOfPurchase(purchaseOf(name, row), Math.floor(row.since)));
    after = [last.place, last.gid];
  }
}

/** The message that tells of a purchase: the same as its bank's relay delivers. */
export function messageOfPurchase({ id, from, book, copies, cents }: Purchase, addedAt: number): Message {
  const content = contentOf({ gid: purchaseGid(id), book, copies, cents });
  // It has no key, so that nobody asks for its number.
  return { ...content, source: from.bank, seq: 0, addedAt, attempt: 1 };
}
