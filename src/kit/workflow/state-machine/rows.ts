import { callPatiently, judge } from '../calls.js';
import type { Call } from '../saga/driver.js';
import type { OperationRef } from '../participant.js';
import { FORWARD_WINDOW_MS } from '../retry.js';
import type { MoveOrder, Moved, ReadOrder, ReadRow } from './protocol.js';
import type { Telling } from './telling.js';

/** What became of a move. */
export type MoveEnd =
  | { readonly how: 'moved'; readonly moved: Moved }
  /** A definite no: nothing was moved, and nothing will be under this branch. */
  | { readonly how: 'refused'; readonly type: string; readonly message: string; readonly isOther: boolean }
  /** Nobody knows yet: to ask again is safe. */
  | { readonly how: 'unknown'; readonly message: string };

interface Names {
  readonly move: Pick<OperationRef<unknown>, 'name'>;
  readonly read: Pick<OperationRef<unknown>, 'name'>;
}

/** The row of one machine, in the database of its service. */
export class Rows {
  readonly #id: string;
  readonly #names: Names;
  readonly #telling: Telling;

  constructor(id: string, names: Names, telling: Telling) {
    this.#id = id;
    this.#names = names;
    this.#telling = telling;
  }

  /** Moves it if it is where it has to be: once for a branch. @param windowMs how long it is tried, in milliseconds */
  async move(order: MoveOrder, branch: string, windowMs: number): Promise<MoveEnd> {
    const { event, from, to, version } = order;
    const call: Call = {
      branch: { gid: this.#id, branch, op: 'action', scheme: 'machine', seq: version + 1 },
      ...{ operation: this.#names.move.name, profile: 'forward', args: [order] },
      ...{ summary: `${event}: ${from} to ${to}`, options: {} },
    };
    try {
      return { how: 'moved', moved: (await callPatiently(call, windowMs)) as Moved };
    } catch (error) {
      const { knowledge, type, message, mismatch } = judge(error);
      if (knowledge === 'rejected') return { how: 'refused', type, message, isOther: mismatch === true };
      return { how: 'unknown', message: `${type}: ${message}` };
    }
  }

  /** Where it is. It asks until it knows: without it nothing can be decided. @param moves how many of its newest moves are wanted */
  async read(moves: number): Promise<ReadRow | null> {
    const order: ReadOrder = { id: this.#id, moves };
    const call: Call = {
      branch: { gid: this.#id, branch: 'read', op: 'action', scheme: 'machine', seq: 0 },
      ...{ operation: this.#names.read.name, profile: 'forward', args: [order] },
      ...{ summary: `where is ${this.#id}`, options: {} },
    };
    for (;;) {
      try {
        return (await callPatiently(call, FORWARD_WINDOW_MS)) as ReadRow | null;
      } catch (error) {
        const { type, message } = judge(error);
        this.#telling.alarm('stuck', 'read', `where it is cannot be read: ${type}: ${message}`);
      }
    }
  }
}
