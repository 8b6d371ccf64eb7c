import type { Message } from '../../messages/message.js';
import { NotYet, Poison } from '../../messages/sink.js';
import { fromJson } from '../guard/json.js';
import { limitsOf } from '../guard/limits.js';
import { Rejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import { nameOf, type Incoming } from './content.js';
import { placeOf, type KeyState } from './place.js';
import * as statements from './statements.js';

/**
 * A message came before one of its key that was not handled yet. It is handled when it comes again after that, however long that takes:
 * the one before it may be in other hands, or wait for a person.
 */
export class OutOfOrder extends NotYet {
  constructor(message: Message) {
    super(`${nameOf(message)} came before number ${message.after ?? 0} of its key '${message.key ?? ''}': try again`);
    this.name = 'OutOfOrder';
  }
}

/** Who claims. */
export interface Claimant {
  readonly consumer: string;
  readonly inOrder: boolean;
}

/** What a claim led to. */
export type Claim =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'duplicate'; readonly result: unknown }
  | { readonly kind: 'refused'; readonly error: Error };

interface Row {
  readonly id: string;
  readonly outcome: 'applied' | 'rejected';
  readonly hash: string;
  readonly result: string | null;
  readonly failure: string | null;
}

const CLAIMED = { kind: 'claimed' } as const;

/**
 * Claims messages in an open SQL transaction, in which those that it gets are then handled. One that is in flight elsewhere is
 * waited for, as are others of its key in order; for half of the time at most.
 *
 * @param incoming no two of them with one id
 * @returns of each what came of it; where one is refused the transaction must be rolled back
 */
export async function claimAll(
  sql: Sql,
  { consumer, inOrder }: Claimant,
  incoming: readonly Incoming[],
  timeoutMs: number,
): Promise<Claim[]> {
  const limits = limitsOf({ timeoutMs });
  const keys = inOrder ? await lockKeys(sql, consumer, incoming, limits) : new Map<string, KeyState>();
  const start = new Map(keys);
  const places = incoming.map(({ message }) => {
    const name = keyOf(message);
    const state = keys.get(name);
    if (state === undefined) return 'next';
    const place = placeOf(message, state);
    if (place === 'next') keys.set(name, { ...state, last: Math.max(state.last, message.seq) });
    return place;
  });

  const next = incoming.filter((_, at) => places[at] === 'next');
  const moved = incoming.flatMap(({ message }) => {
    const [last, before] = [keys.get(keyOf(message))?.last, start.get(keyOf(message))?.last];
    return last === before ? [] : [{ source: message.source, key: message.key, last }];
  });
  const claimed = new Set<string>();
  if (next.length > 0) {
    const given = [consumer, toGiven(next), ...limits];
    const rows =
      moved.length > 0
        ? await sql<{ id: string }>(statements.claimInOrder, [...given, JSON.stringify(distinct(moved))])
        : await sql<{ id: string }>(statements.claim, given);
    for (const { id } of rows) claimed.add(id);
  }

  const others = incoming.filter(({ message }) => !claimed.has(message.id));
  const known = others.length > 0 ? await readRows(sql, consumer, others) : undefined;
  return incoming.map(({ message, hash }, at) => {
    if (claimed.has(message.id)) return CLAIMED;
    const row = known?.get(message.id);
    if (row !== undefined) return knownAs(row, message, hash);
    if (places[at] === 'past') return { kind: 'duplicate', result: undefined };
    const error = places[at] === 'early' ? new OutOfOrder(message) : vanished(message);
    return { kind: 'refused', error };
  });
}

/**
 * Stores that the work of a message was refused.
 *
 * @returns what counts instead, if something is stored already
 */
export async function storeRejection(
  run: Sql,
  consumer: string,
  { message, hash }: Incoming,
  { type, message: why }: Rejection,
  timeoutMs: number,
): Promise<Claim> {
  const given = toGiven([{ message, hash }], { type, message: why });
  const stored = await run(statements.reject, [consumer, given, ...limitsOf({ timeoutMs })]);
  if (stored.length > 0) return { kind: 'refused', error: poisonOf(message, type, why) };
  const row = (await readRows(run, consumer, [{ message, hash }])).get(message.id);
  return row === undefined ? { kind: 'refused', error: vanished(message) } : knownAs(row, message, hash);
}

function knownAs({ outcome, hash: known, result, failure }: Row, message: Message, hash: string): Claim {
  if (known !== hash) {
    const why = `${nameOf(message)} was handled before with another content: an id is used twice`;
    return { kind: 'refused', error: new Poison(why) };
  }
  if (outcome === 'applied') return { kind: 'duplicate', result: fromJson(result) };
  const { type, message: why } = fromJson(failure) as { type: string; message: string };
  return { kind: 'refused', error: poisonOf(message, type, why) };
}

function poisonOf(message: Message, type: string, why: string): Poison {
  return new Poison(`${nameOf(message)} was refused (${type}): ${why}`, { cause: new Rejection(type, why) });
}

function vanished(message: Message): Error {
  return new Error(`the row of ${nameOf(message)} was removed while it was read: try again`);
}

async function lockKeys(sql: Sql, consumer: string, incoming: readonly Incoming[], limits: readonly string[]) {
  const keys = incoming.flatMap(({ message: { source, key } }) => (key === undefined ? [] : [{ source, key }]));
  const states = new Map<string, KeyState>();
  if (keys.length === 0) return states;
  const rows = await sql<{ source: string; key: string } & KeyState>(statements.lockKeys, [
    ...[consumer, JSON.stringify(keys)],
    ...limits,
  ]);
  for (const { last, forgotten, ...key } of rows) states.set(keyOf(key), { last, forgotten });
  return states;
}

async function readRows(sql: Sql, consumer: string, incoming: readonly Incoming[]): Promise<Map<string, Row>> {
  const ids = JSON.stringify(incoming.map(({ message }) => message.id));
  const rows = await sql<Row>(statements.read, [consumer, ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

function toGiven(incoming: readonly Incoming[], failure?: { readonly type: string; readonly message: string }): string {
  return JSON.stringify(
    incoming.map(({ message: { id, source, seq, topic, key, attempt }, hash }) => {
      return { id, source, seq, topic, key, hash, attempt, failure };
    }),
  );
}

function keyOf({ source, key = '' }: { readonly source: string; readonly key?: string }): string {
  return `${source}\0${key}`;
}

function distinct<Key extends { readonly source: string; readonly key?: string }>(keys: readonly Key[]): Key[] {
  return [...new Map(keys.map((key) => [keyOf(key), key])).values()];
}
