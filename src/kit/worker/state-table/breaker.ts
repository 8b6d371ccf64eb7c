import { participantOf } from '../../workflow/participant.js';

/** So many operations of a participant in a row gave no definite answer: it is silent. */
const SILENT_AFTER = 5;
/** How long nobody asks it then, in milliseconds. */
const REST_MS = 5_000;

/**
 * Which participants are silent: rows that need them are not called for a moment, so that they take nobody's place. After that one
 * is asked, and more if it answers.
 */
export class Silence {
  readonly #failed = new Map<string, { inRow: number; until: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The first of these operations whose participant is not to be asked now. */
  among(operations: readonly string[]): string | undefined {
    return operations.map(participantOf).find((participant) => {
      const failed = this.#failed.get(participant);
      if (failed === undefined || failed.inRow < SILENT_AFTER) return false;
      if (failed.until > this.#now()) return true;
      // This one finds out.
      failed.until = this.#now() + REST_MS;
      return false;
    });
  }

  /** An operation has answered, whatever it said. */
  answered(operation: string): void {
    this.#failed.delete(participantOf(operation));
  }

  failed(operation: string): void {
    const participant = participantOf(operation);
    const inRow = (this.#failed.get(participant)?.inRow ?? 0) + 1;
    this.#failed.set(participant, { inRow, until: this.#now() + REST_MS });
  }
}
