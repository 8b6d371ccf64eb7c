import { open, stat } from 'node:fs/promises';
import { parse as parseCsv } from 'csv-parse/sync';
import { parserOf, InvalidInput, type InputIssue } from '../kit/client/index.js';
import { placeOrderSchema, type PlaceOrder } from '../contracts/place-order.js';

/**
 * A file of orders is checked whole before anyone gets an order of it: every line that is wrong is told, with its
 * number. Fields may be quoted, lines may end in LF or CRLF; no field holds a line break, so that one bad line never
 * spoils the next.
 */

/** The first line of a file of orders. */
export const ORDERS_HEADER = 'order_id,customer_id,ordered_on,units,amount_cents';

const columns = ORDERS_HEADER.split(',');
/** Far more than any line needs. */
const MAX_LINE = 10_000;
/** Wrong lines that are told one by one. */
const MAX_TOLD = 100;

/** The contract's name for a column, and back. */
const columnOf: Readonly<Record<string, string>> = {
  orderId: 'order_id',
  customerId: 'customer_id',
  units: 'units',
  amount: 'amount_cents',
};

/** One thing that is wrong with a line. */
export interface LineIssue extends InputIssue {
  /** 1 for the header; 0 for the file as a whole. */
  readonly line: number;
}

/** The file cannot be used: nothing was started. The message has a line for each wrong line, the first 100 of them. */
export class InvalidOrdersFile extends Error {
  readonly file: string;
  readonly issues: readonly LineIssue[];

  constructor(file: string, issues: readonly LineIssue[], orders?: number) {
    const lines = new Set(issues.map((issue) => issue.line)).size;
    const head = orders === undefined ? '' : `${file}: ${lines} of ${orders} orders are wrong; nothing was started\n`;
    const told = issues
      .slice(0, MAX_TOLD)
      .map((issue) => `${file}${issue.line > 0 ? `:${issue.line}` : ''}: ${describe(issue)}`);
    const rest = issues.length > MAX_TOLD ? `\n… and ${issues.length - MAX_TOLD} more` : '';
    super(`${head}${told.join('\n')}${rest}`);
    this.name = 'InvalidOrdersFile';
    this.file = file;
    this.issues = issues;
  }
}

function describe({ field, value, rule }: LineIssue): string {
  return [field, value === undefined ? '' : JSON.stringify(value), rule].filter(Boolean).join(': ');
}

/** What may be asked for all orders of a file. */
export interface OrdersFileOptions {
  readonly sequence?: PlaceOrder['sequence'];
  readonly announce?: boolean;
  /** Only the first so many. All of the file is checked nevertheless. */
  readonly limit?: number;
}

/**
 * Reads a file of orders: CSV in UTF-8 with the header {@link ORDERS_HEADER}.
 *
 * @throws {@link InvalidOrdersFile} with every line that is wrong
 */
export async function readOrders(file: string, options: OrdersFileOptions = {}): Promise<PlaceOrder[]> {
  const { limit = Infinity, sequence = 'pay-first', announce } = options;
  const all = { sequence, ...(announce === true && { announce }) };
  const orders: PlaceOrder[] = [];
  const issues: LineIssue[] = [];
  const seen = new Map<string, number>();
  let count = 0;
  let header = false;
  for await (const { text, line } of linesOf(file)) {
    if (!header) {
      checkHeader(file, text, line);
      header = true;
      continue;
    }
    if (text.trim() === '') continue;
    count += 1;
    try {
      const order = parseLine(text, all);
      const before = seen.get(order.orderId);
      if (before !== undefined) {
        issues.push({ line, field: 'order_id', value: order.orderId, rule: `line ${before} has it already` });
      } else seen.set(order.orderId, line);
      if (orders.length < limit) orders.push(order);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      issues.push(...error.issues.map((issue) => ({ line, ...issue })));
    }
  }
  if (!header) throw whole(file, 0, 'the file is empty', `the first line must be ${ORDERS_HEADER}`);
  if (issues.length > 0) throw new InvalidOrdersFile(file, issues, count);
  if (count === 0) throw whole(file, 0, 'the file has no orders', 'give at least one line after the header');
  return orders;
}

function checkHeader(file: string, text: string, line: number): void {
  const found = fieldsOf(text)?.map((field) => field.trim());
  if (found?.join(',') === ORDERS_HEADER) return;
  throw new InvalidOrdersFile(file, [
    { line, field: 'header', value: text.slice(0, 200), rule: `must be ${ORDERS_HEADER}` },
  ]);
}

const parseOrder = parserOf(placeOrderSchema);

/** One order of one line. @throws {@link InvalidInput}, with the names of the columns */
function parseLine(text: string, all: Pick<PlaceOrder, 'sequence' | 'announce'>): PlaceOrder {
  const fields = fieldsOf(text);
  if (fields === undefined) throw new InvalidInput([{ field: 'line', value: text, rule: 'a quote is out of place' }]);
  if (fields.length !== columns.length) {
    const rule = `has ${fields.length} fields, must have ${columns.length}: ${ORDERS_HEADER}`;
    throw new InvalidInput([{ field: 'line', value: text, rule }]);
  }
  const [orderId = '', customerId = '', orderedOn = '', units = '', amount = ''] = fields;
  const issues: InputIssue[] = [];
  if (!isDate(orderedOn)) {
    issues.push({ field: 'ordered_on', value: orderedOn, rule: 'must be a date such as 1997-01-31' });
  }
  try {
    const order = parseOrder({ orderId, customerId, units: numberOf(units), amount: numberOf(amount), ...all });
    if (issues.length === 0) return order;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    const given: Readonly<Record<string, string>> = { orderId, customerId, units, amount };
    for (const { field, rule } of error.issues) {
      issues.push({ field: columnOf[field] ?? field, value: given[field], rule });
    }
  }
  throw new InvalidInput(issues);
}

/** A whole number as it is written; NaN for anything else, which no rule lets through. */
function numberOf(text: string): number {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function fieldsOf(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',');
  try {
    return parseCsv(text, { relax_column_count: true })[0] ?? [];
  } catch {
    return undefined;
  }
}

/** The lines of a text file, one at a time. @throws {@link InvalidOrdersFile} when it is no text file */
async function* linesOf(file: string): AsyncGenerator<{ text: string; line: number }> {
  const known = await stat(file).catch(unreadable(file));
  if (known.isDirectory()) throw whole(file, 0, 'it is a folder', 'give the path of a file of orders');
  const decoder = new TextDecoder('utf-8', { fatal: true }); // takes a byte order mark away
  let line = 0;
  let rest = '';
  const decode = (chunk?: Buffer): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw whole(file, line + 1, 'it is not UTF-8 text', 'save it as CSV in UTF-8');
    }
  };
  const opened = await open(file).catch(unreadable(file));
  for await (const chunk of opened.createReadStream()) {
    rest += decode(chunk as Buffer);
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const text of lines) yield { text, line: ++line };
    if (rest.length > MAX_LINE)
      throw whole(file, line + 1, 'the line is too long', `give at most ${MAX_LINE} characters`);
  }
  rest += decode();
  if (rest !== '') yield { text: rest.replace(/\r$/, ''), line: line + 1 };
}

/** The error of the file system, for whoever named the file. */
function unreadable(file: string): (error: NodeJS.ErrnoException) => never {
  return ({ code, message }) => {
    if (code === 'ENOENT') throw whole(file, 0, 'there is no such file', 'give the path of a file of orders');
    const what = code === 'EACCES' || code === 'EPERM' ? 'it may not be read' : 'it cannot be read';
    throw whole(file, 0, what, message);
  };
}

function whole(file: string, line: number, what: string, rule: string): InvalidOrdersFile {
  return new InvalidOrdersFile(file, [{ line, field: what, value: undefined, rule }]);
}
