import { messageOf } from './message.js';
import { isDataRefused, sqlStateOf } from './sqlstate.js';

/** So many are waiting already that one more is not taken: nothing of it was begun. */
export class TooMany extends Error {
  constructor(waiting: number) {
    super(`${waiting} are waiting already: nothing of this was begun`);
    this.name = 'TooMany';
  }
}

/** Options of {@link Together}. */
export interface TogetherOptions<Asked, Answer> {
  /** Decides so many in one go, and answers each, in their order. */
  readonly send: (asked: readonly Asked[]) => Promise<readonly Answer[]>;
  /** No two of the same key go together: the second goes with the next ones, and so finds what came of the first. */
  readonly keyOf: (asked: Asked) => string;
  /** How many go together at most. Default: 500 */
  readonly most?: number;
  /** How many may wait; one more is refused with {@link TooMany}. Default: 10,000 */
  readonly waiting?: number;
}

const QUERY_CANCELED = '57014';

interface Waiting<Asked, Answer> {
  readonly asked: Asked;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: what one process asks of one hot row. One goes at once; those that come while it is under way wait, and go together
 * after it, in one statement, one lock and one wait for the disk. So nothing waits for a timer, and the more is asked the more goes
 * together.
 *
 * States of what is asked: waiting → under way → answered. Invariant: at most one send is under way; each that was taken is answered
 * once, in the order of its coming but for those of a key that is under way.
 *
 * Where a send fails nobody knows what came of it, and all of it hears so; whoever asks again under the same key finds out. But where the
 * data of one were refused, so that nothing happened, each goes again by itself: one that cannot be stored keeps nothing from the others.
 */
export class Together<Asked, Answer> {
  readonly #options: Required<TogetherOptions<Asked, Answer>>;
  #queue: Waiting<Asked, Answer>[] = [];
  #isBusy = false;

  constructor({ most = 500, waiting = 10_000, ...options }: TogetherOptions<Asked, Answer>) {
    this.#options = { most, waiting, ...options };
  }

  /** @throws what the send throws; {@link TooMany} */
  ask(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= this.#options.waiting) {
        reject(new TooMany(this.#queue.length));
        return;
      }
      this.#queue.push({ asked, resolve, reject });
      if (!this.#isBusy) void this.#sendAll();
    });
  }

  async #sendAll(): Promise<void> {
    this.#isBusy = true;
    // Those that come in the same turn go together.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#send(this.#take());
    this.#isBusy = false;
  }

  /** The next ones, without those of a key that is among them. */
  #take(): Waiting<Asked, Answer>[] {
    const { most, keyOf } = this.#options;
    const taken = new Map<string, Waiting<Asked, Answer>>();
    const left: Waiting<Asked, Answer>[] = [];
    for (const each of this.#queue) {
      const key = keyOf(each.asked);
      if (taken.size < most && !taken.has(key)) taken.set(key, each);
      else left.push(each);
    }
    this.#queue = left;
    return [...taken.values()];
  }

  /** Never rejects: each hears by itself. */
  async #send(waiting: readonly Waiting<Asked, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.send(waiting.map(({ asked }) => asked));
      for (const [place, { resolve, reject }] of waiting.entries()) {
        const answer = answers[place];
        if (answer === undefined) reject(new Error('there was no answer'));
        else resolve(answer);
      }
    } catch (error) {
      // A statement that took too long was refused nothing: one by one, all of them would take longer still.
      if (waiting.length > 1 && isDataRefused(error) && sqlStateOf(error) !== QUERY_CANCELED) {
        for (const each of waiting) await this.#send([each]);
        return;
      }
      // An error of one's own each, as each is told whose it is.
      for (const { reject } of waiting) reject(new Error(messageOf(error), { cause: error }));
    }
  }
}
