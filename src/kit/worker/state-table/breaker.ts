import { participantOf } from '../../workflow/participant.js';

/** So many operations of a participant in a row gave no definite answer: it is silent. */
const SILENT_AFTER = 5;
/** How long nobody asks it then, in milliseconds. */
const REST_MS = 5_000;

interface Failed {
  /** Since when it has given no definite answer. */
  readonly since: number;
  inRow: number;
  until: number;
  isTold: boolean;
}

/**
 * Which participants are silent: rows that need them are not called for a moment, so that they take nobody's place. After that one
 * is asked, and more if it answers. So a row of many makes its rounds the more slowly, the more there are: that the participant is
 * silent is told once, when a row by itself would have made all of its rounds.
 */
export class Silence {
  readonly #failed = new Map<string, Failed>();
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
    const until = this.#now() + REST_MS;
    const { since = this.#now(), inRow = 0, isTold = false } = this.#failed.get(participant) ?? {};
    this.#failed.set(participant, { since, inRow: inRow + 1, until, isTold });
  }

  /** Participants that have been silent for so many milliseconds and longer, with for how long: those that nobody was told of. */
  untold(afterMs: number): { readonly participant: string; readonly forMs: number }[] {
    return [...this.#failed].flatMap(([participant, { since, inRow, isTold }]) => {
      const forMs = this.#now() - since;
      return !isTold && inRow >= SILENT_AFTER && forMs >= afterMs ? [{ participant, forMs }] : [];
    });
  }

  told(participant: string): void {
    const failed = this.#failed.get(participant);
    if (failed !== undefined) failed.isTold = true;
  }
}
