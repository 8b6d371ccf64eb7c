import { TemporalFailure } from '@temporalio/common';
import { proxyLocalActivities, workflowInfo } from '@temporalio/workflow';
import {
  GROUP_CALL_MS,
  TURN_ACTIVITY,
  turnKey,
  type Turn,
  type TurnAnswer,
  type TurnAsk,
  type TurnResult,
} from '../../group.js';
import { QUIET_TURNS } from '../promises.js';

/** How long a turn may take beyond the calls in it, in milliseconds. */
const MORE_MS = 3_000;

interface Asked {
  readonly ask: TurnAsk;
  readonly resolve: (answer: TurnAnswer) => void;
  readonly reject: (defect: unknown) => void;
}

/**
 * Gathers what the members of a group ask for at one time, and has it done by one local activity. A task of the worker, an
 * entry of the history and a slot are needed a turn, and not a call: that is what makes a group cheap.
 *
 * Invariant: one turn is under way at a time. A replay may learn of several local activities at once that had ended one
 * after the other, and would gather otherwise what follows them.
 */
export class Turns {
  #asked: Asked[] = [];
  #isUnderWay = false;
  #quiet = 0;
  #bytes = 0;
  readonly #onTurn: () => void;

  /** @param onTurn told before each turn */
  constructor(onTurn: () => void) {
    this.#onTurn = onTurn;
  }

  /** What all answers so far take in the history, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Asks for something with the next turn. Rejects only for a defect, on which nothing may be decided. */
  ask(ask: TurnAsk): Promise<TurnAnswer> {
    this.#quiet = 0;
    const answer = new Promise<TurnAnswer>((resolve, reject) => {
      this.#asked.push({ ask, resolve, reject });
    });
    if (!this.#isUnderWay) void this.#takeTurns();
    return answer;
  }

  /** Forgets what this driver has asked for, as far as it is not under way: nobody waits for the answers. */
  drop(driver: string): void {
    this.#asked = this.#asked.filter(({ ask }) => ask.driver !== driver);
  }

  /** Takes turns until nobody asks for more. */
  async #takeTurns(): Promise<void> {
    this.#isUnderWay = true;
    for (;;) {
      // After so many without a further ask all members have asked that were about to.
      do await Promise.resolve();
      while (++this.#quiet < QUIET_TURNS);
      const asked = this.#asked;
      if (asked.length === 0) break;
      this.#asked = [];
      this.#onTurn();
      await this.#take(asked);
      this.#quiet = 0;
    }
    this.#isUnderWay = false;
  }

  async #take(asked: readonly Asked[]): Promise<void> {
    const asks = asked.map(({ ask }) => ask);
    try {
      const { answers, bytes, of } = await send(asks);
      if (of !== undefined && of !== turnKey(asks)) throw new Error(OTHER_TURN);
      this.#bytes += bytes;
      asked.forEach(({ resolve }, index) => {
        resolve(answers[index] ?? UNANSWERED);
      });
    } catch (error) {
      for (const { resolve, reject } of asked) {
        if (!(error instanceof TemporalFailure)) reject(error);
        else resolve({ how: 'unknown', type: error.name, message: String(error.cause ?? error) });
      }
    }
  }
}

/** A worker with the release that has recorded them has to go on with it. */
const OTHER_TURN = 'the answers that are recorded for this turn are to other calls: its saga was changed meanwhile';

const UNANSWERED: TurnAnswer = { how: 'unknown', type: 'NoAnswer', message: 'the worker gave no answer to it' };

function send(asks: readonly TurnAsk[]): Promise<TurnResult> {
  const local = proxyLocalActivities<{ [TURN_ACTIVITY](turn: Turn): Promise<TurnResult> }>({
    startToCloseTimeout: GROUP_CALL_MS + MORE_MS,
    // What it has not brought to an end goes on elsewhere.
    retry: { maximumAttempts: 1 },
    summary: summaryOf(asks),
  });
  return local[TURN_ACTIVITY]({ transaction: workflowInfo().workflowType, asks });
}

/** What a turn does, for the Web UI: `20 payments.charge.action, 3 decide to undo`. */
function summaryOf(asks: readonly TurnAsk[]): string {
  const counts = new Map<string, number>();
  for (const ask of asks) {
    const what = ask.kind === 'call' ? ask.function : ask.kind === 'undo' ? 'decide to undo' : 'end';
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts]
    .map(([what, count]) => `${count} ${what}`)
    .join(', ')
    .slice(0, 200);
}
