import { CancellationScope, condition, defineUpdate, setHandler } from '@temporalio/workflow';
import { wrongSagaOption } from '../saga/options.js';
import type { SagaCall, SagaOptions } from '../saga/definition.js';
import { MESSAGE } from '../saga/scheme.js';
import { drive } from '../saga/workflow.js';
import { Hearing, messageBody, wrongParts, type MessageParts } from './body.js';
import { MessageDriver } from './driver.js';
import { CHECK_AFTER, CONFIRM_UPDATE, WITHDRAW_UPDATE, type MessageDecision, type Said } from './protocol.js';

/**
 * A transactional message: prepared before its producer's local transaction, and sent if, and only if, that is committed.
 *
 * States: `running` (prepared, then on its way to its subscribers) → `committed` (every subscriber has it); `running` → `compensated`
 * (withdrawn: the local transaction is not there, and never will be); `stuck` while the check-back or a subscriber waits for a person;
 * `failed` where a person left one of them as it is.
 *
 * Transitions:
 * - It is prepared by being started: from then on the message is kept, with all who get it. The producer does its local transaction, whose
 *   guard row is that of the branch `local`, or of the one that the message names.
 * - The producer confirms or withdraws; or nothing is heard of it in time; or an operator cancels. Whatever it was, the producer's
 *   database is asked then, once and for all: it *settles* the local transaction. Applied: the message is sent. Rejected: it is
 *   withdrawn. Not there: the bar is written, so that a local transaction that is still on its way can never commit; it is withdrawn.
 *   So nobody's word counts against the database: a mistaken confirm sends nothing, and a mistaken withdraw loses nothing.
 * - A database that cannot be reached is asked fifteen times, with backoff. Then a person decides: ask it again (`retry`), the local
 *   transaction counts as done (`resolve`), or as not done (`skip`). Before either of the last two it is asked a single time more: if it
 *   answers that the local transaction is there, that counts; if it is not there it is barred, so that what a person has done by hand is
 *   not done twice; and only if there is no answer is the person's word all there is.
 * - Sent: each subscriber is asked until it is done, for its own window and then at its own desk case, while the others go on.
 *   Nothing is undone any more.
 * - A run that settles (its run before was ended from outside) does not wait for the producer: it asks the database.
 *
 * Invariant: at the end the local transaction is committed and every subscriber has the message once; or it is not, can never be, and
 * nobody has it; or the report names the person who left it otherwise.
 *
 * The half message and its check-back, after one minute and fifteen times, are Apache RocketMQ's transactional message; that the check-back
 * writes a bar is DTM's two-phase message (dtm-labs/dtm). That the same look also answers a confirm and a withdraw is our own.
 */

/** Options of a transactional message; a caller may override them for one call. */
export interface MessageOptions extends Pick<SagaOptions, 'forwardWindow'> {
  /** When its producer's database is asked if nothing was heard by then, counted from the start. Default: 1 minute. */
  readonly deadline?: SagaOptions['deadline'];
  /** How often that is tried again before it waits for a person. Default: 14. */
  readonly retries?: number;
}

/** A transactional message as a workflow: start it with an input, and with options that override its own for this call. */
export type MessageWorkflow<Input, Result> = (input: Input, overrides?: SagaCall) => Promise<Result>;

/**
 * Defines a transactional message.
 *
 * The returned function is the workflow: export it from the module that the worker loads. It resolves to what `result` gives when every
 * subscriber has the message. Who sends one calls `transactionalMessage` of `backstitch/direct`.
 *
 * @param parts says what the local transaction is and who gets the message. It must not throw: then its producer waits, until a worker
 * with mended code comes
 * @param result of the input, and of what the local transaction gave. Default: nothing
 * @throws ApplicationFailure of type `TransactionCompensated` (withdrawn) or `TransactionFailed` (see its report), as a saga does
 *
 * @example
 * ```ts
 * export const orderPaid = halfMessage({}, (order: Paid) => ({
 *   local: localTransaction(payments.take, order),
 *   to: [subscriber('stock', inventory.ship, order), subscriber('points', loyalty.award, order)],
 * }));
 * ```
 */
export function halfMessage<Input, Result = void>(
  options: MessageOptions,
  parts: (input: Input) => MessageParts,
  result?: (input: Input, local: unknown) => Result,
): MessageWorkflow<Input, Result> {
  return async (input, overrides = {}) => {
    const hearing = new Hearing();
    setHandler(defineUpdate<MessageDecision>(CONFIRM_UPDATE), () => answer(hearing, { how: 'confirm' }));
    setHandler(defineUpdate<MessageDecision, [string?]>(WITHDRAW_UPDATE), (why = 'its producer gave no reason') =>
      answer(hearing, { how: 'withdraw', why }),
    );
    const asked = parts(input);
    const { deadline = CHECK_AFTER, retries, forwardWindow, lane = 'durable', settle } = { ...options, ...overrides };
    const given: SagaCall = { deadline, retries, forwardWindow };
    const wrong = wrongSagaOption(given) ?? wrongLane(lane) ?? wrongParts(asked);
    // It cannot be sent, and must not end before it is certain that its local transaction is not there either.
    if (wrong !== undefined) hearing.said = { how: 'withdraw', why: wrong };
    const call: SagaCall = { ...(wrong === undefined && given), settle };
    const heard = () => (settle ? Promise.resolve() : condition(() => hearing.said !== undefined));
    const of = { hearing, heard, retries: call.retries };
    const body = messageBody<Input, Result>(asked, of, (...gave) => result?.(...gave) as Result);
    return drive(MESSAGE, call, body, input, (...args) => new MessageDriver(hearing, ...args));
  };
}

function wrongLane(lane: string): string | undefined {
  return lane === 'durable' ? undefined : `lane '${lane}' is not for scheme 'message', which takes durable`;
}

/** The first word counts; who says more hears what became of it. */
async function answer(hearing: Hearing, said: Said): Promise<MessageDecision> {
  hearing.said ??= said;
  await CancellationScope.nonCancellable(() => condition(() => hearing.decision !== undefined));
  const { decision } = hearing;
  if (decision === undefined) throw new Error('nothing is decided of this message');
  return decision;
}
