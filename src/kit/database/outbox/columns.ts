/** How the statements of an outbox tell what is in its columns. */

/** A time, or a span of it, in milliseconds. */
export const MS = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** A time as text, of which nothing is lost: to be compared with. */
export const EXACT = (column: string) => `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Of a payload, without reading it: as it is kept, where nobody has counted it. */
export const BYTES = (of: string) => `coalesce(${of}.bytes, pg_column_size(${of}.payload), 0)`;
