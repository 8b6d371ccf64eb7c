import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeskNote } from '../../workflow/desk.js';
import { toJson, toLog } from '../guard/json.js';
import { callOnce } from './call.js';
import { advance, drive, moved, readRow, type TableOf } from './drive.js';
import type { StateFailure, StateRow } from '../../workflow/state-table/row.js';
import * as statements from './statements.js';

/** What a person has decided of the operation that a row waits for. Each of these can be asked again. */
export interface StateDecision {
  readonly gid: string;
  /** Which operation, from 0 on. */
  readonly index: number;
  readonly note: DeskNote;
}

/** Pauses between attempts to bar an operation, in milliseconds: each twice the one before. */
const BAR_PAUSE = { firstMs: 200, mostMs: 10_000 } as const;
/** An attempt with less than this is not begun: nobody would wait for its answer. */
const LEAST_MS = 50;

/**
 * The desk's part of a state table: carries out, in the row, what a person has decided of it. A row that is not where the decision
 * believes it to be stays as it is: what is done meanwhile is done.
 */
export class StateDesk {
  readonly #table: TableOf;

  constructor(table: TableOf) {
    this.#table = table;
  }

  /** The row as it is. @throws if there is none */
  async look(gid: string): Promise<StateRow> {
    const row = await readRow(this.#table, gid);
    if (row === undefined) throw new Error(`the state table has no row of ${gid}`);
    return row;
  }

  /**
   * Calls again.
   *
   * @param changed `renewed`: the operation was refused, which stays as it is: it is begun anew under a name with this number.
   * `input`: what it gets instead, as JSON text
   * @returns the row as it is then, with why it has not ended, if so
   */
  async retry(
    { gid, index, note }: StateDecision,
    changed: { readonly renewed?: number; readonly input?: string } = {},
  ): Promise<StateRow> {
    const found = await this.look(gid);
    if (found.state !== 'error' || found.done !== index) return found;
    const calls = found.calls.map((call, at) => {
      if (at !== index) return call;
      const { input, renewed } = changed;
      return { ...call, ...(renewed !== undefined && { renewed }), ...(input !== undefined && { input: json(input) }) };
    });
    const [row] = await moved(this.#table, statements.decide, [gid, index, toLog(note), toJson(calls)]);
    if (row === undefined) return this.look(gid);
    const { limits, who } = this.#table;
    const until = performance.now() + limits.callerMs;
    const attempts = limits.retries + 1;
    const driven = await drive(this.#table, row, { driver: newDriver(), who, attempts, until, forPerson: true });
    if (driven.failure === undefined) return driven.row;
    const { done } = driven.row;
    const renewed = driven.row.calls[done]?.renewed ?? 0;
    const [noted] = await moved(this.#table, statements.noteError, [gid, done, toLog(driven.failure), renewed]);
    return noted ?? this.look(gid);
  }

  /**
   * The operation counts as done, with what a person says that it would have returned. It is barred first: what is still on its way
   * cannot do it any more. If it happened after all, its own result counts. Where it cannot be barred in time the person answers for
   * it, and the decision says so.
   *
   * @param signal nobody waits any more: it throws, and is to be asked again
   */
  async resolve(decision: StateDecision, result: unknown, signal?: AbortSignal): Promise<StateRow> {
    const row = await this.#write(decision);
    if (row === undefined) return this.look(decision.gid);
    const done = await this.#bar(row, decision, signal);
    const [further] = await advance(this.#table, row, [done === undefined ? result : done.result]);
    return further ?? this.look(decision.gid);
  }

  /** The row ends as it is, barred as above; if the operation happened after all, it counts as done, and the row goes on. */
  async skip(decision: StateDecision, failure: StateFailure, signal?: AbortSignal): Promise<StateRow> {
    const row = await this.#write(decision);
    if (row === undefined) return this.look(decision.gid);
    const { gid, index } = decision;
    const done = await this.#bar(row, decision, signal);
    const [further] =
      done === undefined
        ? await moved(this.#table, statements.leave, [gid, index, toLog(failure)])
        : await advance(this.#table, row, [done.result]);
    return further ?? this.look(gid);
  }

  async #write({ gid, index, note }: StateDecision): Promise<StateRow | undefined> {
    const found = await this.look(gid);
    if (found.state !== 'error' || found.done !== index) return undefined;
    const values = [gid, index, toLog(note), toJson(found.calls)];
    return (await moved(this.#table, statements.decide, values))[0];
  }

  /** @returns what the operation returned, if it has happened */
  async #bar(
    row: StateRow,
    { index, note }: StateDecision,
    signal?: AbortSignal,
  ): Promise<{ readonly result: unknown } | undefined> {
    const { limits, operations, who } = this.#table;
    const work = operations.get(row.calls[index]?.operation ?? '');
    const driver = newDriver();
    const until = performance.now() + limits.barMs;
    for (let attempt = 1; ; attempt++) {
      const timeoutMs = Math.min(limits.attemptMs, Math.max(until - performance.now(), LEAST_MS));
      const called = await callOnce(work, row, index, { driver, who, attempt, timeoutMs, signal }, true);
      if (called.known === 'done') return called;
      if (called.isFinal) return undefined;
      const pauseMs = Math.min(BAR_PAUSE.firstMs * 2 ** (attempt - 1), BAR_PAUSE.mostMs);
      const isLast = performance.now() + pauseMs + LEAST_MS > until;
      if (!isLast) await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      // Not told as what could not be barred: whoever carries the decision out next tries for as long.
      if (signal?.aborted === true) throw new Error(`barring '${note.branch}' of ${row.gid} was stopped: ask again`);
      if (!isLast) continue;
      const { type, message } = called.failure;
      const values = [row.gid, index, toLog(note), `${type}: ${message}`];
      await moved(this.#table, statements.noteNotBarred, values);
      return undefined;
    }
  }
}

const newDriver = () => `state-desk:${randomUUID()}`;

function json(text: string): unknown {
  return JSON.parse(text) as unknown;
}
