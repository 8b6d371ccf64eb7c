import { randomUUID } from 'node:crypto';
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

/** Attempts to bar an operation that a person has done outside, or leaves: then the decision stands by itself. */
const BAR_ATTEMPTS = 3;

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
    const [noted] = await moved(this.#table, statements.noteError, [gid, done, toLog(driven.failure)]);
    return noted ?? this.look(gid);
  }

  /**
   * The operation counts as done, with what a person says that it would have returned. It is barred first: what is still on its way
   * cannot do it any more. If it happened after all, its own result counts. Where it cannot be barred the person answers for it.
   */
  async resolve(decision: StateDecision, result: unknown): Promise<StateRow> {
    const row = await this.#write(decision);
    if (row === undefined) return this.look(decision.gid);
    const done = await this.#bar(row, decision.index);
    const [further] = await advance(this.#table, row, [done === undefined ? result : done.result]);
    return further ?? this.look(decision.gid);
  }

  /** The row ends as it is, barred as above; if the operation happened after all, it counts as done, and the row goes on. */
  async skip(decision: StateDecision, failure: StateFailure): Promise<StateRow> {
    const row = await this.#write(decision);
    if (row === undefined) return this.look(decision.gid);
    const { gid, index } = decision;
    const done = await this.#bar(row, index);
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
  async #bar(row: StateRow, index: number): Promise<{ readonly result: unknown } | undefined> {
    const { limits, operations, who } = this.#table;
    const work = operations.get(row.calls[index]?.operation ?? '');
    const driver = newDriver();
    for (let attempt = 1; attempt <= BAR_ATTEMPTS; attempt++) {
      const by = { driver, who, attempt, timeoutMs: limits.attemptMs };
      const called = await callOnce(work, row, index, by, true);
      if (called.known === 'done') return called;
      if (called.isFinal) return undefined;
    }
    return undefined;
  }
}

const newDriver = () => `state-desk:${randomUUID()}`;

function json(text: string): unknown {
  return JSON.parse(text) as unknown;
}
