import { participantOf } from '../../workflow/participant.js';

/** So many operations of a participant in a row gave no definite answer: it is silent. */
const SILENT_AFTER = 5;
/** How long nobody asks it then, in milliseconds. */
const REST_MS = 5_000;

interface Failed {
  /** Since when it has given no definite answer. */
  readonly since: number;
  readonly lastAt: number;
  inRow: number;
  until: number;
  isTold: boolean;
}

/**
 * Which participants are silent: rows that need them are not called for a moment, so that they take nobody's place. After that one
 * is asked, and more if it answers. So a row of many makes its rounds the more slowly, the more there are: that the participant is
 * silent is told once, when a row by itself would have made all of its rounds.
 *
 * What it has said to other workers nobody knows here: a failure that none has followed for two rounds says nothing any more.
 */
export class Silence {
  readonly #failed = new Map<string, Failed>();
  readonly #recentMs: number;
  readonly #now: () => number;

  /** @param roundMs how long a round may take, and a row that has failed may rest, in milliseconds: after both it is tried again */
  constructor(roundMs: number, now: () => number = () => performance.now()) {
    this.#recentMs = 2 * Math.max(roundMs, REST_MS);
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
    const lastAt = this.#now();
    const earlier = this.#failed.get(participant);
    const { since, inRow, isTold } =
      earlier !== undefined && this.#isRecent(earlier) ? earlier : { since: lastAt, inRow: 0, isTold: false };
    this.#failed.set(participant, { since, lastAt, inRow: inRow + 1, until: lastAt + REST_MS, isTold });
  }

  /** Participants that have been silent for so many milliseconds and longer, with for how long: those that nobody was told of. */
  untold(afterMs: number): { readonly participant: string; readonly forMs: number }[] {
    return [...this.#failed].flatMap(([participant, failed]) => {
      const forMs = this.#now() - failed.since;
      const isSilent = !failed.isTold && failed.inRow >= SILENT_AFTER && this.#isRecent(failed);
      return isSilent && forMs >= afterMs ? [{ participant, forMs }] : [];
    });
  }

  told(participant: string): void {
    const failed = this.#failed.get(participant);
    if (failed !== undefined) failed.isTold = true;
  }

  #isRecent({ lastAt }: Failed): boolean {
    return this.#now() - lastAt <= this.#recentMs;
  }
}
