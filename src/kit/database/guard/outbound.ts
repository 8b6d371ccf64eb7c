import type { Operation } from '../../workflow/branch.js';
import type { Database } from '../sql.js';
import { stopwatch } from './limits.js';
import { ask } from './outbound-ask.js';
import { decide, type Absent } from './outbound-decide.js';
import { SENDING_SHARE, type AnyRequest, type OutboundOptions, type OutboundRequest } from './outbound-request.js';

/**
 * The guard's second mode: for work that no SQL transaction covers, such as an HTTP call.
 *
 * An intent is committed before anything is sent, and the outcome is stored when the answer is there. In between nobody
 * knows; then it is sent again with the same key, at which the other side does nothing twice and gives the same answer,
 * or is looked up there. No SQL transaction is open while an answer is waited for.
 *
 * States of phase 1: nothing → intent → applied | rejected | barred; of phase 2: nothing → intent → applied | empty, or
 * empty at once. An outcome is stored only upon an intent: a late answer never overwrites one.
 *
 * Invariant, if the other side keeps what it promises: as the guard's. An undo that meets an intent without an outcome
 * first takes phase 2, so that no attempt of the action begins any more, then makes the action definite, then undoes it.
 *
 * An intent before, a key, and an outcome after is how brandur.org/idempotency-keys makes changes in foreign state.
 */
export interface Outbound {
  /**
   * Phase 1: sends the request until its answer is definite, and stores that. With `operation.settle` nothing is begun:
   * what has no intent is barred.
   *
   * @returns what the other side answered, now or before, as JSON gives it back
   * @throws {@link Rejection} the stored one, {@link Suspended}, {@link InputMismatch}, {@link Barred}, {@link Undone} as
   * the guard does
   * @throws {@link Undecidable} if only a person can find out whether it happened
   * @throws any other error: the outcome is unknown, try again
   */
  apply<Input, Result>(
    operation: Operation,
    input: Input,
    request: OutboundRequest<[input: Input], Result>,
  ): Promise<Result>;

  /**
   * Phase 2: undoes what phase 1 did, or bars it. An undo that the other side refuses for good is begun anew at the next
   * attempt, with another key.
   *
   * @param action what phase 1 sent: it may have to be made definite first
   * @param undo sent only if phase 1 was applied, with its stored result
   * @returns what the other side answered to the undo, now or before; `undefined` if there was nothing to undo
   * @throws {@link Suspended}, {@link InputMismatch}, {@link RowGone} as the guard does
   * @throws {@link Undecidable} if only a person can find out what happened
   * @throws any other error, a {@link Rejection} too: it is not undone yet, try again
   */
  undo<Input, Applied, Result>(
    operation: Operation,
    input: Input,
    action: OutboundRequest<[input: Input], Applied>,
    undo: OutboundRequest<[input: Input, applied: Applied], Result>,
  ): Promise<Result | undefined>;
}

/**
 * Makes the guard's second mode for one other side. Its rows are in the same table; a branch is begun and undone in the
 * same mode.
 */
export function createOutbound(db: Database, options: OutboundOptions = {}): Outbound {
  const { probe = () => Promise.resolve() } = options;
  const run = async (operation: Operation, input: unknown, action: AnyRequest, undo?: AnyRequest): Promise<unknown> => {
    if (operation.announcement !== undefined || operation.opening !== undefined) {
      throw new TypeError(
        `${operation.function} cannot announce a transaction: one that a process or a group drives begins with an SQL step`,
      );
    }
    const leftMs = stopwatch(operation);
    await probe('before', operation);
    const answered = async (): Promise<unknown> => {
      let absent: Absent | undefined;
      for (;;) {
        const timed = { ...operation, timeoutMs: leftMs() };
        const until = performance.now() + timed.timeoutMs * SENDING_SHARE;
        const decision = await db.transaction((sql) => {
          // It may have waited long for its connection.
          operation.signal.throwIfAborted();
          return decide(sql, { operation: timed, input, action, undo, options, absent });
        }, timed.timeoutMs);
        if ('answer' in decision) return decision.answer();
        const request = (decision.phase === 1 ? action : undo) ?? action;
        const asked = await ask(db.run, { operation, question: decision, request, until, probe, options });
        if ('answer' in asked) return asked.answer;
        absent = asked.absent;
      }
    };
    const result = await answered();
    await probe('committed', operation);
    return result;
  };
  return {
    apply: (operation, input, request) => run(operation, input, request) as Promise<never>,
    undo: (operation, input, action, undo) => run(operation, input, action, undo) as Promise<never>,
  };
}
