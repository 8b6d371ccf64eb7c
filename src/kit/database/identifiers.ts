/**
 * Names of a user's own tables and columns in the kit's statements. They are code, written by a developer, and never input: whatever is
 * not plainly a name is refused, so that a mistake does not become an injection.
 */

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

/** A column's name, quoted. @throws a TypeError for what is none */
export function columnName(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`'${name}' is no name of a column: letters, digits and _, 63 at most`);
  return `"${name}"`;
}

/** A table's name, quoted; with its schema, if it has one before a dot. @throws a TypeError for what is none */
export function tableName(name: string): string {
  const parts = name.split('.');
  if (parts.length > 2 || !parts.every((part) => NAME.test(part))) {
    throw new TypeError(
      `'${name}' is no name of a table: letters, digits and _, 63 at most, with a schema before a dot`,
    );
  }
  return parts.map((part) => `"${part}"`).join('.');
}

/** Values by the columns that they are for. */
export type Values = Readonly<Record<string, unknown>>;

/** `"a" = $n and "b" = $n+1`, for statements that find one row. @throws a TypeError without any column */
export function matches(key: Values, first: number): string {
  const columns = Object.keys(key);
  if (columns.length === 0) throw new TypeError('a key needs one column at least');
  return columns.map((column, place) => `${columnName(column)} = $${first + place}`).join(' and ');
}
