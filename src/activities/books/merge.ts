import type { OrderRow } from './pages.js';

/** Streams by name, each in the order of `order_id`, with at most one row an order. */
type Streams = Readonly<Record<string, AsyncIterable<OrderRow>>>;
type RowOf<Stream> = Stream extends AsyncIterable<infer Row> ? Row : never;
/** What all streams have of one order. */
export type Merged<Source extends Streams> = { readonly [Name in keyof Source]?: RowOf<Source[Name]> };

/**
 * Joins the streams by order: yields once for each order that any of them has. Holds one row a stream.
 *
 * Keys are compared as PostgreSQL's collation "C" does for ASCII, which is all that an order id can be.
 */
export async function* mergeByOrder<Source extends Streams>(
  streams: Source,
): AsyncGenerator<{ orderId: string; rows: Merged<Source> }> {
  const heads: { name: string; iterator: AsyncIterator<OrderRow>; row: OrderRow }[] = [];
  for (const [name, stream] of Object.entries(streams)) {
    const iterator = stream[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done !== true) heads.push({ name, iterator, row: first.value });
  }
  while (heads.length > 0) {
    let orderId: string | undefined;
    for (const { row } of heads) if (orderId === undefined || row.order_id < orderId) orderId = row.order_id;
    const rows: Record<string, OrderRow> = {};
    for (const head of [...heads]) {
      if (head.row.order_id !== orderId) continue;
      rows[head.name] = head.row;
      const next = await head.iterator.next();
      if (next.done === true) heads.splice(heads.indexOf(head), 1);
      else head.row = next.value;
    }
    yield { orderId: orderId as string, rows: rows as Merged<Source> };
  }
}
