import { setTimeout as sleep } from 'node:timers/promises';
import { Barred, StoredRejection, Suspended } from '../../../../src/kit/database/rejection.js';
import type {
  Forward,
  Op,
  Operation,
  TryConfirmCancel,
  TwoPhase,
  Undoable,
} from '../../../../src/kit/workflow/index.js';

/** A participant that does what the test says. Its operations are letters; each says `did a` when it was done. */
export interface Letters {
  a: Undoable<string, string>;
  b: Undoable<string, string>;
  c: Undoable<string, string>;
  d: Undoable<string, string>;
  object: Undoable<{ letter: string }, { did: string }>;
  /** Held, and then confirmed or cancelled. */
  h: TryConfirmCancel<string, string>;
  i: TryConfirmCancel<string, string>;
  j: TryConfirmCancel<string, string>;
  turn: Forward<string, string>;
  f: Forward<string, string>;
  g: Forward<string, string>;
}

/** A participant of a two-phase commit; there are three of them: `north`, `south` and `west`. */
export interface Side {
  move: TwoPhase<string>;
}

/** What one attempt of an operation does. */
export type Behaviour = (operation: Operation) => unknown;

/** A no that its guard stored. */
export const refuse: Behaviour = ({ branch }) => {
  throw new StoredRejection('Refused', `${branch} is refused`);
};
/** What a guard says to an operation that may never be done. */
export const suspend: Behaviour = ({ branch }) => {
  throw new Suspended(`${branch} is suspended`);
};
export const fail: Behaviour = ({ branch, attempt }) => {
  throw new Error(`${branch} fails, attempt ${attempt}`);
};
/** Ends when it is cancelled; else it answers too late. */
export const hang: Behaviour = async ({ timeoutMs, signal }) => {
  await sleep(2 * timeoutMs, undefined, { signal });
};
/** Waits until it is cancelled, and is done then. */
export const finish: Behaviour = async ({ branch, timeoutMs, signal }) => {
  await sleep(2 * timeoutMs, undefined, { signal }).catch(() => undefined);
  return `did ${branch} all the same`;
};
export const succeed: Behaviour = ({ branch, op, single }) =>
  op === 'prepare' ? (single ? 'committed' : 'yes') : `did ${branch}`;
/** Votes, and has written nothing. */
export const read: Behaviour = () => 'read-only';

/** Ends in its time only where it has more of it than a local activity has. */
export const slow: Behaviour = (operation) => (operation.timeoutMs <= 3_000 ? hang(operation) : succeed(operation));

/** One after the other, whatever number the attempt has: it begins anew where a local step goes on as another. */
export function inTurn(...behaviours: readonly [...Behaviour[], Behaviour]): Behaviour {
  const rest = [...behaviours];
  const [last] = behaviours.slice(-1) as [Behaviour];
  return (operation) => (rest.shift() ?? last)(operation);
}

/** Fails until it is mended; then it succeeds, or does what else is given. */
export function broken(then: Behaviour = succeed): { mend: () => void; behaviour: Behaviour } {
  let whole = false;
  return {
    mend: () => (whole = true),
    behaviour: (operation) => (whole ? then(operation) : fail(operation)),
  };
}

/** Holds an operation until the test lets it go on. */
export function gate(then: Behaviour = succeed): { reached: Promise<void>; open: () => void; behaviour: Behaviour } {
  let open: () => void = () => undefined;
  let reach: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  return {
    reached,
    open,
    behaviour: async (operation) => {
      reach();
      await opened;
      return then(operation);
    },
  };
}

/** How the operations of one transaction behave: attempt by attempt, the last one again and again. */
export type Script = Readonly<Record<string, Behaviour | readonly Behaviour[]>>;

/** One attempt that was made: its name such as `b` or `undo b`, and what followed the branch. */
export interface Made {
  readonly gid: string;
  readonly name: string;
  readonly operation: Operation;
  readonly args: readonly unknown[];
}

/** What a second operation is called before its branch. */
const SECOND: Partial<Record<Op, string>> = {
  compensation: 'undo ',
  confirm: 'confirm ',
  cancel: 'cancel ',
  commit: 'commit ',
  rollback: 'rollback ',
};

/** The participant, the scripts of all transactions, and what was asked of it. */
export class LetterBox {
  readonly scripts = new Map<string, Script>();
  readonly made: Made[] = [];
  readonly ended: string[] = [];
  /** What the actions answered. */
  readonly #done = new Map<string, string>();

  implementation() {
    const act = (operation: Operation, ...args: unknown[]) => this.#perform(operation, args);
    const names = ['a', 'b', 'c', 'd', 'turn', 'f', 'g'];
    const object = {
      action: async (operation: Operation, input: { letter: string }) => {
        await act(operation, input);
        return { did: input.letter };
      },
      compensation: act,
    };
    const letters: [string, object][] = names.map((name) => [name, { action: act, compensation: act }]);
    const held: [string, object][] = ['h', 'i', 'j'].map((name) => [name, { try: act, confirm: act, cancel: act }]);
    return { ...(Object.fromEntries([...letters, ...held]) as Record<string, object>), object };
  }

  /** The participants of two-phase commits. */
  sides(): Record<string, { move: object }> {
    const act = (operation: Operation, ...args: unknown[]) => this.#perform(operation, args);
    const move = { prepare: act, commit: act, rollback: act };
    return { north: { move }, south: { move }, west: { move } };
  }

  /** What was asked of one transaction, attempt by attempt. */
  of(gid: string): Made[] {
    return this.made.filter((made) => made.gid === gid);
  }

  /** What a guard would answer to a run that settles, unless the script says what it does. */
  #look(operation: Operation): unknown {
    const { gid, branch } = operation;
    const name = `look at ${branch}`;
    this.made.push({ gid, name, operation, args: [] });
    const script = this.scripts.get(gid)?.[name] as Behaviour | undefined;
    if (script !== undefined) return script(operation);
    const done = this.#done.get(`${gid} ${branch}`);
    if (done !== undefined) return done;
    throw new Barred(operation);
  }

  async #perform(operation: Operation, args: readonly unknown[]): Promise<unknown> {
    const { gid, branch, op, attempt } = operation;
    if (operation.settle) return this.#look(operation);
    const name = `${SECOND[op] ?? ''}${branch}`;
    this.made.push({ gid, name, operation, args });
    const script = this.scripts.get(gid)?.[name] ?? succeed;
    const behaviours = Array.isArray(script) ? (script as readonly Behaviour[]) : [script as Behaviour];
    try {
      const did = await (behaviours[attempt - 1] ?? behaviours.at(-1) ?? succeed)(operation);
      if (op === 'action' || op === 'try' || op === 'prepare') this.#done.set(`${gid} ${branch}`, String(did));
      return did;
    } finally {
      this.ended.push(`${gid} ${name}`);
    }
  }
}
