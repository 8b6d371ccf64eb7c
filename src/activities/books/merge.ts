import type { OrderRow } from './pages.js';

/** Streams by name, each in the order of `order_id`, with at most one row an order. */
type Streams = Readonly<Record<string, AsyncIterable<OrderRow>>>;
type RowOf<Stream> = Stream extends AsyncIterable<infer Row> ? Row : never;
/** What all streams have of one order. */
export type Merged<Source extends Streams> = { readonly [Name in keyof Source]?: RowOf<Source[Name]> };

/** A stream with its next row. */
interface Head {
  readonly name: string;
  readonly iterator: AsyncIterator<OrderRow>;
  row: OrderRow | undefined;
}

/**
 * Joins the streams by order: yields once for each order that any of them has. Holds one row a stream.
 *
 * Keys are compared as PostgreSQL's collation "C" does for ASCII, which is all that an order id can be.
 */
export async function* mergeByOrder<Source extends Streams>(
  streams: Source,
): AsyncGenerator<{ orderId: string; rows: Merged<Source> }> {
  const heads: Head[] = Object.entries(streams).map(([name, stream]) => {
    return { name, iterator: stream[Symbol.asyncIterator](), row: undefined };
  });
  for (const head of heads) await advance(head);
  for (let orderId = lowest(heads); orderId !== undefined; orderId = lowest(heads)) {
    const rows: Record<string, OrderRow> = {};
    for (const head of heads) {
      if (head.row?.order_id !== orderId) continue;
      rows[head.name] = head.row;
      await advance(head);
    }
    yield { orderId, rows: rows as Merged<Source> };
  }
}

async function advance(head: Head): Promise<void> {
  const next = await head.iterator.next();
  head.row = next.done === true ? undefined : next.value;
}

function lowest(heads: readonly Head[]): string | undefined {
  let low: string | undefined;
  for (const { row } of heads) if (row && (low === undefined || row.order_id < low)) low = row.order_id;
  return low;
}
