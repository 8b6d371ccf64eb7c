import type { Duration } from '@temporalio/common';
import { StepFailed, type FailureNote } from '../failure.js';
import type { Forward, OperationRef } from '../participant.js';
import type { RunBody, StepOptions } from '../saga/definition.js';
import { LOCAL_BRANCH, type MessageDecision, type Said } from './protocol.js';

/** The producer's local transaction. */
export interface LocalPart {
  /** The operation's name, such as `bank_a.debit`. Its action is done by the producer; here it is only looked at. */
  readonly operation: string;
  readonly input: unknown;
  /** Its branch: what its guard row is named. */
  readonly branch: string;
  readonly summary: string | undefined;
}

/** Who gets a message. */
export interface Subscriber {
  /** Unique within the message. */
  readonly name: string;
  /** The operation's name, such as `bank_b.credit`. */
  readonly operation: string;
  readonly input: unknown;
  readonly options: SubscriberOptions;
}

/** Options of one subscriber. */
export interface SubscriberOptions extends Pick<StepOptions, 'summary'> {
  /** How long one attempt may take. Default: the retry profile's. */
  readonly timeout?: Duration;
}

/** What a message is about. */
export interface MessageParts {
  readonly local: LocalPart;
  /** Who gets it; at least one. */
  readonly to: readonly Subscriber[];
}

/** Options of the producer's local transaction. */
export interface LocalOptions extends Pick<StepOptions, 'summary'> {
  /**
   * Its branch, the same that the contract's `local` tells the producer. One that a saga with the same gid has for the same operation makes
   * it one and the same for the guard: then it is done once, whoever does it. Default: `local`
   */
  readonly branch?: string;
}

/**
 * Names the producer's local transaction.
 *
 * @throws TypeError where the branch has a `~`, which is kept for branches that are begun anew
 */
export function localTransaction<Input, Result>(
  operation: OperationRef<Forward<Input, Result>>,
  input: NoInfer<Input>,
  { branch = LOCAL_BRANCH, summary }: LocalOptions = {},
): LocalPart {
  // It could not even be barred under that name: nothing may be decided of such a message.
  if (branch.includes('~')) throw new TypeError(`'${branch}' has a '~' in its name`);
  return { operation: operation.name, input, branch, summary };
}

/** Names one that gets the message, and what it is asked. */
export function subscriber<Input, Result>(
  name: string,
  operation: OperationRef<Forward<Input, Result>>,
  input: NoInfer<Input>,
  options: SubscriberOptions = {},
): Subscriber {
  return { name, operation: operation.name, input, options };
}

/** Says what is wrong with the parts of a message. */
export function wrongParts({ local, to }: MessageParts): string | undefined {
  if (to.length === 0) return 'nobody gets it: name one subscriber at least';
  const names = [local.branch, ...to.map(({ name }) => name)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    return `'${twice}' is named twice: name each subscriber differently, and none '${local.branch}'`;
  const tilde = names.find((name) => name.includes('~'));
  return tilde && `'${tilde}' has a '~' in its name, which is kept for branches that are begun anew`;
}

/** What is heard of the producer, and what it hears. */
export class Hearing {
  said: Said | undefined;
  decision: MessageDecision | undefined;

  /** Why nothing of what it is asked for is there, as far as it was told. */
  get whyBarred(): FailureNote | undefined {
    if (this.said === undefined) return undefined;
    return this.said.how === 'confirm' ? NOT_APPLIED : { type: 'Withdrawn', message: this.said.why };
  }
}

const NOT_APPLIED: FailureNote = {
  type: 'NotApplied',
  message: 'its producer confirmed it, and its local transaction was not there: it never will be',
};

/** What a body needs besides. */
export interface MessageOf {
  readonly hearing: Hearing;
  /** Waits until the producer has said something. Cancelled when it is to be looked without that. */
  readonly heard: () => Promise<void>;
  /** How often the producer's database is asked again. */
  readonly retries: number | undefined;
}

type Begin = (branch: string, operation: { name: string }, input: unknown, options: StepOptions) => Promise<unknown>;

/**
 * A transactional message as the body of a saga. The pivot is the producer's local transaction, which the producer does itself: here it
 * is looked at, and barred if it is not there. What comes after it are the subscribers, side by side.
 */
export function messageBody<Input, Result>(
  { local, to }: MessageParts,
  { hearing, heard, retries }: MessageOf,
  result: (input: Input, local: unknown) => Result,
): RunBody<Input, Result> {
  let isFirst = true;
  return async (tx, input) => {
    // The body runs again when nothing was heard in time, or somebody cancelled it: then it is looked.
    const waits = isFirst && hearing.said === undefined;
    isFirst = false;
    if (waits) await heard();
    const begin = { pivot: tx.pivot.bind(tx) as Begin, forward: tx.forward.bind(tx) as Begin };
    const summary = local.summary ?? local.branch;
    let given: unknown;
    try {
      given = await begin.pivot(local.branch, { name: local.operation }, local.input, { summary, retries });
    } catch (error) {
      if (error instanceof StepFailed) hearing.decision = notSent(error);
      throw error;
    }
    hearing.decision = { state: 'sent', ...(given !== undefined && { local: given }) };
    await tx.parallel(
      ...to.map((each) => () => begin.forward(each.name, { name: each.operation }, each.input, each.options)),
    );
    return result(input, given);
  };
}

function notSent({ knowledge, type, message }: StepFailed): MessageDecision {
  return { state: knowledge === 'rejected' ? 'withdrawn' : 'left', type, message };
}
