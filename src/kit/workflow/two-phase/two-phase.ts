import { GrammarError } from '../failure.js';
import { participantOf, type OperationRef, type TwoPhase, type Vote } from '../participant.js';
import type { SagaCall, SagaOptions, StepOptions, Tx } from '../saga/definition.js';
import { TWO_PHASE } from '../saga/scheme.js';
import { drive } from '../saga/workflow.js';

/**
 * Two-phase commit: prepare, then commit or rollback, decided once for all.
 *
 * States: `running` → `committed`, or `running` → `compensating` → `compensated` | `failed`; `stuck` while a branch waits for a
 * person; `failed` where a person left a commit or a rollback as it is.
 *
 * Transitions:
 * - The participants are prepared one after the other, in one order for all transactions, by their names. Two transactions that
 *   lock the same rows in several databases then never wait for each other in a circle, which no database could see.
 * - All have voted, and none has refused: it is decided that all commit. The decision is the scheduling of the commits, which is in
 *   the history before any of them can begin. From then on nothing counts but their acknowledgements.
 * - A participant refused, its vote is unknown or not there by the deadline, or it was cancelled: it is decided that all roll back.
 *   Those that were prepared, or may have been, are rolled back, all at once; what comes late is barred.
 * - Each second operation is asked until it is done. What is not done within its window waits at the desk, and an alarm goes out; the
 *   others go on. Nobody can turn the decision round: an operation of it may have been done, or may still come.
 * - Who has voted `read-only` is not asked again. A single participant is not prepared: it does all and commits it at once, as
 *   the pivot of a saga does.
 * - A run that settles looks at nobody, as one that is silent would have the others hold their locks. Commits were asked: all commit, and
 *   what is lost is a case for a person. None was: all roll back, and what is not prepared yet is barred. A single participant, which
 *   commits by itself, is looked at.
 *
 * Invariant: at the end all participants are committed, or none is, or the report names the person who left it otherwise. Between the
 * first commit and the last, who reads several databases sees some of it.
 *
 * The protocol is that of Jim Gray ("Notes on Data Base Operating Systems", 1978) and of X/Open's XA; the coordinator's log is
 * Temporal's history, so that the coordinator goes on where it was, on any worker.
 */

/** Options of a two-phase commit; a caller may override them for one call. */
export interface TwoPhaseOptions extends Pick<SagaOptions, 'retries' | 'compensationWindow' | 'forwardWindow'> {
  /** Rolled back if not every participant has voted by then, counted from the start. Default: 10 seconds. */
  readonly deadline?: SagaOptions['deadline'];
}

/** Options of what one participant is asked. */
export type PrepareOptions = Pick<StepOptions, 'summary' | 'timeout' | 'retries'>;

/** What one participant is asked. */
export interface TwoPhaseBranch {
  /** The operation's name, such as `bank_a.move`. */
  readonly operation: string;
  readonly input: unknown;
  readonly options: PrepareOptions;
}

/** A two-phase commit as a workflow: start it with an input, and with options that override its own for this call. */
export type TwoPhaseWorkflow<Input, Result> = (input: Input, overrides?: SagaCall) => Promise<Result>;

/** What one participant is asked. Its branch has the participant's name. */
export function prepare<Input>(
  operation: OperationRef<TwoPhase<Input>>,
  input: NoInfer<Input>,
  options: PrepareOptions = {},
): TwoPhaseBranch {
  return { operation: operation.name, input, options };
}

const DEFAULTS: SagaOptions = { deadline: '10 seconds', undo: 'parallel' };

/**
 * Defines a two-phase commit: its participants are prepared, and then all commit or all roll back.
 *
 * The returned function is the workflow: export it from the module that the worker loads.
 *
 * @param branches says what each participant is asked, in any order; a participant is named once, and does all that is asked of
 * it in one transaction of its own
 * @param result what the workflow resolves to once all have committed. Default: nothing
 * @throws ApplicationFailure of type `TransactionCompensated` (rolled back, nothing has happened) or `TransactionFailed` (see its
 * report), as a saga does
 *
 * @example
 * ```ts
 * export const transfer = twoPhaseCommit({}, ({ from, to, amount }: Transfer) => [
 *   prepare(bankA.move, { account: from, amount: -amount }),
 *   prepare(bankB.move, { account: to, amount }),
 * ]);
 * ```
 */
export function twoPhaseCommit<Input, Result = void>(
  options: TwoPhaseOptions,
  branches: (input: Input) => readonly TwoPhaseBranch[],
  result?: (input: Input) => Result,
): TwoPhaseWorkflow<Input, Result> {
  return (input, overrides = {}) => {
    const body = async (tx: Tx): Promise<Result> => {
      // The run is told what the operations are called: a prepare is begun as a step is.
      const begin = (how: 'run' | 'pivot', [participant, { operation, input, options }]: Named) =>
        (tx[how] as Begin)(participant, { name: operation }, input, options);
      const asked = inOrder(branches(input));
      const [only] = asked;
      if (only === undefined) throw new GrammarError('no participant is asked anything: name one at least');
      if (asked.length === 1) await begin('pivot', only);
      else await askInOrder(asked, (each) => begin('run', each), overrides.settle !== undefined);
      return result?.(input) as Result;
    };
    return drive(TWO_PHASE, { ...DEFAULTS, ...options, ...overrides }, body, input);
  };
}

/** One after the other. @param all those too that come after one that failed: a run that settles rolls back each */
async function askInOrder(asked: readonly Named[], ask: (each: Named) => Promise<Vote>, all: boolean): Promise<void> {
  let first: { failure: unknown } | undefined;
  for (const each of asked) {
    try {
      await ask(each);
    } catch (failure) {
      if (!all) throw failure;
      first ??= { failure };
    }
  }
  if (first !== undefined) throw first.failure;
}

type Named<Branch = TwoPhaseBranch> = readonly [participant: string, Branch];
type Begin = (branch: string, operation: { name: string }, input: unknown, options: StepOptions) => Promise<Vote>;

/** By the participants' names, as every transaction has to have them in one order. @throws GrammarError for one that is named twice */
export function inOrder<Branch extends Pick<TwoPhaseBranch, 'operation'>>(
  branches: readonly Branch[],
): Named<Branch>[] {
  const named = branches.map((branch): Named<Branch> => [participantOf(branch.operation), branch]);
  named.sort(([one], [other]) => (one < other ? -1 : 1));
  const twice = named.find(([participant], index) => participant === named[index + 1]?.[0]);
  if (twice === undefined) return named;
  throw new GrammarError(`participant '${twice[0]}' is named twice: ask it once, for all that it has to do`);
}
