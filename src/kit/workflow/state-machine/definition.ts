import type { Duration } from '@temporalio/common';
import type { AlarmKind } from '../alarms.js';
import type { Forward, OperationRef } from '../participant.js';
import { compile } from './compile.js';
import type { GuardOrder, RunOrder } from './protocol.js';

/**
 * A state machine as a typed table: what the object of a business (an order, a claim, a subscription) can be, which event moves it from
 * where to where, what has to happen by when, and what begins when a state is entered. The table is data: callers import it for its
 * types and its picture, `machineWorkflow` drives it.
 *
 * States are texts. `PAID.PICKING` is the sub-state `PICKING` of the main state `PAID`; `PAID` itself is the main state without any
 * sub-state, and `PAID.*` stands for the main state with all of its sub-states wherever the table says where something holds.
 *
 * Rules, refused by the types where they can be known and otherwise when the table is made, each in one line:
 * - nothing leads out of a final state; something leads out of every other one, and every state can be reached;
 * - only declared states are named;
 * - an event leads from a state to one other at most: two transitions of an event from the same state are an error, so that what
 *   becomes of an event never depends on an order of lines.
 *
 * Invariant, for whoever drives it: the state is always one of the table's, and moves along its transitions only; what is refused
 * changes nothing.
 */

/** The main state of a state: `PAID` of `PAID.PICKING`. */
export type MainState<State extends string> = State extends `${infer Main}.${string}` ? Main : State;

/** Where something holds: a state, or `PAID.*` for a main state with all of its sub-states. */
export type StatePattern<State extends string> = State | `${MainState<State>}.*`;

/** The states that a pattern stands for. */
type Covered<Pattern, State> = Pattern extends `${infer Main}.*` ? Extract<State, Main | `${Main}.${string}`> : Pattern;

type OneOrMany<T> = T | readonly T[];

/** One line of the table: where an event leads. */
export interface TransitionSpec<From extends string, To extends string> {
  readonly from: OneOrMany<From>;
  readonly to: To;
  /**
   * What has to hold besides: pure, as it is asked again and again. What it returns is why the event is refused: nothing is written
   * then, and nothing changes.
   */
  readonly guard?: (asked: GuardOrder) => string | undefined;
  /**
   * The name under which a saga is exported, if the transition has effects in other services. Its input is an {@link EffectOrder}; its
   * pivot moves the row with `order.move`. Absent: the transition moves the row, and nothing else.
   */
  readonly effect?: string;
}

/** What is run, by a deadline or when a state is entered. */
export type RunSpec =
  /** One call of a participant's operation, which is only ever asked to go forward. */
  | { readonly operation: OperationRef<Forward<RunOrder, unknown>>; readonly saga?: undefined }
  /** The name under which a saga is exported; its input is a {@link RunOrder}. */
  | { readonly saga: string; readonly operation?: undefined };

/** What has to have happened by when. */
export type DeadlineSpec<State extends string, Event extends string> = {
  /** It begins when one of these is entered from outside of them, and goes on as long as the machine moves among them. */
  readonly during: OneOrMany<State>;
  readonly after: Duration;
} & (
  | { readonly fires: Event; /** What the event gets. */ readonly input?: unknown }
  | {
      /** What is run, and run again, until the machine has left `during`. */
      readonly runs: RunSpec;
      /** Between two times. Default: as `after`. */
      readonly every?: Duration;
      /** How often at most; the last one is followed by an alarm, `after` or `every` later. Default: 1 */
      readonly times?: number;
    }
  | { /** The alarm's kind. */ readonly alarm: AlarmKind }
);

/** What begins when a state is entered; how it ends is an event. */
export type EntrySpec<Event extends string> = RunSpec & {
  /** The event that tells of its success, with what it returned as its input. */
  readonly done?: Event;
  /** The event that tells of its failure, with `{ type, message }` as its input. Without it: an alarm */
  readonly failed?: Event;
};

/** All transitions of a table, by their events. */
export type Transitions<State extends string, From extends string = State> = Readonly<
  Record<string, OneOrMany<TransitionSpec<StatePattern<From>, State>>>
>;

type Froms<Spec> = Spec extends { readonly from: infer From }
  ? From extends readonly (infer Each)[]
    ? Each
    : From
  : never;

type SpecsOf<Given> = Given extends readonly (infer Each)[] ? Each : Given;

/** The first states from which a list of transitions leads twice. */
type Twice<List extends readonly unknown[], State, Seen = never> = List extends readonly [infer First, ...infer Rest]
  ? [Extract<Covered<Froms<First>, State>, Seen>] extends [never]
    ? Twice<Rest, State, Seen | Covered<Froms<First>, State>>
    : Extract<Covered<Froms<First>, State>, Seen>
  : never;

/** What makes a table with a transition that is declared twice not compile. */
type NoneTwice<Given, State extends string> = {
  readonly [Event in keyof Given]: Given[Event] extends readonly unknown[]
    ? [Twice<Given[Event], State>] extends [never]
      ? unknown
      : { readonly declaredTwiceFrom: Twice<Given[Event], State> }
    : unknown;
};

/** A table as it is written. */
export interface MachineTable<
  State extends string,
  Final extends State,
  Given extends Transitions<State, Exclude<State, Final>>,
  Deadline extends string,
> {
  /** For people, and for the names of what belongs to it. */
  readonly name: string;
  /**
   * Counted up when the table changes while there are objects under way: a run goes on by the table that it began with, which the
   * workflow's `before` keeps, and the next run begins with the newest. Default: 1
   */
  readonly revision?: number;
  readonly initial: NoInfer<Exclude<State, Final>>;
  readonly states: readonly State[];
  readonly final: readonly Final[];
  readonly transitions: Given;
  /** By their names. Default: none */
  readonly deadlines?: Readonly<
    Record<Deadline, DeadlineSpec<NoInfer<StatePattern<Exclude<State, Final>>>, NoInfer<keyof Given & string>>>
  >;
  /** What begins when a state is entered. Default: nothing */
  readonly entry?: Readonly<Partial<Record<NoInfer<Exclude<State, Final>>, EntrySpec<NoInfer<keyof Given & string>>>>>;
  /**
   * Messages that are ignored without a word in these states, such as an echo of what was cancelled. A message that is illegal
   * elsewhere is noted, and an alarm is raised.
   */
  readonly ignored?: Readonly<Partial<Record<NoInfer<keyof Given & string>, OneOrMany<NoInfer<StatePattern<State>>>>>>;
}

/** One transition, as it was made of the table. */
export interface Move {
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly guard?: (asked: GuardOrder) => string | undefined;
  readonly effect?: string;
}

/** One deadline, as it was made of the table. Times are milliseconds. */
export interface DeadlineRule {
  readonly name: string;
  readonly during: ReadonlySet<string>;
  readonly afterMs: number;
  readonly fires?: string;
  readonly input?: unknown;
  readonly runs?: RunSpec;
  readonly everyMs: number;
  readonly times: number;
  readonly alarm?: string;
}

declare const table: unique symbol;

/** A state machine: made by {@link stateMachine}. */
export interface StateMachine<
  State extends string = string,
  Final extends State = State,
  Given = unknown,
  Deadline extends string = string,
> {
  readonly name: string;
  readonly revision: number;
  readonly initial: string;
  readonly states: readonly State[];
  readonly final: readonly string[];
  /** In the order of the table. */
  readonly events: readonly string[];
  readonly moves: readonly Move[];
  readonly deadlines: readonly DeadlineRule[];
  readonly entry: Readonly<Record<string, EntrySpec<string>>>;
  readonly ignored: Readonly<Record<string, ReadonlySet<string>>>;
  /** The transition of an event from a state, if it is legal. */
  move(event: string, from: string): Move | undefined;
  /** The events that are legal in a state. */
  legalIn(state: string): readonly string[];
  /** The machine as a Mermaid `stateDiagram-v2`. @param path the moves of one object: they are numbered */
  mermaid(path?: readonly { readonly event: string; readonly from: string; readonly to: string }[]): string;
  readonly [table]?: { readonly final: Final; readonly given: Given; readonly deadline: Deadline };
}

type TableOf<Machine> =
  Machine extends StateMachine<infer State, infer Final, infer Given, infer Deadline>
    ? { state: State; final: Final; given: Given; deadline: Deadline }
    : never;

/** The states of a machine. */
export type StateOf<Machine> = TableOf<Machine>['state'];
/** Its final states. */
export type FinalOf<Machine> = TableOf<Machine>['final'];
/** Its events. */
export type EventOf<Machine> = keyof TableOf<Machine>['given'] & string;
/** The names of its deadlines. */
export type DeadlineOf<Machine> = TableOf<Machine>['deadline'];
/** The events that are legal in a state: of a final one, none. */
export type EventFrom<Machine, State extends StateOf<Machine>> = {
  [Event in EventOf<Machine>]: State extends Covered<Froms<SpecsOf<TableOf<Machine>['given'][Event]>>, StateOf<Machine>>
    ? Event
    : never;
}[EventOf<Machine>];

/**
 * Makes a state machine of its table.
 *
 * @throws {@link MachineError} for a table that breaks a rule which its types could not tell
 *
 * @example
 * ```ts
 * export const claim = stateMachine({
 *   name: 'claim',
 *   initial: 'OPEN',
 *   states: ['OPEN', 'CHECK', 'CHECK.WAITING', 'PAID', 'REFUSED'],
 *   final: ['PAID', 'REFUSED'],
 *   transitions: {
 *     check: { from: 'OPEN', to: 'CHECK' },
 *     ask: { from: 'CHECK', to: 'CHECK.WAITING' },
 *     pay: { from: 'CHECK.*', to: 'PAID', effect: 'payClaim' },
 *     refuse: { from: ['OPEN', 'CHECK.*'], to: 'REFUSED' },
 *   },
 *   deadlines: { unchecked: { during: 'OPEN', after: '30 days', fires: 'refuse' } },
 * });
 * type Legal = EventFrom<typeof claim, 'OPEN'>; // 'check' | 'refuse'
 * ```
 */
export function stateMachine<
  const State extends string,
  const Final extends State,
  const Given extends Transitions<State, Exclude<State, Final>>,
  const Deadline extends string = never,
>(
  given: MachineTable<State, Final, Given, Deadline> & { readonly transitions: NoneTwice<Given, State> },
): StateMachine<State, Final, Given, Deadline> {
  return compile(given);
}
