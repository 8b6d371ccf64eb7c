/** One step that a model can take from a state. */
export interface Move<State> {
  /** Who does what, for the trace. */
  readonly name: string;
  /** Whether it comes to pass for certain, sooner or later, as long as it is possible. */
  readonly certain: boolean;
  readonly to: State;
}

/** What can be explored: finitely many states, and what leads from one to the next. */
export interface Model<State> {
  readonly initial: State;
  /** Equal for two states if and only if they are the same state. */
  key(state: State): string;
  /** What can happen in a state: the same, in the same order, whenever it is asked. */
  moves(state: State): readonly Move<State>[];
  /**
   * What the state breaks, if anything.
   *
   * @param atRest whether nothing is certain to happen any more
   */
  broken(state: State, atRest: boolean): string | undefined;
  /** What a state at rest is an example of. */
  kind(state: State): string;
}

/** What an exploration has found. */
export interface Explored {
  readonly states: number;
  readonly moves: number;
  /** How many states of each kind there are in which nothing is certain to happen any more. */
  readonly atRest: ReadonlyMap<string, number>;
  /** What is broken first, and a shortest way to it; absent if nothing is, in any state. */
  readonly violation?: { readonly broken: string; readonly trace: readonly string[] };
}

/**
 * Visits every state of a model, breadth first, so that the way to the first violation is a shortest one.
 *
 * Besides what the model itself says is broken, a ring of certain moves is: on it the model could go round for ever. So if
 * nothing is broken, everything that is begun comes to rest, whatever else happens or does not.
 */
export function explore<State>(model: Model<State>): Explored {
  const numbers = new Map([[model.key(model.initial), 0]]);
  /** By number: the state before, and which of its moves led here. No state is kept once it was visited. */
  const before = [-1];
  const by = [-1];
  /** By number: the states that certain moves lead to. */
  const certain: (readonly number[])[] = [];
  let front = [model.initial];
  let moved = 0;
  const atRest = new Map<string, number>();

  const traceTo = (last: number): string[] => {
    const way: number[] = [];
    for (let number = last; number > 0; number = before[number] ?? 0) way.unshift(by[number] ?? 0);
    let state = model.initial;
    return way.map((choice) => {
      const move = model.moves(state)[choice];
      if (move === undefined) throw new Error('the model does not do the same twice');
      state = move.to;
      return move.name;
    });
  };
  const explored = (): Explored => ({ states: numbers.size, moves: moved, atRest });
  const violated = (broken: string, last: number): Explored => ({
    ...explored(),
    violation: { broken, trace: traceTo(last) },
  });

  for (let number = 0; front.length > 0;) {
    const next: State[] = [];
    for (const state of front) {
      const moves = model.moves(state);
      const following: number[] = [];
      moves.forEach(({ to, certain: isCertain }, choice) => {
        moved++;
        const key = model.key(to);
        let target = numbers.get(key);
        if (target === undefined) {
          target = numbers.size;
          numbers.set(key, target);
          before.push(number);
          by.push(choice);
          next.push(to);
        }
        if (isCertain) following.push(target);
      });
      if (following.length === 0) atRest.set(model.kind(state), (atRest.get(model.kind(state)) ?? 0) + 1);
      const broken = model.broken(state, following.length === 0);
      if (broken !== undefined) return violated(broken, number);
      // A copy takes the room that it needs, and no more.
      certain.push(following.slice());
      number++;
    }
    front = next;
  }
  const onRing = ringIn(certain);
  return onRing === undefined ? explored() : violated('it may go on for ever', onRing);
}

/** A node on a ring, or after one, if there is a ring: what stays when nodes that nothing leads to are taken away. */
function ringIn(targetsOf: readonly (readonly number[])[]): number | undefined {
  const leadingTo = new Uint32Array(targetsOf.length);
  const count = (node: number, by: number): number => (leadingTo[node] = (leadingTo[node] ?? 0) + by);
  for (const targets of targetsOf) for (const target of targets) count(target, 1);
  const free = [...targetsOf.keys()].filter((node) => leadingTo[node] === 0);
  let left = targetsOf.length;
  for (let node = free.pop(); node !== undefined; node = free.pop()) {
    left--;
    for (const target of targetsOf[node] ?? []) if (count(target, -1) === 0) free.push(target);
  }
  return left === 0 ? undefined : leadingTo.findIndex((many) => many > 0);
}
