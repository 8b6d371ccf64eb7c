import fc from 'fast-check';
import type { DeskAction } from '../../../../src/kit/workflow/desk.js';
import { StepFailed } from '../../../../src/kit/workflow/failure.js';
import type { OperationRef, Undoable } from '../../../../src/kit/workflow/participant.js';
import type { SagaBody, Tx, UndoOrder } from '../../../../src/kit/workflow/saga/definition.js';
import type { Attempt, Script } from './world.js';

/** Random sagas as data: what the body does, and what each step meets. */
export type Node =
  | { readonly kind: 'run' | 'pivot' | 'forward'; readonly script: Script }
  | { readonly kind: 'parallel'; readonly branches: readonly (readonly Node[])[] }
  /** Tries the first; if that is rejected, goes the other way. */
  | { readonly kind: 'otherwise'; readonly first: Node; readonly then: Node }
  /** Begins steps, one after the other, and does not wait for them. */
  | { readonly kind: 'careless'; readonly nodes: readonly Node[] }
  | { readonly kind: 'throw' };

export interface Plan {
  readonly nodes: readonly Node[];
  readonly undo: UndoOrder;
  readonly retries: number | undefined;
  /** When the deadline passes; never if absent. */
  readonly stopAt: number | undefined;
  /** How late the driver's timer is. */
  readonly timer: number;
  /** What a person decides, case by case; what is left is fixed outside. */
  readonly decisions: readonly DeskAction[];
}

const short = fc.integer({ min: 1, max: 9 });
const attempt = (...meets: Attempt['meets'][]): fc.Arbitrary<Attempt> =>
  fc.record({ meets: fc.constantFrom(...meets), takes: short, later: fc.integer({ min: 1, max: 40 }) });
const attempts = (first: fc.Arbitrary<Attempt>, last: fc.Arbitrary<Attempt>) =>
  fc
    .tuple(fc.array(first, { maxLength: 4 }), last)
    .map(([some, end]): [Attempt, ...Attempt[]] => [...some, end] as unknown as [Attempt, ...Attempt[]]);

const trouble = attempt('fail', 'lost', 'late');
const undoing = fc.oneof(
  { weight: 5, arbitrary: attempts(trouble, attempt('ok')) },
  { weight: 1, arbitrary: attempts(trouble, trouble) },
);
const cancelled = fc.constantFrom('finishes' as const, 'stops' as const);
/** A step before the pivot: mostly good. */
const script: fc.Arbitrary<Script> = fc.record({
  action: fc.oneof(
    { weight: 6, arbitrary: fc.tuple(attempt('ok')) },
    { weight: 2, arbitrary: attempts(trouble, attempt('ok')) },
    { weight: 1, arbitrary: attempts(trouble, attempt('refuse')) },
    { weight: 1, arbitrary: attempts(trouble, trouble) },
  ),
  compensation: undoing,
  cancelled,
});
/** A step that is retried for long has a definite answer in the end. */
const definite: fc.Arbitrary<Script> = fc.record({
  action: fc.oneof(
    { weight: 4, arbitrary: attempts(trouble, attempt('ok')) },
    { weight: 1, arbitrary: attempts(trouble, attempt('refuse')) },
  ),
  compensation: undoing,
  cancelled,
});

const run = fc.record({ kind: fc.constant('run' as const), script });
const pivot = fc.record({ kind: fc.constant('pivot' as const), script: definite });
const forward = fc.record({ kind: fc.constant('forward' as const), script: definite });
const parallelOf = (node: fc.Arbitrary<Node>): fc.Arbitrary<Node> =>
  fc.record({
    kind: fc.constant('parallel' as const),
    branches: fc.array(fc.array(node, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 }),
  });
const otherwiseOf = (node: fc.Arbitrary<Node>): fc.Arbitrary<Node> =>
  fc.record({ kind: fc.constant('otherwise' as const), first: node, then: node });
const carelessOf = (node: fc.Arbitrary<Node>): fc.Arbitrary<Node> =>
  fc.record({ kind: fc.constant('careless' as const), nodes: fc.array(node, { minLength: 1, maxLength: 2 }) });

const before: fc.Arbitrary<Node> = fc.oneof(
  { weight: 8, arbitrary: run },
  { weight: 2, arbitrary: parallelOf(fc.oneof(run, parallelOf(run), otherwiseOf(run))) },
  { weight: 2, arbitrary: otherwiseOf(fc.oneof(run, parallelOf(run))) },
  { weight: 1, arbitrary: carelessOf(run) },
);
const after: fc.Arbitrary<Node> = fc.oneof(
  { weight: 4, arbitrary: forward },
  { weight: 2, arbitrary: parallelOf(forward) },
);
/** What breaks the grammar, or ends the body. */
const odd: fc.Arbitrary<Node> = fc.oneof(
  run,
  pivot,
  forward,
  parallelOf(fc.oneof<fc.Arbitrary<Node>[]>(run, pivot, forward)),
  fc.constant({ kind: 'throw' as const }),
);

const nodes = fc
  .tuple(
    fc.array(before, { maxLength: 4 }),
    fc.option(fc.oneof({ weight: 4, arbitrary: pivot }, { weight: 1, arbitrary: otherwiseOf(pivot) })),
    fc.array(after, { maxLength: 2 }),
    fc.option(odd, { freq: 8 }),
  )
  .map(([steps, turn, rest, last]) => [
    ...steps,
    ...(turn === null ? [] : [turn, ...rest]),
    ...(last === null ? [] : [last]),
  ]);

export const plans: fc.Arbitrary<Plan> = fc.record({
  nodes,
  undo: fc.constantFrom('newest-first' as const, 'strict' as const, 'parallel' as const),
  decisions: fc.array(fc.constantFrom('retry' as const, 'resolve' as const, 'skip' as const, 'forward' as const), {
    maxLength: 4,
  }),
  retries: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  stopAt: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined, freq: 2 }),
  timer: fc.constantFrom(0, 0, 5, 50),
});

/** The saga's body that a plan describes, and the script of each of its steps. */
export function bodyOf(plan: Plan): { body: SagaBody<void, string>; scripts: Map<string, Script> } {
  const scripts = new Map<string, Script>();
  const operation: OperationRef<Undoable<string, string>> = { name: 'participant.operation' };
  const names = new Map<Node, string>();
  /** A body that runs again uses the same names. */
  const name = (node: Node & { readonly script: Script }) => {
    const step = names.get(node) ?? `${node.kind}-${scripts.size + 1}`;
    names.set(node, step);
    scripts.set(step, node.script);
    return step;
  };
  const perform = async (tx: Tx, node: Node): Promise<unknown> => {
    switch (node.kind) {
      case 'run':
      case 'pivot':
      case 'forward': {
        const step = name(node);
        const input = `input of ${step}`;
        return node.kind === 'run' ? tx.run(step, operation, input) : tx[node.kind](step, operation, input);
      }
      case 'careless':
        void sequence(tx, node.nodes).catch(() => undefined);
        return;
      case 'parallel':
        return tx.parallel(...node.branches.map((branch) => () => sequence(tx, branch)));
      case 'otherwise':
        try {
          return await perform(tx, node.first);
        } catch (error) {
          if (error instanceof StepFailed && error.knowledge === 'rejected') return perform(tx, node.then);
          throw error;
        }
      case 'throw':
        throw new TypeError('a bug in the body');
    }
  };
  const sequence = async (tx: Tx, some: readonly Node[]): Promise<void> => {
    for (const node of some) await perform(tx, node);
  };
  return {
    scripts,
    body: async (tx) => {
      await sequence(tx, plan.nodes);
      return 'done';
    },
  };
}
