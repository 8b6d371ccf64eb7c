import { canBeUndone, whichOf, type MatrixFault, type Which } from './faults.js';

/** Attempts of a transaction that are held back until the rival of theirs was done, or all is over. */
export class HeldAttempts {
  readonly #held = new Set<{ readonly fault: MatrixFault; readonly release: () => void }>();

  /** Resolves when the attempt may go on. */
  hold(fault: MatrixFault): Promise<void> {
    return new Promise((resolve) => {
      const held = {
        fault,
        release: () => {
          this.#held.delete(held);
          resolve();
        },
      };
      this.#held.add(held);
    });
  }

  /** An operation was done: a first action that was held back arrives after its undo; anything else after a further attempt. */
  done(branch: string, which: Which): void {
    for (const { fault, release } of [...this.#held]) {
      const rival = canBeUndone(fault.operation) ? 'undo' : whichOf(fault.operation);
      if (fault.step === stepOf(branch) && rival === which) release();
    }
  }

  releaseAll(): void {
    for (const { release } of [...this.#held]) release();
  }
}

/** A branch that is begun anew after a definite no has another name. */
export function stepOf(branch: string): string {
  return branch.split('~')[0] ?? branch;
}
