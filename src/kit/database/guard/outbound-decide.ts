import { hash } from 'node:crypto';
import type { Op, Operation } from '../../workflow/branch.js';
import { InputMismatch, RowGone, Undecidable } from '../rejection.js';
import type { Sql } from '../sql.js';
import { fromJson, hashInput } from './json.js';
import { limitsOf } from './limits.js';
import { KEY_LIFETIME_MS, SENDING_SHARE, type AnyRequest, type OutboundOptions } from './outbound-request.js';
import { conclude, intend, intendUndo, readIntents, send } from './outbound-statements.js';
import { byPhase, firstOf, rowOf, storedRejection, suspended, vanished, type Rows, type StoredRow } from './rows.js';
import { settledOf, settledResult } from './settle.js';
import { settle } from './statements.js';

/**
 * What is to be done next about an operation outside SQL, decided in one SQL transaction under the lock on its branch:
 * answer, send, or look it up.
 */

/** A row as the second mode reads it. Times are ages in milliseconds, and texts that are only ever compared. */
interface IntentRow extends StoredRow {
  readonly input: string | null;
  readonly round: number;
  /** Empty until it is sent in this round. */
  readonly firstSentAt: string | null;
  readonly sentForMs: number | null;
  readonly sendingUntil: string | null;
  readonly quietForMs: number | null;
}

/** An intent that was looked up, and was not there, when nothing that was sent could still come. */
export interface Absent {
  readonly phase: 1 | 2;
  readonly round: number;
  readonly sendingUntil: string | null;
}

/** What the other side is asked. */
export interface Question extends Absent {
  readonly how: 'send' | 'lookUp';
  readonly key: string;
  readonly args: readonly unknown[];
  /** It is what the operation itself is about: its answer answers the operation. */
  readonly own: boolean;
  /** It is what an undo was asked with before a person corrected its input. */
  readonly stale: boolean;
  /** How long nothing can have been sent, in milliseconds. */
  readonly quietForMs: number;
}

/** What is decided about. */
export interface Decided {
  /** With what is left of its time. */
  readonly operation: Operation;
  readonly input: unknown;
  readonly action: AnyRequest;
  /** With an undo only. */
  readonly undo: AnyRequest | undefined;
  readonly options: OutboundOptions;
  readonly absent: Absent | undefined;
}

/** Given when the SQL transaction is committed: what a refusal has written must stay. */
interface Answer {
  readonly answer: () => unknown;
}

/** An intent that has to become definite. */
interface Due {
  readonly phase: 1 | 2;
  readonly row: IntentRow;
  readonly own: boolean;
}

export async function decide(sql: Sql, decided: Decided): Promise<Answer | Question> {
  const { operation, input, undo, options } = decided;
  const row = rowOf(operation, input, options.mask);
  const values = [...row, ...limitsOf(operation)];
  if (undo !== undefined) {
    const [found] = await sql<{ foreignInput: boolean; empty: boolean }>(intendUndo, [
      ...values,
      operation.corrected === true,
    ]);
    if (found?.foreignInput === true) throw new InputMismatch(operation);
    if (found?.empty === true) {
      if (operation.succeeded) throw new RowGone(operation);
      return { answer: () => undefined };
    }
  } else if (operation.settle) {
    await sql(settle, values);
  } else {
    const [found] = await sql<{ claimed: boolean }>(intend, [...values, operation.timeoutMs * SENDING_SHARE]);
    if (found?.claimed === true) {
      const key = keyOf(operation, operation.op, 1, options);
      const sent = { phase: 1, round: 1, sendingUntil: null, quietForMs: 0 } as const;
      return { ...sent, how: 'send', key, args: [input], own: true, stale: false };
    }
  }
  const rows = await readRows(sql, operation);
  const due = dueOf(rows, operation, row[3], undo !== undefined);
  return 'answer' in due ? due : question(sql, decided, due, rows, { hash: row[3], stored: row[4] });
}

async function readRows(sql: Sql, { gid, branch }: Operation): Promise<Rows<IntentRow>> {
  return byPhase(await sql<IntentRow>(readIntents, [gid, branch]));
}

/** What the rows say: an answer, or which intent comes next. */
function dueOf(rows: Rows<IntentRow>, operation: Operation, hash: string, undo: boolean): Answer | Due {
  const { first, second } = rows;
  if (!undo && operation.settle) {
    const settled = settledOf(rows, operation, hash);
    if (settled !== undefined) return { answer: () => settledResult(operation, settled) };
    if (first === undefined) throw vanished(operation);
    return { phase: 1, row: first, own: false };
  }
  if (!undo) {
    const own = firstOf(rows, operation, hash);
    if (own.outcome === 'intent') return { phase: 1, row: own, own: true };
    if (own.outcome === 'rejected') throw storedRejection(own);
    return { answer: () => fromJson(own.result) };
  }
  if (first === undefined || second === undefined) throw vanished(operation);
  if (second.op !== operation.op) throw suspended(operation, second.op);
  if (second.inputHash !== hash && !operation.corrected) throw new InputMismatch(operation);
  if (second.outcome !== 'intent') return { answer: () => fromJson(second.result) };
  return first.outcome === 'intent' ? { phase: 1, row: first, own: false } : { phase: 2, row: second, own: true };
}

/** How an intent can become definite. */
async function question(
  sql: Sql,
  decided: Decided,
  { phase, row, own }: Due,
  rows: Rows<IntentRow>,
  given: { readonly hash: string; readonly stored: string },
): Promise<Answer | Question> {
  const { operation, options, absent } = decided;
  const { gid, branch, attempt } = operation;
  const conclusion = async (of: 1 | 2, outcome: 'barred' | 'empty', { round }: IntentRow) => {
    await sql(conclude, [gid, branch, of, round, outcome, null, null, ...limitsOf(operation)]);
  };
  if (phase === 2 && rows.first?.outcome !== 'applied') {
    await conclusion(2, 'empty', row);
    return { answer: () => undefined };
  }
  const gone = absent?.phase === phase && absent.round === row.round && absent.sendingUntil === row.sendingUntil;
  if (gone && !own) {
    // It is not there and cannot come; and it is asked for by nobody who wants it.
    await conclusion(1, 'barred', row);
    if (rows.second !== undefined) await conclusion(2, 'empty', rows.second);
    return { answer: () => (operation.settle ? settledResult(operation, { outcome: 'barred' }) : undefined) };
  }
  const begins = row.firstSentAt === null || gone;
  const key = keyOf(operation, row.op, row.round, options);
  const input = begins && own ? decided.input : inputOf(row, decided.input, given.hash);
  if (input === UNKNOWN)
    return undecidable(operation, row, key, 'its input is stored masked, so it cannot be sent again');
  const applied = phase === 2 ? [fromJson(rows.first?.result ?? null)] : [];
  const { round, sendingUntil } = row;
  const quietForMs = row.quietForMs ?? 0;
  const stale = own && !begins && row.inputHash !== given.hash;
  const asked = { phase, round, sendingUntil, quietForMs, key, args: [input, ...applied], own, stale };

  const windowMs = operation.timeoutMs * SENDING_SHARE;
  const { keys = true, keyLifetimeMs = KEY_LIFETIME_MS } = options;
  if (begins || (keys && (row.sentForMs ?? 0) + windowMs < keyLifetimeMs)) {
    const by = row.op === operation.op ? attempt : null;
    await sql(send, [gid, branch, phase, windowMs, begins, given.stored, given.hash, by]);
    return { ...asked, how: 'send' };
  }
  const request = phase === 1 ? decided.action : decided.undo;
  if (request?.lookUp !== undefined) return { ...asked, how: 'lookUp' };
  const why = keys ? 'its key is too old to be sent again' : 'the other side takes no keys, so it cannot be sent again';
  return undecidable(operation, row, key, why);
}

function undecidable({ gid, branch }: Operation, { op, firstSentAt }: IntentRow, key: string, why: string): Answer {
  const message = `whether ${op} of branch '${branch}' in ${gid} happened is not known (it was sent first at ${firstSentAt ?? '?'}), and ${why}: find out at the other side whether '${key}' was done, store that with recordFound, and try again`;
  return {
    answer: () => {
      throw new Undecidable(message);
    },
  };
}

/** It must never change: an intent may be sent again by the next release. */
function keyOf({ gid, branch }: Operation, op: Op, round: number, { keyScope }: OutboundOptions): string {
  return hash('sha256', JSON.stringify([keyScope ?? null, gid, branch, op, round]), 'base64url');
}

const UNKNOWN = Symbol('an input that is not known any more');

/** The input that an intent was sent with. */
function inputOf({ input, inputHash }: IntentRow, given: unknown, givenHash: string): unknown {
  if (inputHash === givenHash) return given;
  const stored = fromJson(input);
  return hashInput(stored) === inputHash ? stored : UNKNOWN;
}
