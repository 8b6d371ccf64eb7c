import type { Op } from './branch.js';
import type { FailureNote } from './failure.js';

/**
 * The desk: where branches wait for a person, in any scheme.
 *
 * States of a case: open → decided (once, by one person), or open → withdrawn (the transaction took another way). A
 * branch may come to the desk again: that is a new case.
 *
 * Invariant: while a case is open nobody but a person moves its branch; a decision that does not fit changes nothing.
 */

/** The name of the update by which a person decides; with a {@link DeskOrder}, answered with a {@link DeskNote}. */
export const DECIDE_UPDATE = 'decide';

/**
 * What a person may decide of a branch.
 * - `retry`: ask it again, for another window; with a changed input if one is given.
 * - `resolve`: it was fixed outside: it counts as done.
 * - `skip`: leave it as it is and go on; the transaction names it at its end.
 * - `forward`: give up the undo, and complete the transaction instead. What the undo did is found and counts; whoever
 *   decides so answers for an undo that is still on its way to a participant without a guard.
 */
export type DeskAction = 'retry' | 'resolve' | 'skip' | 'forward';

/** All of them. */
export const deskActions = ['retry', 'resolve', 'skip', 'forward'] as const satisfies readonly DeskAction[];

/** What a person decides, with who and why. */
export interface DeskOrder {
  readonly branch: string;
  readonly action: DeskAction;
  /**
   * With `retry`: what the operation gets instead of its input. Absent: the input that it had. An operation that may have
   * happened takes no other input: it would hide what it did.
   */
  readonly input?: unknown;
  /** With `resolve`, of an operation that is no undo: what it would have returned; null if nothing. */
  readonly result?: unknown;
  readonly actor: string;
  readonly reason: string;
}

/** A decision that was made. */
export interface DeskNote {
  readonly branch: string;
  readonly op: Op;
  readonly action: DeskAction;
  readonly actor: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Whether the input was changed. */
  readonly corrected?: true;
  /** Whether the branch is begun anew, under a name of its own: its definite no stays what it is. */
  readonly renewed?: true;
  /** Of a row of a state table: why the operation could not be barred. What is on its way of it may happen still. */
  readonly notBarred?: string;
}

/** A decision with what it carried. */
export type DeskDecision = DeskNote & Pick<DeskOrder, 'input' | 'result'>;

/** A branch that waits for a person. */
export interface DeskCase {
  readonly branch: string;
  readonly op: Op;
  readonly operation: string;
  readonly summary: string;
  /** What the operation was asked with. */
  readonly input: unknown;
  /** The last error. */
  readonly failure: FailureNote;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** What may be decided, as things stand. */
  readonly fits: readonly DeskAction[];
  /** Whether a retry may come with another input. */
  readonly takesInput: boolean;
  /** What the result of `resolve` may be, where it says which of these it was. Absent: what the operation would have returned. */
  readonly results?: readonly string[];
}

/** What a branch brings to the desk. */
export type Parked = Omit<DeskCase, 'since' | 'fits'> & {
  /** What may be decided, looked at when it is asked. */
  readonly fits: () => readonly DeskAction[];
  /** Whether a retry begins the branch anew. */
  readonly renews?: boolean;
};

interface Open extends Parked {
  readonly since: number;
  readonly decided: (order: DeskOrder | undefined) => void;
}

/** The desk of one transaction. */
export class Desk {
  readonly #open = new Map<string, Open>();
  readonly #notes: DeskNote[];
  readonly #now: () => number;
  readonly #changed: (opened?: DeskCase) => void;

  /**
   * @param changed told after each change, with the case if one was opened
   * @param earlier what was decided in earlier runs
   */
  constructor(now: () => number, changed: (opened?: DeskCase) => void, earlier: readonly DeskNote[] = []) {
    this.#now = now;
    this.#notes = earlier.map(noteOf);
    this.#changed = changed;
  }

  /** The cases that wait, the oldest first. */
  get cases(): readonly DeskCase[] {
    return [...this.#open.values()].map(caseOf);
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** What was decided, in order. */
  get notes(): readonly DeskNote[] {
    return this.#notes;
  }

  /** Opens a case. @returns what a person decides; undefined if the case was withdrawn */
  park(parked: Parked): Promise<DeskOrder | undefined> {
    return new Promise((decided) => {
      const open = { ...parked, since: this.#now(), decided };
      this.#open.set(parked.branch, open);
      this.#changed(caseOf(open));
    });
  }

  /** Says why a decision cannot be carried out, and what could be. */
  wrong(order: Partial<DeskOrder>): string | undefined {
    const { branch, action, actor, reason } = order;
    for (const [name, value] of Object.entries({ branch, action, actor, reason })) {
      if (typeof value !== 'string' || value.trim() === '') return `a decision needs ${name}: a text that is not empty`;
    }
    if (!deskActions.some((known) => known === action)) {
      return `'${action}' is no decision: give one of ${deskActions.join(', ')}`;
    }
    const open = this.#open.get(branch ?? '');
    if (open === undefined) return this.#whyNot(branch ?? '');
    const fits = open.fits();
    if (!fits.some((fit) => fit === action)) {
      return `'${action}' does not fit branch '${branch}', whose ${open.op} waits: what fits is ${fits.join(', ')}`;
    }
    if (action !== 'retry' && 'input' in order) return `an input goes with 'retry' only, not with '${action}'`;
    if (action !== 'resolve' && 'result' in order) return `a result goes with 'resolve' only, not with '${action}'`;
    if ('input' in order && !open.takesInput) {
      return `'${branch}' takes no other input while it is not known what became of the one that it had: retry it as it is`;
    }
    const { results } = open;
    if ('result' in order && results?.every((each) => each !== order.result) === true) {
      const [named, given] = [results.map((each) => JSON.stringify(each)).join(' or '), JSON.stringify(order.result)];
      return `the result of '${branch}' is ${named}, and not ${given}`;
    }
    if (action === 'resolve' && isFirst(open.op) && !('result' in order)) {
      return `'resolve' of ${open.op} of '${branch}' needs a result: what it would have returned; null if nothing`;
    }
    return undefined;
  }

  /** Carries out a decision that is not {@link wrong}. */
  decide(order: DeskOrder): DeskNote {
    const open = this.#open.get(order.branch);
    if (open === undefined) throw new Error(this.#whyNot(order.branch));
    const { branch, action, actor, reason } = order;
    const note: DeskNote = {
      ...{ branch, op: open.op, action, actor, reason, at: this.#now() },
      ...('input' in order && { corrected: true }),
      ...(action === 'retry' && open.renews === true && { renewed: true }),
    };
    this.#notes.push(note);
    this.#open.delete(branch);
    open.decided(order);
    // The transaction takes another way: nothing of the old one waits.
    if (action === 'forward') this.withdraw();
    this.#changed();
    return note;
  }

  /** Closes every case without a decision. */
  withdraw(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const each of open) each.decided(undefined);
  }

  #whyNot(branch: string): string {
    const last = this.#notes.findLast((note) => note.branch === branch);
    const waiting = [...this.#open.keys()];
    const others = waiting.length === 0 ? 'nothing waits' : `what waits is ${waiting.join(', ')}`;
    if (last === undefined) return `branch '${branch}' does not wait for a decision: ${others}`;
    const when = new Date(last.at).toISOString();
    return `branch '${branch}' was decided before: ${last.action} by ${last.actor} at ${when} (${last.reason}); ${others}`;
  }
}

function caseOf({ branch, op, operation, summary, input, failure, since, fits, takesInput, results }: Open): DeskCase {
  return {
    ...{ branch, op, operation, summary, input, failure, since, fits: fits(), takesInput },
    ...(results && { results }),
  };
}

function noteOf({ branch, op, action, actor, reason, at, corrected, renewed }: DeskNote): DeskNote {
  return {
    ...{ branch, op, action, actor, reason, at },
    ...(corrected && { corrected }),
    ...(renewed && { renewed }),
  };
}

/** Whether it is no second operation, which gives nothing. */
function isFirst(op: Op): boolean {
  return op === 'action' || op === 'try' || op === 'prepare';
}

/** What is said of a branch that a person skipped. */
export function leftBy({ actor, reason }: Pick<DeskOrder, 'actor' | 'reason'>): FailureNote {
  return { type: 'Skipped', message: `left as it is by ${actor}: ${reason}` };
}
