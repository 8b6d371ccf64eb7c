import type { Database } from '../../kit/database/index.js';

/** A row of a stream that is in the order of `order_id`. */
export interface OrderRow {
  order_id: string;
}

/** Rows that are held at a time. */
const PAGE = 1_000;

/**
 * Streams a statement's rows page by page, each page continuing after the last key of the one before, so that neither
 * side holds more than a page.
 *
 * @param text `$1` is the key to continue after, `$2` how many rows at most, then what else it needs; the rows are in the order of
 * `order_id`
 */
export async function* streamByOrder<Row extends OrderRow>(
  database: Database,
  text: string,
  ...more: readonly unknown[]
): AsyncGenerator<Row> {
  let after = '';
  for (;;) {
    const rows = await database.run<Row>(text, [after, PAGE, ...more]);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last.order_id;
  }
}
