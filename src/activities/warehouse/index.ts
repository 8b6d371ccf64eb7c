import {
  BOOK_BOUGHT,
  bookBoughtSchema,
  deliverBookSchema,
  restockSchema,
  type DeliverBook,
  type Restock,
} from '../../contracts/bookstore.js';
import {
  createInbox,
  inboxSink,
  NotYet,
  Rejection,
  type Database,
  type Delivered,
  type Message,
  type Sql,
} from '../../kit/database/index.js';
import { validInput } from '../input.js';
import { DELIVER_MISSING, LOCK_BOOK, RESTOCK, RESTOCKED, TAKE } from './sql.js';

/**
 * The warehouse: it takes the copies of a purchase from its stock and makes a parcel of them, once, when a message tells it of the
 * purchase.
 *
 * Invariant: copies in stock and in parcels are those that were delivered. Out of stock is no refusal: the purchase waits, and is
 * tried again until copies come.
 */

/** Where messages of purchases go: into the warehouse's inbox, in any order. */
export function warehouseSink(database: Database): ReturnType<typeof inboxSink> {
  const inbox = createInbox({ database, consumer: 'warehouse' });
  const take = async (sql: Sql, { payload }: Message) => {
    const { gid, book, copies } = validInput(bookBoughtSchema, payload);
    const [shelf] = await sql<{ left: string; done: boolean }>(TAKE, [gid, book, copies]);
    if (shelf?.done === true) return;
    throw new NotYet(`${gid} wants ${copies} of ${book}, the warehouse has ${shelf?.left ?? 'never had any'}`);
  };
  const sink = inboxSink({ inbox, handlers: { [BOOK_BOUGHT]: take } });
  return {
    ...sink,
    // The same order for all: batches of several banks go side by side, and each locks the row of each of its books until it ends.
    async deliverAll(messages, signal) {
      const sorted = [...messages.entries()].toSorted(([, one], [, other]) => compare(bookOf(one), bookOf(other)));
      const became = await sink.deliverAll(
        sorted.map(([, message]) => message),
        signal,
      );
      const inTheirOrder = new Array<Delivered>(messages.length);
      sorted.forEach(([place], index) => (inTheirOrder[place] = became[index]));
      return inTheirOrder;
    },
  };
}

/** What a message is about; nothing where it is not understood, as nothing is locked for it then. */
function bookOf({ payload }: Message): string {
  return bookBoughtSchema.safeParse(payload).data?.book ?? '';
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * Delivers books until so many copies were delivered in all since the warehouse opened. Idempotent because it names the total: a
 * lower one changes nothing.
 */
export async function deliverBook(database: Database, input: DeliverBook): Promise<void> {
  const { book, copies } = validInput(deliverBookSchema, input);
  await database.transaction(async (sql) => {
    await sql(LOCK_BOOK, [book]);
    // A statement of its own: its snapshot is taken under the lock, so it sees every delivery before it.
    await sql(DELIVER_MISSING, [book, copies]);
  });
}

/**
 * Delivers more copies, once under one id.
 *
 * @throws a {@link Rejection} `RestockConflict` where something else was delivered under that id
 */
export async function restockBook(database: Database, input: Restock): Promise<void> {
  const { id, book, copies } = validInput(restockSchema, input);
  await database.transaction(async (sql) => {
    await sql(LOCK_BOOK, [book]);
    await sql(RESTOCK, [id, book, copies]);
    const [restocked] = await sql<{ book: string; copies: number }>(RESTOCKED, [id]);
    if (restocked?.book === book && restocked.copies === copies) return;
    const other = `${restocked?.copies ?? 0} of ${restocked?.book ?? 'nothing'}`;
    throw new Rejection('RestockConflict', `under the id ${id} the warehouse was delivered ${other}: give another id`);
  });
}
