import type { DeskDecision } from '../desk.js';
import { keep, type Kept } from './kept.js';

/**
 * What persons decided in the runs before one that settles. What a person did by hand, or left, no guard knows: to ask
 * for it again would do it twice. So a branch of which it was decided how it ends, ends so again; one whose input was
 * changed, or that was begun anew, goes on from there.
 */
export class Earlier {
  readonly #decisions: readonly DeskDecision[];

  constructor(decisions: readonly DeskDecision[] = []) {
    // Whoever forced the transaction forward gave up the undo, with what was decided in it.
    const forced = decisions.findLastIndex(({ action }) => action === 'forward');
    this.#decisions = decisions.filter((decision, index) => index > forced || whichOf(decision) !== 'undo');
  }

  /** How a person ended the branch's first operation, its undo, or its confirm, if so. */
  endOf(step: string, which: Which): DeskDecision | undefined {
    return this.#of(step, which).findLast(({ action }) => action === 'resolve' || action === 'skip');
  }

  /** The input that a person gave one of them, if so. */
  correctionOf(step: string, which: Which): { readonly input: Kept } | undefined {
    const corrected = this.#of(step, which).findLast((decision) => 'input' in decision);
    return corrected && { input: keep(corrected.input) };
  }

  /** How often the branch was begun anew after a definite no. */
  renewalsOf(step: string): number {
    return this.#of(step, 'first').filter(({ renewed }) => renewed === true).length;
  }

  #of(step: string, which: Which): readonly DeskDecision[] {
    return this.#decisions.filter((decision) => decision.branch === step && whichOf(decision) === which);
  }
}

/** Which of a branch's operations. */
type Which = 'first' | 'undo' | 'confirm';

function whichOf({ op }: DeskDecision): Which {
  if (op === 'compensation' || op === 'amends' || op === 'cancel' || op === 'rollback') return 'undo';
  return op === 'confirm' || op === 'commit' ? 'confirm' : 'first';
}
